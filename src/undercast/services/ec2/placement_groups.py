"""Placement groups. One machine keeps a strategy as far as it can: AWS's rules and limits hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids, tags
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "group-name": "GroupName",
        "group-arn": "GroupArn",
        "spread-level": "SpreadLevel",
        "state": "State",
        "strategy": "Strategy",
    }
)
_NAME = re.compile(r"[\x20-\x7e]{1,255}")
_STRATEGIES = ("cluster", "spread", "partition")
_SPREAD_LIMIT = 7  # instances per zone


class PlacementGroups:
    """Records of kind "placement-group", kept under their ids."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate

    def create_placement_group(self, call: Call, params: Params) -> Result:
        name = params.get("GroupName") or ""
        strategy = params.get("Strategy") or "cluster"
        if not _NAME.fullmatch(name):
            raise AwsError("MissingParameter", "The request must contain the parameter GroupName")
        if strategy not in _STRATEGIES:
            raise AwsError("InvalidParameterValue", f"Value ({strategy}) for parameter strategy is invalid.")
        partitions = params.get("PartitionCount")
        if partitions is not None and strategy != "partition":
            raise AwsError(
                "InvalidParameterCombination",
                "The parameter PartitionCount can only be used with the strategy partition.",
            )
        if partitions is not None and not 1 <= partitions <= 7:
            raise AwsError(
                "InvalidParameterValue", f"Value ({partitions}) for parameter partitionCount is invalid."
            )
        with self._estate.changing(call, params) as change:
            if any(group["GroupName"] == name for group in change.all("placement-group")):
                raise AwsError(
                    "InvalidPlacementGroup.Duplicate", f"The Placement Group '{name}' already exists."
                )
            record: Record = {
                "GroupId": ids.new_id("pg"),
                "GroupName": name,
                "GroupArn": call.arn("ec2", f"placement-group/{name}"),
                "State": "available",
                "Strategy": strategy,
                "Tags": tags.from_specifications(params, "placement-group"),
            }
            if strategy == "partition":
                record["PartitionCount"] = partitions or 2
            if strategy == "spread":
                record["SpreadLevel"] = params.get("SpreadLevel") or "rack"
            change.put("placement-group", record["GroupId"], record)
        return {"PlacementGroup": visible(record)}

    def delete_placement_group(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = _named(change, params["GroupName"])
            if _members(change, record):
                raise AwsError(
                    "InvalidPlacementGroup.InUse",
                    f"The placement group '{record['GroupName']}' is in use and may not be deleted.",
                )
            change.delete("placement-group", record["GroupId"])
        return {}

    def describe_placement_groups(self, call: Call, params: Params) -> Result:
        dry_run(params)
        records = self._estate.all(call.account, call.region, "placement-group")
        for member, key in (("GroupNames", "GroupName"), ("GroupIds", "GroupId")):
            if wanted := params.get(member):
                known = {record[key] for record in records}
                for name in wanted:
                    if name not in known:
                        raise ids.not_found("placement-group", name)
                records = [record for record in records if record[key] in wanted]
        chosen = _FILTERS.select(records, params.get("Filters"))
        return {"PlacementGroups": [visible(record) for record in chosen]}

    def for_launch(self, change: Change, placement: dict[str, Any]) -> dict[str, Any] | None:
        """What an instance's `Placement` says of the group it asks for, or None without one."""
        name, id = placement.get("GroupName"), placement.get("GroupId")
        if not name and not id:
            return None
        if id:
            record = change.get("placement-group", id)
            if record is None:
                raise ids.not_found("placement-group", id)
        else:
            record = _named(change, str(name))
        members = _members(change, record)
        if record["Strategy"] == "spread" and len(members) >= _SPREAD_LIMIT:
            raise AwsError(
                "PlacementGroupLimitExceeded",
                f"The number of instances in the placement group '{record['GroupName']}' has reached its "
                "limit.",
            )
        shown = {"GroupName": record["GroupName"], "GroupId": record["GroupId"]}
        if record["Strategy"] == "partition":
            return {**shown, "PartitionNumber": self._partition(record, members, placement)}
        return shown

    @staticmethod
    def _partition(record: Record, members: list[Record], placement: dict[str, Any]) -> int:
        count = record["PartitionCount"]
        if asked := placement.get("PartitionNumber"):
            if asked > count:
                raise AwsError(
                    "InvalidParameterValue", f"Value ({asked}) for parameter partitionNumber is invalid."
                )
            return int(asked)
        taken = [member["Placement"].get("PartitionNumber") for member in members]
        return min(range(1, count + 1), key=taken.count)


def _named(change: Change, name: str) -> Record:
    for record in change.all("placement-group"):
        if record["GroupName"] == name:
            return record
    raise ids.not_found("placement-group", name)


def _members(change: Change, group: Record) -> list[Record]:
    return [
        record
        for record in change.all("instance")
        if record["Placement"].get("GroupName") == group["GroupName"] and states.name(record) in states.ALIVE
    ]
