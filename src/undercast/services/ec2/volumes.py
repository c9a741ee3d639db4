"""Volumes: created, described, deleted. Attaching is in `attachments`, growing in `volume_modifications`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import idempotency, ids, tags, volume_types, zones
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, not_with_ids, page

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "attachment.attach-time": "Attachments.AttachTime",
        "attachment.delete-on-termination": "Attachments.DeleteOnTermination",
        "attachment.device": "Attachments.Device",
        "attachment.instance-id": "Attachments.InstanceId",
        "attachment.status": "Attachments.State",
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "create-time": "CreateTime",
        "encrypted": "Encrypted",
        "fast-restored": "FastRestored",
        "multi-attach-enabled": "MultiAttachEnabled",
        "operator.managed": "Operator.Managed",
        "operator.principal": "Operator.Principal",
        "size": "Size",
        "snapshot-id": "SnapshotId",
        "status": "State",
        "volume-id": "VolumeId",
        "volume-type": "VolumeType",
    }
)
_STATUS_FILTERS = Filters(
    {
        "action.code": "Actions.Code",
        "action.description": "Actions.Description",
        "action.event-id": "Actions.EventId",
        "attachment-status.instance-id": "AttachmentStatuses.InstanceId",
        "attachment-status.io-performance": "AttachmentStatuses.IoPerformance",
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "event.description": "Events.Description",
        "event.event-id": "Events.EventId",
        "event.event-type": "Events.EventType",
        "event.not-after": "Events.NotAfter",
        "event.not-before": "Events.NotBefore",
        "volume-status.details-name": "VolumeStatus.Details.Name",
        "volume-status.details-status": "VolumeStatus.Details.Status",
        "volume-status.status": "VolumeStatus.Status",
    },
    tagged=False,
)


class Volumes:
    """Records of kind "volume".

    The data of a volume is a file. With `_Root` it is the root disk of its instance's machine instead, with
    `_RootSnapshot` a root disk without a machine; `_AsRoot` is a file that is being made into one. `_Base` is
    the image at the bottom of what is or was a root disk.
    """

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def create_volume(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            if earlier := idempotency.earlier(change, "volume", params):
                return _shown(earlier)
            _refuse_unsupported(params)
            snapshot = self._snapshot(change, params)
            if snapshot is None and not params.get("Size"):
                raise AwsError("MissingParameter", "The request must contain the parameter size/snapshot")
            size = params.get("Size") or (snapshot or {})["VolumeSize"]
            if snapshot is not None and size < snapshot["VolumeSize"]:
                raise AwsError(
                    "InvalidParameterValue",
                    f"The specified volume size ({size}) is smaller than the snapshot size "
                    f"({snapshot['VolumeSize']}).",
                )
            record = volume(
                call,
                performance=volume_types.performance(
                    params.get("VolumeType") or "gp2", size, params.get("Iops"), params.get("Throughput")
                ),
                zone=_zone(call, params),
                snapshot=snapshot,
                wanted_tags=tags.from_specifications(params, "volume"),
            )
            record |= of_snapshot(snapshot)
            if not self._ec2.cloud.machines.capability().available:
                # Its data is made when it is first attached: that cannot be before there are servers.
                record |= {"State": "available", "_New": True}
            change.put("volume", record["VolumeId"], {**record, **idempotency.members(params)})
        return _shown(record)

    def delete_volume(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = find(change, params["VolumeId"])
            if record["Attachments"]:
                raise AwsError(
                    "VolumeInUse",
                    f"Volume {record['VolumeId']} is currently attached to "
                    f"{record['Attachments'][0]['InstanceId']}",
                )
            if record.get("_New"):
                change.delete("volume", record["VolumeId"])
            else:
                change.put("volume", record["VolumeId"], {**record, "State": "deleting"})
        return {}

    def describe_volumes(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "VolumeIds", "volumes")
        records = _FILTERS.select(self._wanted(call, params), params.get("Filters"))
        chosen, token = page(records, params, lambda record: record["VolumeId"])
        return answer("Volumes", [_shown(record) for record in chosen], token)

    def describe_volume_status(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "VolumeIds", "volumes")
        rows = [_status(record) for record in self._wanted(call, params)]
        rows = _STATUS_FILTERS.select(rows, params.get("Filters"))
        chosen, token = page(rows, params, lambda row: row["VolumeId"])
        return answer("VolumeStatuses", chosen, token)

    def get_ebs_encryption_by_default(self, call: Call, params: Params) -> Result:
        dry_run(params)
        return {"EbsEncryptionByDefault": False}

    def describe_volume_attribute(self, call: Call, params: Params) -> Result:
        dry_run(params)
        with self._estate.change(call.account, call.region) as change:
            record = find(change, params["VolumeId"])
        if params["Attribute"] == "productCodes":
            return {"VolumeId": record["VolumeId"], "ProductCodes": []}
        return {"VolumeId": record["VolumeId"], "AutoEnableIO": {"Value": record.get("_AutoEnableIo", False)}}

    def modify_volume_attribute(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = find(change, params["VolumeId"])
            value = (params.get("AutoEnableIO") or {}).get("Value")
            if value is None:
                raise AwsError("MissingParameter", "The request must contain the parameter autoEnableIO")
            change.put("volume", record["VolumeId"], {**record, "_AutoEnableIo": value})
        return {}

    def _wanted(self, call: Call, params: Params) -> list[Record]:
        records = self._estate.all(call.account, call.region, "volume")
        wanted = params.get("VolumeIds")
        if not wanted:
            return records
        ids.check("volume", *wanted)
        known = {record["VolumeId"] for record in records}
        if missing := [id for id in wanted if id not in known]:
            raise ids.not_found("volume", *missing)
        return [record for record in records if record["VolumeId"] in wanted]

    def _snapshot(self, change: Change, params: Params) -> Record | None:
        if not params.get("SnapshotId"):
            return None
        return self._ec2.snapshots.usable(change, params["SnapshotId"])


def find(change: Change, volume_id: str) -> Record:
    """The volume, or AWS's error. One that is being deleted is there no more."""
    ids.check("volume", volume_id)
    record = change.get("volume", volume_id)
    if record is None or record["State"] == "deleting":
        raise ids.not_found("volume", volume_id)
    return record


