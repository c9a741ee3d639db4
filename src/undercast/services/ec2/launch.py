"""RunInstances: what was asked for becomes durable here; the reconciler makes the machines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import block_devices, idempotency, ids, launch_request, tags, zones
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.instances import reservation
from undercast.services.ec2.volumes import of_snapshot, volume

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_TAGGED = ("instance", "volume", "network-interface", "spot-instances-request")


class Launch:
    """RunInstances."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def run_instances(self, call: Call, params: Params) -> Result:
        with self._ec2.default_network.changing(call, params) as change:
            earlier = self._earlier(change, params)
            records = earlier or self.launch(change, call, params)
        return reservation(self._ec2.instances.views(call.account, call.region, records))

    def _earlier(self, change: Change, params: Params) -> list[Record]:
        first = idempotency.earlier(change, "instance", params)
        if first is None:
            return []
        return [r for r in change.all("instance") if r["_ReservationId"] == first["_ReservationId"]]

    def launch(self, change: Change, call: Call, params: Params, **more: Any) -> list[Record]:
        """Put the instances of one request, with their interfaces and volumes. `more` goes to each record.

        As many as fit are launched, but no fewer than MinCount.
        """
        asked = launch_request.with_template(self._ec2, change, params)
        launch_request.check(asked)
        image = self._image(call, asked)
        common, disks = self._common(change, call, asked, image)
        common |= {**idempotency.members(params), **more}
        network = self._ec2.network_interfaces.prepare_launch(change, call, asked)
        zone = zones.Zone(network.availability_zone, network.availability_zone_id, call.region)
        common["Placement"] = self._placement(change, asked, zone)
        count = self._count(change, common, asked)
        records = []
        for index in range(count):
            record = {**common, "InstanceId": ids.new_id("i"), "AmiLaunchIndex": index}
            if asked.get("InstanceMarketOptions"):
                record = self._ec2.spot.for_launch(change, call, asked, record)
            change.put("instance", record["InstanceId"], record)
            self._ec2.network_interfaces.launch(change, network, record["InstanceId"], index)
            for disk in disks:
                self._put_disk(change, call, asked, record, disk, zone)
            records.append(record)
        return records

    def _image(self, call: Call, asked: Params) -> Record:
        image_id = asked.get("ImageId")
        if not image_id:
            raise AwsError("MissingParameter", "The request must contain the parameter ImageId")
        if image_id.startswith("resolve:ssm:"):
            image_id = self._ec2.public_parameters.resolve(image_id.removeprefix("resolve:ssm:"))
        image = self._ec2.images.find(call.account, call.region, image_id)
        if image["State"] != "available":
            raise AwsError("InvalidAMIID.Unavailable", f"The image id '[{image_id}]' is not available")
        return image

    def _common(
        self, change: Change, call: Call, asked: Params, image: Record
    ) -> tuple[Record, list[block_devices.Disk]]:
        """What all instances of the request share, and their disks."""
        wanted_tags = tags.from_specifications(asked, *_TAGGED)
        kind = launch_request.kind_for(asked, image)
        disks = block_devices.plan(self._ec2, change, image, asked.get("BlockDeviceMappings"))
        root = disks[0].snapshot
        key_name = asked.get("KeyName")
        record: Record = {
            **states.moved({}, "pending"),
            "ImageId": image["ImageId"],
            "InstanceType": kind.name,
            "LaunchTime": call.now.replace(microsecond=0),
            "UsageOperationUpdateTime": call.now.replace(microsecond=0),
            "Monitoring": {
                "State": "enabled" if (asked.get("Monitoring") or {}).get("Enabled") else "disabled"
            },
            "ProductCodes": [],
            "Architecture": image["Architecture"],
            "ClientToken": asked.get("ClientToken") or "",
            "EbsOptimized": bool(asked.get("EbsOptimized")),
            "EnaSupport": True,
            "Hypervisor": "xen",
            "RootDeviceName": image["RootDeviceName"],
            "RootDeviceType": "ebs",
            "VirtualizationType": "hvm",
            "PlatformDetails": "Linux/UNIX",
            "UsageOperation": "RunInstances",
            "CpuOptions": launch_request.cpu_options(asked, kind),
            "CapacityReservationSpecification": {"CapacityReservationPreference": "open"},
            "HibernationOptions": {"Configured": launch_request.hibernation(asked, kind)},
            "MetadataOptions": launch_request.metadata_options(asked.get("MetadataOptions"), image),
            "EnclaveOptions": {"Enabled": False},
            "PrivateDnsNameOptions": {
                "HostnameType": "ip-name",
                "EnableResourceNameDnsARecord": False,
                "EnableResourceNameDnsAAAARecord": False,
                **(asked.get("PrivateDnsNameOptions") or {}),
            },
            "MaintenanceOptions": {"AutoRecovery": "default", **(asked.get("MaintenanceOptions") or {})},
            "CurrentInstanceBootMode": "legacy-bios",
            "NetworkPerformanceOptions": {"BandwidthWeighting": "default"},
            "Operator": {"Managed": False},
            "Tags": self._with_template_tags(wanted_tags, asked),
            "_ReservationId": ids.new_id("r"),
            "_OwnerId": call.account,
            "_UserData": launch_request.user_data(asked),
            "_ShutdownBehaviour": asked.get("InstanceInitiatedShutdownBehavior") or "stop",
            "_DisableApiTermination": bool(asked.get("DisableApiTermination")),
            "_DisableApiStop": bool(asked.get("DisableApiStop")),
            "_Credits": launch_request.cpu_credits(asked, kind),
            "_Base": image["_Base"],
            "_RootSnapshot": root["SnapshotId"] if root else None,
            "_Reboot": False,
        }
        if key_name:
            record["KeyName"] = key_name
            record["_PublicKey"] = self._ec2.key_pairs.public_key(call, key_name)
        if profile := launch_request.profile(self._ec2, call, asked):
            record["IamInstanceProfile"] = profile
        return record, disks

    @staticmethod
    def _with_template_tags(wanted: list[tags.Tag], asked: Params) -> list[tags.Tag]:
        """AWS marks instances with the launch template they came from."""
        template = asked.get("_Template")
        if template is None:
            return wanted
        mark = {"aws:ec2launchtemplate:id": template[0], "aws:ec2launchtemplate:version": template[1]}
        return [*wanted, *({"Key": key, "Value": value} for key, value in mark.items())]

    def _placement(self, change: Change, asked: Params, zone: zones.Zone) -> dict[str, Any]:
        placement = asked.get("Placement") or {}
        tenancy = placement.get("Tenancy") or "default"
        if tenancy != "default" or placement.get("HostId") or placement.get("HostResourceGroupArn"):
            raise AwsError(
                "UnsupportedOperation",
                "Dedicated Instances and Dedicated Hosts are not supported by Undercast.",
            )
        group = self._ec2.placement_groups.for_launch(change, placement)
        return {
            "AvailabilityZone": zone.name,
            "AvailabilityZoneId": zone.id,
            "Tenancy": tenancy,
            **(group or {"GroupName": ""}),
        }

    def _count(self, change: Change, common: Record, asked: Params) -> int:
        """How many of the instances fit. Spot Instances in the way are told to go."""
        low, high = asked["MinCount"], asked["MaxCount"]
        if asked.get("DryRun"):
            return int(low)
        for count in range(high, low - 1, -1):
            try:
                candidates = [{**common, "InstanceId": f"candidate {n}"} for n in range(count)]
                for record in self._ec2.capacity.check(candidates):
                    self._ec2.spot.interrupt(change, record)
            except AwsError as error:
                if error.code != "InsufficientInstanceCapacity" or count == low:
                    raise
            else:
                return int(count)
        raise AssertionError("unreachable: the loop returns or raises at MinCount")

    @staticmethod
    def _put_disk(
        change: Change,
        call: Call,
        asked: Params,
        instance: Record,
        disk: block_devices.Disk,
        zone: zones.Zone,
    ) -> None:
        others = tuple(kind for kind in _TAGGED if kind != "volume")
        record = volume(
            call,
            performance=disk.performance,
            zone=zone,
            snapshot=disk.snapshot,
            wanted_tags=tags.from_specifications(asked, "volume", *others),
        )
        attachment = {
            "VolumeId": record["VolumeId"],
            "InstanceId": instance["InstanceId"],
            "Device": disk.device,
            "State": "attaching",
            "AttachTime": call.now,
            "DeleteOnTermination": disk.delete_on_termination,
        }
        record |= {"State": "in-use", "Attachments": [attachment], "SnapshotId": disk.snapshot_id}
        if disk.root:
            record |= {"_Root": True, "_Base": instance["_Base"]}
        else:
            record |= of_snapshot(disk.snapshot)
            record["_New"] = True  # still to be made, though AWS shows it as in use already
        change.put("volume", record["VolumeId"], record)
