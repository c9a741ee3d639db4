"""Changing a volume's size, type and performance while it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids, volume_types
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Record
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, page
from undercast.services.ec2.volumes import find

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "modification-state": "ModificationState",
        "original-iops": "OriginalIops",
        "original-size": "OriginalSize",
        "original-volume-type": "OriginalVolumeType",
        "originalMultiAttachEnabled": "OriginalMultiAttachEnabled",
        "start-time": "StartTime",
        "target-iops": "TargetIops",
        "target-size": "TargetSize",
        "target-volume-type": "TargetVolumeType",
        "targetMultiAttachEnabled": "TargetMultiAttachEnabled",
        "volume-id": "VolumeId",
    },
    tagged=False,
)


class VolumeModifications:
    """ModifyVolume; a volume's `_Modification` is its latest one."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate

    def modify_volume(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = find(change, params["VolumeId"])
            running = record.get("_Modification") or {}
            if running.get("ModificationState") == "modifying":
                raise AwsError(
                    "IncorrectModificationState",
                    f"Volume {record['VolumeId']} in modifying modification state cannot be modified",
                )
            target = _target(record, params)
            modification = _modification(call, record, target)
            # The size changes once the disk has grown; the rest is a promise only.
            unmade = record.get("_New") and not record["Attachments"]  # made as large as it then is
            now = {**target, "Size": target["Size"] if unmade else record["Size"]}
            if target["Size"] == now["Size"]:
                modification |= {"ModificationState": "completed", "Progress": 100, "EndTime": call.now}
            change.put("volume", record["VolumeId"], {**record, **now, "_Modification": modification})
        return {"VolumeModification": modification}

    def describe_volumes_modifications(self, call: Call, params: Params) -> Result:
        dry_run(params)
        records = self._estate.all(call.account, call.region, "volume")
        if wanted := params.get("VolumeIds"):
            ids.check("volume", *wanted)
            known = {record["VolumeId"]: record for record in records}
            if missing := [id for id in wanted if id not in known]:
                raise ids.not_found("volume", *missing)
            records = [known[id] for id in wanted]
            for record in records:
                if "_Modification" not in record:
                    raise AwsError(
                        "InvalidVolumeModification.NotFound",
                        f"Modification for volume '{record['VolumeId']}' does not exist.",
                    )
        rows = [record["_Modification"] for record in records if "_Modification" in record]
        rows = _FILTERS.select(rows, params.get("Filters"))
        chosen, token = page(rows, params, lambda row: row["VolumeId"], lowest=1, highest=500)
        return answer("VolumesModifications", chosen, token)


def _target(record: Record, params: Params) -> dict[str, Any]:
    if params.get("MultiAttachEnabled"):
        raise AwsError("UnsupportedOperation", "Multi-Attach volumes are not supported by Undercast.")
    if not any(params.get(name) is not None for name in ("Size", "VolumeType", "Iops", "Throughput")):
        raise AwsError("InvalidParameterCombination", "No volume attributes were specified to be modified.")
    size = params.get("Size") or record["Size"]
    if size < record["Size"]:
        raise AwsError(
            "InvalidParameterValue",
            f"New size cannot be smaller than existing size. (New size: {size} GiB, "
            f"existing size: {record['Size']} GiB)",
        )
    name = params.get("VolumeType") or record["VolumeType"]
    same = name == record["VolumeType"]
    keeps = same and name != "gp2"
    return volume_types.performance(
        name,
        size,
        params.get("Iops") or (record.get("Iops") if keeps else None),
        params.get("Throughput") or (record.get("Throughput") if keeps else None),
    )


def _modification(call: Call, record: Record, target: dict[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "VolumeId": record["VolumeId"],
        "ModificationState": "modifying",
        "Progress": 0,
        "StartTime": call.now,
        "OriginalMultiAttachEnabled": False,
        "TargetMultiAttachEnabled": False,
    }
    for prefix, source in (("Original", record), ("Target", target)):
        for member in ("Size", "VolumeType", "Iops", "Throughput"):
            if source.get(member) is not None:
                shown[prefix + member] = source[member]
    return shown
