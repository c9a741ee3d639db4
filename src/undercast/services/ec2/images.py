"""Images: described, made from instances, registered, copied, deregistered."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids, image_names, public_images, tags, volume_types
from undercast.services.ec2.attachments import of_instance, root_of
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, page
from undercast.services.ec2.snapshots import discard, snapshots_of
from undercast.services.ec2.volumes import is_root

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

FILTERS = Filters(
    {
        "architecture": "Architecture",
        "block-device-mapping.delete-on-termination": "BlockDeviceMappings.Ebs.DeleteOnTermination",
        "block-device-mapping.device-name": "BlockDeviceMappings.DeviceName",
        "block-device-mapping.encrypted": "BlockDeviceMappings.Ebs.Encrypted",
        "block-device-mapping.snapshot-id": "BlockDeviceMappings.Ebs.SnapshotId",
        "block-device-mapping.volume-size": "BlockDeviceMappings.Ebs.VolumeSize",
        "block-device-mapping.volume-type": "BlockDeviceMappings.Ebs.VolumeType",
        "boot-mode": "BootMode",
        "creation-date": "CreationDate",
        "description": "Description",
        "ena-support": "EnaSupport",
        "free-tier-eligible": lambda record: record.get("ImageOwnerAlias") == "amazon",
        "hypervisor": "Hypervisor",
        "image-allowed": "ImageAllowed",
        "image-id": "ImageId",
        "image-type": "ImageType",
        "instance-type-specification.supported-instance-type": "InstanceTypeSpecification.Supported",
        "instance-type-specification.unsupported-instance-type": "InstanceTypeSpecification.Unsupported",
        "is-public": "Public",
        "kernel-id": "KernelId",
        "manifest-location": "ImageLocation",
        "name": "Name",
        "owner-alias": "ImageOwnerAlias",
        "owner-id": "OwnerId",
        "platform": "Platform",
        "product-code": "ProductCodes.ProductCodeId",
        "product-code.type": "ProductCodes.ProductCodeType",
        "public-ssm-parameter-name": "_Parameters",
        "ramdisk-id": "RamdiskId",
        "root-device-name": "RootDeviceName",
        "root-device-type": "RootDeviceType",
        "source-image-id": "SourceImageId",
        "source-image-region": "SourceImageRegion",
        "source-instance-id": "SourceInstanceId",
        "state": "State",
        "state-reason-code": "StateReason.Code",
        "state-reason-message": "StateReason.Message",
        "sriov-net-support": "SriovNetSupport",
        "virtualization-type": "VirtualizationType",
    }
)
_NAME = re.compile(r"[A-Za-z0-9()\[\] ./\-'@_]{3,128}")


class Images:
    """Records of kind "image", beside the public ones of `public_images`."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def describe_images(self, call: Call, params: Params) -> Result:
        dry_run(params)
        records = self._described(call)
        if wanted := params.get("ImageIds"):
            ids.check("image", *wanted)
            known = {record["ImageId"] for record in records}
            if missing := [id for id in wanted if id not in known]:
                raise ids.not_found("image", *missing)
            records = [record for record in records if record["ImageId"] in wanted]
        if owners := params.get("Owners"):
            records = [record for record in records if _owned(record, owners, call.account)]
        if users := params.get("ExecutableUsers"):
            records = [record for record in records if _executable(record, users, call.account)]
        found: dict[str, Record] = {}
        for record in FILTERS.select(records, params.get("Filters")):
            found.setdefault(record["ImageId"], record)  # under its own name, if that is asked for as well
        chosen, token = page(list(found.values()), params, lambda record: record["ImageId"], lowest=1)
        return answer("Images", [_shown(record) for record in chosen], token)

    def _described(self, call: Call) -> list[Record]:
        """The images there are, public ones under the names of their publishers as well."""
        names: dict[str, list[str]] = {}
        for name, image_id in self._ec2.public_parameters.all().items():
            names.setdefault(image_id, []).append(name)
        records = self.launchable(call.account, call.region)
        records += image_names.published(public_images.records(self._ec2.machine_images))
        return [{**record, "_Parameters": names.get(record["ImageId"], [])} for record in records]

    def create_image(self, call: Call, params: Params) -> Result:
        wanted = tags.from_specifications(params, "image", "snapshot")
        on_snapshots = tags.from_specifications(params, "snapshot", "image")
        with self._estate.changing(call, params) as change:
            ids.check("instance", params["InstanceId"])
            instance = change.get("instance", params["InstanceId"])
            if instance is None:
                raise ids.not_found("instance", params["InstanceId"])
            state = instance["State"]["Name"]
            if state not in ("running", "stopped", "stopping", "pending"):
                raise AwsError(
                    "IncorrectInstanceState",
                    f"The instance '{instance['InstanceId']}' is not in a state from which it can be imaged.",
                )
            if root_of(change.all("volume"), instance["InstanceId"]) is None:
                raise AwsError(
                    "IncorrectInstanceState",
                    f"The instance '{instance['InstanceId']}' does not have a volume attached at root "
                    f"({instance['RootDeviceName']}).",
                )
            _check_name(change, params["Name"])
            image_id = ids.new_id("ami")
            mappings = self._snapshot_all(change, call, instance, params, image_id, on_snapshots)
            base = self._ec2.instances.image_of(instance)
            record = _own(
                call,
                image_id,
                params,
                wanted,
                architecture=instance["Architecture"],
                root=instance["RootDeviceName"],
                mappings=mappings,
            )
            change.put(
                "image",
                image_id,
                {**record, "State": "pending", "SourceInstanceId": instance["InstanceId"], "_Base": base},
            )
        return {"ImageId": image_id}

    def _snapshot_all(
        self,
        change: Change,
        call: Call,
        instance: Record,
        params: Params,
        image_id: str,
        wanted: list[tags.Tag],
    ) -> list[dict[str, Any]]:
        # AWS reboots the instance so that its file systems are whole, unless told not to.
        reboot = not params.get("NoReboot") and instance["State"]["Name"] == "running"
        left_out = {m["DeviceName"] for m in params.get("BlockDeviceMappings") or [] if "NoDevice" in m}
        mappings = []
        for volume, attachment in of_instance(change.all("volume"), instance["InstanceId"]):
            if attachment["Device"] in left_out:
                continue
            snapshot = self._ec2.snapshots.take(
                change,
                call,
                volume,
                f"Created by CreateImage({instance['InstanceId']}) for {image_id}",
                wanted,
                _Reboot=instance["InstanceId"] if reboot and volume.get("_Root") else None,
            )
            ebs: dict[str, Any] = {
                "SnapshotId": snapshot["SnapshotId"],
                "DeleteOnTermination": attachment["DeleteOnTermination"],
                "Encrypted": False,
                **{name: volume[name] for name in ("VolumeType", "Iops", "Throughput") if name in volume},
                "VolumeSize": volume["Size"],
            }
            mappings.append({"DeviceName": attachment["Device"], "Ebs": ebs})
        return mappings

    def register_image(self, call: Call, params: Params) -> Result:
        wanted = tags.from_specifications(params, "image")
        with self._estate.changing(call, params) as change:
            if params.get("ImageLocation"):
                raise AwsError(
                    "UnsupportedOperation",
                    "Images stored in S3 (ImageLocation) are not supported by Undercast.",
                )
            _check_name(change, params["Name"])
            root = params.get("RootDeviceName") or "/dev/sda1"
            mappings, base = self._registered_mappings(change, params, root)
            record = _own(
                call,
                ids.new_id("ami"),
                params,
                wanted,
                architecture=params.get("Architecture") or public_images.architecture(),
                root=root,
                mappings=mappings,
            )
            change.put("image", record["ImageId"], {**record, "State": "available", "_Base": base})
        return {"ImageId": record["ImageId"]}

    def _registered_mappings(
        self, change: Change, params: Params, root: str
    ) -> tuple[list[dict[str, Any]], str]:
        mappings: list[dict[str, Any]] = []
        base: str | None = None
        for mapping in params.get("BlockDeviceMappings") or []:
            asked = mapping.get("Ebs") or {}
            snapshot = None
            if asked.get("SnapshotId"):
                snapshot = self._ec2.snapshots.usable(change, asked["SnapshotId"])
            if mapping["DeviceName"] == root:
                if snapshot is None or not is_root(snapshot):
                    raise AwsError(
                        "InvalidParameterValue",
                        "The root device of an image has to come from the snapshot of an instance's root "
                        "volume.",
                    )
                base = snapshot["_Base"]
            size = asked.get("VolumeSize") or (snapshot or {}).get("VolumeSize") or 8
            shown = volume_types.performance(
                asked.get("VolumeType") or "gp2", size, asked.get("Iops"), asked.get("Throughput")
            )
            shown["VolumeSize"] = shown.pop("Size")
            ebs = {"DeleteOnTermination": asked.get("DeleteOnTermination", True), "Encrypted": False, **shown}
            if snapshot is not None:
                ebs["SnapshotId"] = snapshot["SnapshotId"]
            mappings.append({"DeviceName": mapping["DeviceName"], "Ebs": ebs})
        if base is None:
            raise AwsError(
                "InvalidBlockDeviceMapping", f"No root snapshot specified in device mapping for {root}."
            )
        return mappings, base

    def copy_image(self, call: Call, params: Params) -> Result:
        wanted = tags.from_specifications(params, "image", "snapshot")
        if params.get("Encrypted") or params.get("KmsKeyId"):
            raise AwsError("UnsupportedOperation", "Encrypted images are not supported by Undercast.")
        with self._estate.changing(call, params) as change:
            source = self.find(call.account, params["SourceRegion"], params["SourceImageId"])
            if source["State"] != "available":
                raise AwsError(
                    "InvalidAMIID.Unavailable", f"The image ID '{source['ImageId']}' is not available"
                )
            _check_name(change, params["Name"])
            id = ids.new_id("ami")
            mappings = [self._copied(change, call, m, id) for m in source["BlockDeviceMappings"]]
            copied = params.get("CopyImageTags") and source["OwnerId"] == call.account
            asked = {**params, "Description": params.get("Description") or source.get("Description", "")}
            record = _own(
                call,
                id,
                asked,
                tags.merge(source.get("Tags", []) if copied else [], wanted),
                architecture=source["Architecture"],
                root=source["RootDeviceName"],
                mappings=mappings,
            )
            more = {"SourceImageId": source["ImageId"], "SourceImageRegion": params["SourceRegion"]}
            change.put("image", id, {**record, **more, "State": "pending", "_Base": source["_Base"]})
        return {"ImageId": id}

    def _copied(self, change: Change, call: Call, mapping: dict[str, Any], image_id: str) -> dict[str, Any]:
        """A device of a copied image. The contents of a public image need no copy: they are the image."""
        snapshot_id = mapping.get("Ebs", {}).get("SnapshotId")
        for _, snapshot in self._estate.everywhere("snapshot"):
            if snapshot["SnapshotId"] == snapshot_id:
                text = f"Copied for DestinationAmi {image_id}"
                new = self._ec2.snapshots.copy(change, call, snapshot, text, [])
                return {**mapping, "Ebs": {**mapping["Ebs"], "SnapshotId": new["SnapshotId"]}}
        return mapping

    def deregister_image(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self.own(change, params["ImageId"])
            change.delete("image", record["ImageId"])
            results = []
            if params.get("DeleteAssociatedSnapshots"):
                used = {id for image in change.all("image") for id in snapshots_of(image)}
                for id in snapshots_of(record):
                    snapshot = change.get("snapshot", id)
                    if snapshot is not None and id not in used:
                        discard(change, snapshot)
                        results.append({"SnapshotId": id, "ReturnCode": "success"})
        return {"Return": True, **({"DeleteSnapshotResults": results} if results else {})}

    def launchable(self, account: str, region: str) -> list[Record]:
        """Every image the account may launch: its own, those shared with it, the public ones."""
        mine = self._estate.all(account, region, "image")
        shared = [
            record
            for key, record in self._estate.everywhere("image")
            if key.region == region and key.account != account and _granted(record, account)
        ]
        return mine + shared + public_images.records(self._ec2.machine_images)

    def find(self, account: str, region: str, image_id: str) -> Record:
        """The image, or AWS's error."""
        ids.check("image", image_id)
        for record in self.launchable(account, region):
            if record["ImageId"] == image_id:
                return record
        raise ids.not_found("image", image_id)

    def own(self, change: Change, image_id: str) -> Record:
        """An image the account owns, or AWS's error."""
        record = self.find(change.account, change.region, image_id)
        if record["OwnerId"] != change.account:
            raise AwsError("AuthFailure", f"Not authorized for image:{image_id}", 403)
        return record


def _check_name(change: Change, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise AwsError(
            "InvalidAMIName.Malformed",
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, "
            "'(', ')', '.', '-', '/' and '_'",
        )
    for image in change.all("image"):
        if image["Name"] == name:
            raise AwsError(
                "InvalidAMIName.Duplicate", f"AMI name {name} is already in use by AMI {image['ImageId']}"
            )


def _own(
    call: Call,
    image_id: str,
    params: Params,
    wanted: list[tags.Tag],
    *,
    architecture: str,
    root: str,
    mappings: list[dict[str, Any]],
) -> Record:
    return {
        "ImageId": image_id,
        "Name": params["Name"],
        "Description": params.get("Description") or "",
        "ImageLocation": f"{call.account}/{params['Name']}",
        "OwnerId": call.account,
        "Public": False,
        "CreationDate": call.now.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "Architecture": architecture,
        "ImageType": "machine",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "RootDeviceType": "ebs",
        "RootDeviceName": root,
        "BlockDeviceMappings": mappings,
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "Tags": wanted,
        "_Permissions": [],
    }


def _granted(record: Record, account: str) -> bool:
    return any(
        grant.get("Group") == "all" or grant.get("UserId") == account
        for grant in record.get("_Permissions", [])
    )


def _owned(record: Record, owners: list[str], account: str) -> bool:
    names = {account if owner == "self" else owner for owner in owners}
    return record["OwnerId"] in names or record.get("ImageOwnerAlias") in names


def _executable(record: Record, users: list[str], account: str) -> bool:
    for user in users:
        if user == "all" and record["Public"]:
            return True
        who = account if user == "self" else user
        if any(grant.get("UserId") == who for grant in record.get("_Permissions", [])):
            return True
    return False


def _shown(record: Record) -> Record:
    shown = visible(record)
    if not shown.get("Tags", True):
        del shown["Tags"]
    return shown
