"""Snapshots of volumes: taken, copied, shared, deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids, tags
from undercast.services.ec2.attachments import of_instance
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, not_with_ids, page
from undercast.services.ec2.volumes import find as find_volume
from undercast.services.ec2.volumes import is_root

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "description": "Description",
        "encrypted": "Encrypted",
        "owner-alias": "OwnerAlias",
        "owner-id": "OwnerId",
        "progress": "Progress",
        "snapshot-id": "SnapshotId",
        "start-time": "StartTime",
        "status": "State",
        "storage-tier": "StorageTier",
        "transfer-type": "TransferType",
        "volume-id": "VolumeId",
        "volume-size": "VolumeSize",
    }
)


_DONE = {"State": "completed", "Progress": "100%"}


class Snapshots:
    """Records of kind "snapshot". One with `_Root` holds a machine's root disk and `_Base`, its image."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate

    def create_snapshot(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            if params.get("OutpostArn"):
                raise AwsError("UnsupportedOperation", "Outposts are not supported by Undercast.")
            record = self.take(
                change,
                call,
                find_volume(change, params["VolumeId"]),
                params.get("Description") or "",
                tags.from_specifications(params, "snapshot"),
            )
        return _shown(record)

    def create_snapshots(self, call: Call, params: Params) -> Result:
        wanted = tags.from_specifications(params, "snapshot")
        asked = params["InstanceSpecification"]
        with self._estate.changing(call, params) as change:
            instance_id = asked["InstanceId"]
            ids.check("instance", instance_id)
            if change.get("instance", instance_id) is None:
                raise ids.not_found("instance", instance_id)
            excluded = set(asked.get("ExcludeDataVolumeIds") or [])
            records = []
            for volume, _ in of_instance(change.all("volume"), instance_id):
                if (volume.get("_Root") and asked.get("ExcludeBootVolume")) or volume["VolumeId"] in excluded:
                    continue
                own = volume["Tags"] if params.get("CopyTagsFromSource") == "volume" else []
                text = params.get("Description") or ""
                records.append(self.take(change, call, volume, text, tags.merge(own, wanted)))
        return {"Snapshots": [_shown(record) for record in records]}

    def copy_snapshot(self, call: Call, params: Params) -> Result:
        if params.get("Encrypted") or params.get("KmsKeyId"):
            raise AwsError("UnsupportedOperation", "Encrypted snapshots are not supported by Undercast.")
        with self._estate.changing(call, params) as change:
            ids.check("snapshot", params["SourceSnapshotId"])
            source = self._usable(call.account, params["SourceRegion"], params["SourceSnapshotId"])
            description = params.get("Description")
            if description is None:
                description = f"[Copied {source['SnapshotId']} from {params['SourceRegion']}]"
            wanted = tags.from_specifications(params, "snapshot")
            record = self.copy(change, call, source, description, wanted)
        return {"SnapshotId": record["SnapshotId"], **({"Tags": record["Tags"]} if record["Tags"] else {})}

    def delete_snapshot(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._own(change, params["SnapshotId"])
            for image in change.all("image"):
                if record["SnapshotId"] in snapshots_of(image):
                    raise AwsError(
                        "InvalidSnapshot.InUse",
                        f"The snapshot {record['SnapshotId']} is currently in use by {image['ImageId']}",
                    )
            discard(change, record)
        return {}

    def describe_snapshots(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "SnapshotIds", "snapshots")
        mine = self._estate.all(call.account, call.region, "snapshot")
        shared = [
            record
            for key, record in self._estate.everywhere("snapshot")
            if key.region == call.region and key.account != call.account and _shared(record, call.account)
        ]
        records = _owned(mine + shared, call, params)
        if wanted := params.get("SnapshotIds"):
            ids.check("snapshot", *wanted)
            known = {record["SnapshotId"] for record in mine + shared}
            if missing := [id for id in wanted if id not in known]:
                raise ids.not_found("snapshot", *missing)
            records = [record for record in records if record["SnapshotId"] in wanted]
        records = _FILTERS.select(records, params.get("Filters"))
        chosen, token = page(records, params, lambda record: record["SnapshotId"])
        return answer("Snapshots", [_shown(record) for record in chosen], token)

    def describe_snapshot_attribute(self, call: Call, params: Params) -> Result:
        dry_run(params)
        with self._estate.change(call.account, call.region) as change:
            record = self._own(change, params["SnapshotId"])
        if params["Attribute"] == "productCodes":
            return {"SnapshotId": record["SnapshotId"], "ProductCodes": []}
        return {
            "SnapshotId": record["SnapshotId"],
            "CreateVolumePermissions": record.get("_Permissions", []),
        }

    def modify_snapshot_attribute(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._own(change, params["SnapshotId"])
            asked = params.get("CreateVolumePermission") or {}
            operation = params.get("OperationType")
            grants = [{"UserId": user} for user in params.get("UserIds") or []]
            grants += [{"Group": group} for group in params.get("GroupNames") or []]
            add = list(asked.get("Add") or []) + (grants if operation == "add" else [])
            remove = list(asked.get("Remove") or []) + (grants if operation == "remove" else [])
            kept = [grant for grant in record.get("_Permissions", []) if grant not in add + remove]
            change.put("snapshot", record["SnapshotId"], {**record, "_Permissions": kept + add})
        return {}

    def reset_snapshot_attribute(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._own(change, params["SnapshotId"])
            change.put("snapshot", record["SnapshotId"], {**record, "_Permissions": []})
        return {}

    def take(
        self,
        change: Change,
        call: Call,
        volume: Record,
        description: str,
        wanted: list[tags.Tag],
        **more: Any,
    ) -> Record:
        """A snapshot that is still to be taken of the volume."""
        if volume["State"] not in ("available", "in-use"):
            raise AwsError(
                "IncorrectState", f"Volume '{volume['VolumeId']}' is in the '{volume['State']}' state."
            )
        record: Record = {
            "SnapshotId": ids.new_id("snap"),
            "VolumeId": volume["VolumeId"],
            "VolumeSize": volume["Size"],
            "State": "pending",
            "Progress": "0%",
            "StartTime": call.now,
            "Description": description,
            "OwnerId": call.account,
            "Encrypted": False,
            "StorageTier": "standard",
            "Tags": wanted,
            **{name: volume[name] for name in ("_Root", "_RootSnapshot", "_Base") if name in volume},
            **more,
        }
        if volume.get("_New") and (volume.get("_Blank") or not volume["SnapshotId"]):
            record |= _DONE | {"_Blank": True}  # a volume nobody ever had in hands: there is nothing to copy
        return change.put("snapshot", record["SnapshotId"], record)

    def copy(
        self, change: Change, call: Call, source: Record, description: str, wanted: list[tags.Tag]
    ) -> Record:
        """A snapshot that is still to be filled from another one, of this region or not."""
        id = ids.new_id("snap")
        record = {
            **source,
            "SnapshotId": id,
            "State": "pending",
            "Progress": "0%",
            "StartTime": call.now,
            "Description": description,
            "OwnerId": call.account,
            "VolumeId": "vol-ffffffff",  # what AWS shows for a copy
            "Tags": wanted,
            "_Permissions": [],
            "_CopyOf": source["SnapshotId"],
        }
        if source.get("_Blank"):
            record |= _DONE
        return change.put("snapshot", id, record)

    def usable(self, change: Change, snapshot_id: str) -> Record:
        """A completed snapshot the caller may make a volume from, or AWS's error."""
        ids.check("snapshot", snapshot_id)
        record = change.get("snapshot", snapshot_id) or self._usable(
            change.account, change.region, snapshot_id
        )
        if record["State"] != "completed":
            raise AwsError("IncorrectState", f"Snapshot '{snapshot_id}' is not 'completed'.")
        return record

    def _usable(self, account: str, region: str, snapshot_id: str) -> Record:
        for key, record in self._estate.everywhere("snapshot"):
            if key.id == snapshot_id and key.region == region:
                if key.account == account or _shared(record, account):
                    return record
                raise AwsError("AuthFailure", f"Not authorized for snapshot:{snapshot_id}", 403)
        raise ids.not_found("snapshot", snapshot_id)

    def _own(self, change: Change, snapshot_id: str) -> Record:
        ids.check("snapshot", snapshot_id)
        record = change.get("snapshot", snapshot_id)
        if record is None:
            raise ids.not_found("snapshot", snapshot_id)
        return record


def discard(change: Change, record: Record) -> None:
    """Let go of a snapshot. Its data goes with the garbage, after the record."""
    id = record["SnapshotId"]
    change.delete("snapshot", id)
    if record.get("_Blank"):
        return
    change.put("garbage", id, {"What": "root-snapshot" if is_root(record) else "snapshot"})


def snapshots_of(image: Record) -> list[str]:
    """The snapshots an image is made of."""
    mappings = image["BlockDeviceMappings"]
    return [m["Ebs"]["SnapshotId"] for m in mappings if m.get("Ebs", {}).get("SnapshotId")]


def _shared(record: Record, account: str) -> bool:
    return any(
        grant.get("Group") == "all" or grant.get("UserId") == account
        for grant in record.get("_Permissions", [])
    )


def _owned(records: list[Record], call: Call, params: Params) -> list[Record]:
    if owners := params.get("OwnerIds"):
        wanted = {call.account if owner == "self" else owner for owner in owners}
        records = [record for record in records if record["OwnerId"] in wanted]
    if users := params.get("RestorableByUserIds"):
        who = {call.account if user == "self" else user for user in users}
        records = [r for r in records if r["OwnerId"] in who or any(_shared(r, user) for user in who)]
    return records


def _shown(record: Record) -> Record:
    shown = visible(record)
    if not shown["Tags"]:
        del shown["Tags"]
    return shown