def of_snapshot(snapshot: Record | None) -> Record:
    """What a volume has to know of the snapshot it is made from."""
    if snapshot is None:
        return {}
    marks = {"_Blank": snapshot.get("_Blank"), "_FromRoot": is_root(snapshot), "_Base": snapshot.get("_Base")}
    return {name: value for name, value in marks.items() if value}


def is_root(record: Record) -> bool:
    """Whether a volume's or snapshot's data is a root disk instead of a block device's file."""
    return bool(record.get("_Root") or record.get("_RootSnapshot"))


def volume(
    call: Call,
    *,
    performance: dict[str, Any],
    zone: zones.Zone,
    snapshot: Record | None,
    wanted_tags: list[tags.Tag],
    encrypted: bool = False,
) -> Record:
    """A volume that is still to be made."""
    return {
        "VolumeId": ids.new_id("vol"),
        **performance,
        "State": "creating",
        "CreateTime": call.now,
        "SnapshotId": snapshot["SnapshotId"] if snapshot else "",
        "AvailabilityZone": zone.name,
        "AvailabilityZoneId": zone.id,
        "Encrypted": encrypted,
        "MultiAttachEnabled": False,
        "Operator": {"Managed": False},
        "Attachments": [],
        "Tags": wanted_tags,
    }


def _shown(record: Record) -> Record:
    shown = visible(record)
    if not shown["Tags"]:
        del shown["Tags"]
    return shown


def _zone(call: Call, params: Params) -> zones.Zone:
    name, id = params.get("AvailabilityZone"), params.get("AvailabilityZoneId")
    if not name and not id:
        raise AwsError("MissingParameter", "The request must contain the parameter AvailabilityZone")
    for zone in zones.zones(call.region):
        if zone.name == name or (not name and zone.id == id):
            return zone
    raise AwsError("InvalidZone.NotFound", f"The zone '{name or id}' does not exist.")


def _refuse_unsupported(params: Params) -> None:
    if params.get("Encrypted") or params.get("KmsKeyId"):
        raise AwsError("UnsupportedOperation", "Encrypted volumes are not supported by Undercast.")
    if params.get("MultiAttachEnabled"):
        raise AwsError("UnsupportedOperation", "Multi-Attach volumes are not supported by Undercast.")
    if params.get("OutpostArn"):
        raise AwsError("UnsupportedOperation", "Outposts are not supported by Undercast.")


def _status(record: Record) -> dict[str, Any]:
    return {
        "VolumeId": record["VolumeId"],
        "AvailabilityZone": record["AvailabilityZone"],
        "AvailabilityZoneId": record["AvailabilityZoneId"],
        "Actions": [],
        "AttachmentStatuses": [
            {"InstanceId": attachment["InstanceId"], "IoPerformance": "not-applicable"}
            for attachment in record["Attachments"]
        ],
        "Events": [],
        "VolumeStatus": {
            "Status": "insufficient-data" if record["State"] == "creating" else "ok",
            "Details": [
                {"Name": "io-enabled", "Status": "passed"},
                {"Name": "io-performance", "Status": "not-applicable"},
            ],
        },
    }
