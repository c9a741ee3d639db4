"""The operations on Spot requests and their prices."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import idempotency, ids, prices, tags, zones
from undercast.services.ec2.catalogue import catalogue, instance_type
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, not_with_ids, page
from undercast.services.ec2.spot import KIND, status

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "availability-zone-group": "AvailabilityZoneGroup",
        "create-time": "CreateTime",
        "fault-code": "Fault.Code",
        "fault-message": "Fault.Message",
        "instance-id": "InstanceId",
        "launch-group": "LaunchGroup",
        **{
            f"launch.block-device-mapping.{name}": f"LaunchSpecification.BlockDeviceMappings.{path}"
            for name, path in {
                "delete-on-termination": "Ebs.DeleteOnTermination",
                "device-name": "DeviceName",
                "snapshot-id": "Ebs.SnapshotId",
                "volume-size": "Ebs.VolumeSize",
                "volume-type": "Ebs.VolumeType",
            }.items()
        },
        "launch.group-id": "LaunchSpecification.SecurityGroups.GroupId",
        "launch.group-name": "LaunchSpecification.SecurityGroups.GroupName",
        "launch.image-id": "LaunchSpecification.ImageId",
        "launch.instance-type": "LaunchSpecification.InstanceType",
        "launch.kernel-id": "LaunchSpecification.KernelId",
        "launch.key-name": "LaunchSpecification.KeyName",
        "launch.monitoring-enabled": "LaunchSpecification.Monitoring.Enabled",
        "launch.ramdisk-id": "LaunchSpecification.RamdiskId",
        "launched-availability-zone": "LaunchedAvailabilityZone",
        "launched-availability-zone-id": "LaunchedAvailabilityZoneId",
        **{
            f"network-interface.{name}": f"LaunchSpecification.NetworkInterfaces.{path}"
            for name, path in {
                "addresses.primary": "PrivateIpAddresses.Primary",
                "delete-on-termination": "DeleteOnTermination",
                "description": "Description",
                "device-index": "DeviceIndex",
                "group-id": "Groups",
                "network-interface-id": "NetworkInterfaceId",
                "private-ip-address": "PrivateIpAddress",
                "subnet-id": "SubnetId",
            }.items()
        },
        "product-description": "ProductDescription",
        "spot-instance-request-id": "SpotInstanceRequestId",
        "spot-price": "SpotPrice",
        "state": "State",
        "status-code": "Status.Code",
        "status-message": "Status.Message",
        "type": "Type",
        "valid-from": "ValidFrom",
        "valid-until": "ValidUntil",
    }
)
_PRICE_FILTERS = Filters(
    {
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "instance-type": "InstanceType",
        "product-description": "ProductDescription",
        "spot-price": "SpotPrice",
        "timestamp": "Timestamp",
    },
    tagged=False,
)
_PRICES_KEPT = dt.timedelta(days=90)


class SpotRequests:
    """RequestSpotInstances and its relatives."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def request_spot_instances(self, call: Call, params: Params) -> Result:
        count = params.get("InstanceCount") or 1
        wanted = tags.from_specifications(params, KIND)
        options = {
            "SpotInstanceType": params.get("Type"),
            "InstanceInterruptionBehavior": params.get("InstanceInterruptionBehavior"),
            "MaxPrice": params.get("SpotPrice"),
            "ValidUntil": params.get("ValidUntil"),
        }
        specification = dict(params.get("LaunchSpecification") or {})
        with self._ec2.default_network.changing(call, params) as change:
            if earlier := idempotency.earlier(change, KIND, params):
                token = earlier["_ClientToken"]
                made = [r for r in change.all(KIND) if r.get("_ClientToken") == token]
                return {"SpotInstanceRequests": [visible(record) for record in made]}
            records = []
            for _ in range(count):
                request = self._ec2.spot.new_request(call, options, wanted)
                shown = {name: value for name, value in specification.items() if name != "UserData"}
                request |= {"LaunchSpecification": shown, "_Launch": specification}
                request |= idempotency.members(params)
                if not request["SpotPrice"]:
                    kind = instance_type(specification.get("InstanceType") or "m1.small")
                    request["SpotPrice"] = f"{prices.on_demand(kind):.6f}"
                request = self._ec2.spot.fulfil(change, call, request)
                records.append(change.put(KIND, request["SpotInstanceRequestId"], request))
        return {"SpotInstanceRequests": [visible(record) for record in records]}

    def describe_spot_instance_requests(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "SpotInstanceRequestIds", "SpotInstanceRequestIds")
        records = self._estate.all(call.account, call.region, KIND)
        if wanted := params.get("SpotInstanceRequestIds"):
            known = {record["SpotInstanceRequestId"] for record in records}
            if missing := [id for id in wanted if id not in known]:
                raise ids.not_found(KIND, *missing)
            records = [record for record in records if record["SpotInstanceRequestId"] in wanted]
        records = _FILTERS.select(records, params.get("Filters"))
        chosen, token = page(records, params, lambda record: record["SpotInstanceRequestId"])
        return answer("SpotInstanceRequests", [visible(record) for record in chosen], token)

    def cancel_spot_instance_requests(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            cancelled = []
            for id in params["SpotInstanceRequestIds"]:
                record = change.get(KIND, id)
                if record is None:
                    raise ids.not_found(KIND, id)
                if record["State"] in ("open", "active", "disabled"):
                    running = record["State"] != "open"
                    code = (
                        "request-canceled-and-instance-running" if running else "canceled-before-fulfillment"
                    )
                    after = {**record, "State": "cancelled", "Status": status(code, call.now)}
                    record = change.put(KIND, id, after)
                cancelled.append({"SpotInstanceRequestId": id, "State": record["State"]})
        return {"CancelledSpotInstanceRequests": cancelled}

    def describe_spot_price_history(self, call: Call, params: Params) -> Result:
        dry_run(params)
        end = min(params.get("EndTime") or call.now, call.now)
        start = max(params.get("StartTime") or end, end - _PRICES_KEPT)
        names = params.get("InstanceTypes") or sorted(catalogue())
        for name in names:
            if name not in catalogue():
                raise AwsError("InvalidParameterValue", f"Invalid instance type: {name}")
        products = params.get("ProductDescriptions") or ["Linux/UNIX"]
        if not {"Linux/UNIX", "Linux/UNIX (Amazon VPC)"} & set(products):
            return {"SpotPriceHistory": []}
        in_zone = [
            zone.name
            for zone in zones.zones(call.region)
            if params.get("AvailabilityZone") in (None, "", zone.name)
        ]
        limit = params.get("MaxResults") or 1000
        asked_types = {f["Name"]: f["Values"] for f in params.get("Filters") or []}.get("instance-type")
        if asked_types:
            names = [name for name in names if name in asked_types]
        rows = _history(names, in_zone, start, end, limit * 4)
        rows = _PRICE_FILTERS.select(rows, params.get("Filters"))
        key = "{0[Timestamp]} {0[InstanceType]} {0[AvailabilityZone]}"
        chosen, token = page(rows, params, key.format, lowest=1, default=1000)
        newest_first = sorted(chosen, key=lambda row: row["Timestamp"], reverse=True)
        return answer("SpotPriceHistory", newest_first, token)


def _history(
    names: list[str], in_zone: list[str], start: dt.datetime, end: dt.datetime, limit: int
) -> list[dict[str, Any]]:
    """Prices in force between two times; the one in force at the start counts."""
    rows: list[dict[str, Any]] = []
    at = prices.epoch(end)
    while len(rows) < limit:
        for name in names:
            kind = instance_type(name)
            rows += [
                {
                    "AvailabilityZone": zone,
                    "InstanceType": name,
                    "ProductDescription": "Linux/UNIX",
                    "SpotPrice": f"{prices.spot(kind, zone, at):.6f}",
                    "Timestamp": at,
                }
                for zone in in_zone
            ]
        if at <= start:
            break
        at -= dt.timedelta(hours=6)
    return rows
