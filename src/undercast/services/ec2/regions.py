"""Regions, availability zones and account attributes."""

from __future__ import annotations

from typing import Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import zones
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Estate
from undercast.services.ec2.filters import Filters

_REGION_FILTERS = Filters(
    {"endpoint": "Endpoint", "opt-in-status": "OptInStatus", "region-name": "RegionName"}, tagged=False
)
_ZONE_FILTERS = Filters(
    {
        "group-name": "GroupName",
        "group-long-name": "GroupLongName",
        "message": "Messages.Message",
        "opt-in-status": "OptInStatus",
        "parent-zone-id": "ParentZoneId",
        "parent-zone-name": "ParentZoneName",
        "region-name": "RegionName",
        "state": "State",
        "zone-id": "ZoneId",
        "zone-name": "ZoneName",
        "zone-type": "ZoneType",
    },
    tagged=False,
)

_ATTRIBUTES = {
    "supported-platforms": ["VPC"],
    "vpc-max-security-groups-per-interface": ["5"],
    "max-elastic-ips": ["5"],
    "max-instances": ["20"],
    "vpc-max-elastic-ips": ["5"],
}


class Regions:
    """DescribeRegions, DescribeAvailabilityZones, DescribeAccountAttributes."""

    def __init__(self, estate: Estate) -> None:
        self._estate = estate

    def describe_regions(self, call: Call, params: Params) -> Result:
        dry_run(params)
        rows = [
            {
                "RegionName": name,
                "Endpoint": f"ec2.{name}.amazonaws.com",
                "OptInStatus": zones.opt_in_status(name),
            }
            for name in zones.regions()
        ]
        if names := params.get("RegionNames"):
            known = {row["RegionName"] for row in rows}
            if missing := [name for name in names if name not in known]:
                raise AwsError("InvalidParameterValue", f"Invalid region names: [{', '.join(missing)}]")
            rows = [row for row in rows if row["RegionName"] in names]
        return {"Regions": _REGION_FILTERS.select(rows, params.get("Filters"))}

    def describe_availability_zones(self, call: Call, params: Params) -> Result:
        dry_run(params)
        rows = [_zone_row(zone) for zone in zones.zones(call.region)]
        for member, key in (("ZoneNames", "ZoneName"), ("ZoneIds", "ZoneId")):
            if wanted := params.get(member):
                known = {row[key] for row in rows}
                if missing := [name for name in wanted if name not in known]:
                    raise AwsError(
                        "InvalidParameterValue", f"Invalid availability zones: [{', '.join(missing)}]"
                    )
                rows = [row for row in rows if row[key] in wanted]
        return {"AvailabilityZones": _ZONE_FILTERS.select(rows, params.get("Filters"))}

    def describe_account_attributes(self, call: Call, params: Params) -> Result:
        dry_run(params)
        names = params.get("AttributeNames") or [*_ATTRIBUTES, "default-vpc"]
        return {
            "AccountAttributes": [
                {
                    "AttributeName": name,
                    "AttributeValues": [{"AttributeValue": value} for value in self._values(call, name)],
                }
                for name in names
            ]
        }

    def _values(self, call: Call, name: str) -> list[str]:
        if name == "default-vpc":
            vpcs = self._estate.all(call.account, call.region, "vpc")
            return [vpc["VpcId"] for vpc in vpcs if vpc.get("IsDefault")] or ["none"]
        if name not in _ATTRIBUTES:
            raise AwsError("InvalidParameterValue", f"Value ({name}) for parameter attributeName is invalid.")
        return _ATTRIBUTES[name]


def _zone_row(zone: zones.Zone) -> dict[str, Any]:
    return {
        "State": "available",
        "OptInStatus": "opt-in-not-required",
        "Messages": [],
        "RegionName": zone.region,
        "ZoneName": zone.name,
        "ZoneId": zone.id,
        "GroupName": f"{zone.region}-zg-1",
        "NetworkBorderGroup": zone.region,
        "ZoneType": "availability-zone",
    }
