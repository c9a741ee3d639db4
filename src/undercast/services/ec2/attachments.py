"""Attaching volumes to instances and taking them off again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.volumes import find

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

# https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html
_DEVICE = re.compile(r"/dev/(sd[a-z]([1-9]|1[0-5])?|xvd[a-z]([a-z])?|xvd[a-d][a-x])")
_ATTACHABLE = ("running", "stopped", "pending", "stopping")


class Attachments:
    """AttachVolume and DetachVolume. The volume's `Attachments` holds what is wanted and how far it is."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate

    def attach_volume(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = find(change, params["VolumeId"])
            ids.check("instance", params["InstanceId"])
            instance = change.get("instance", params["InstanceId"])
            if instance is None:
                raise ids.not_found("instance", params["InstanceId"])
            _check_attachable(change, record, instance, params["Device"])
            attachment = {
                "VolumeId": record["VolumeId"],
                "InstanceId": instance["InstanceId"],
                "Device": params["Device"],
                "State": "attaching",
                "AttachTime": call.now,
                "DeleteOnTermination": False,
            }
            after = {**record, "State": "in-use", "Attachments": [attachment]}
            if same_device(params["Device"], instance["RootDeviceName"]):
                after |= {"_Root": True, "_AsRoot": True}
            change.put("volume", record["VolumeId"], after)
        return attachment

    def detach_volume(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = find(change, params["VolumeId"])
            attachment = _attachment(record, params)
            if record.get("_Root"):
                _check_root_detachable(change, record, attachment)
            attachment = {**attachment, "State": "detaching"}
            forced = bool(params.get("Force")) or bool(record.get("_ForceDetach"))
            change.put(
                "volume",
                record["VolumeId"],
                {**record, "Attachments": [attachment], "_ForceDetach": forced},
            )
        return attachment


def root_of(volumes: list[Record], instance_id: str) -> Record | None:
    """The instance's root volume, None while it has none."""
    for record, attachment in of_instance(volumes, instance_id):
        if record.get("_Root") and attachment["State"] != "detaching":
            return record
    return None


def of_instance(volumes: list[Record], instance_id: str) -> list[tuple[Record, dict[str, Any]]]:
    """The instance's volumes with their attachments."""
    return [
        (record, attachment)
        for record in volumes
        for attachment in record["Attachments"]
        if attachment["InstanceId"] == instance_id
    ]


def check_device(device: str) -> None:
    """Raise AWS's error for a device name that cannot be one."""
    if not _DEVICE.fullmatch(device):
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({device}) for parameter device is invalid. {device} is not a valid EBS device name.",
        )


def same_device(one: str, other: str) -> bool:
    """Whether two names mean the same device: "/dev/sdf" is "/dev/xvdf" inside."""
    return inside_name(one) == inside_name(other)


def inside_name(device: str) -> str:
    """The name the guest's kernel gives the device."""
    return device.replace("/dev/sd", "/dev/xvd")


def _check_attachable(change: Change, record: Record, instance: Record, device: str) -> None:
    volume_id, instance_id = record["VolumeId"], instance["InstanceId"]
    if record["Attachments"]:
        raise AwsError("VolumeInUse", f"{volume_id} is already attached to an instance")
    if record["State"] not in ("available", "creating"):
        raise AwsError("IncorrectState", f"Volume '{volume_id}' is in the '{record['State']}' state.")
    if record["State"] == "creating":
        raise AwsError("IncorrectState", f"Volume '{volume_id}' is not 'available'.")
    state = instance["State"]["Name"]
    if state not in _ATTACHABLE:
        raise AwsError("IncorrectState", f"Instance '{instance_id}' is not 'running'.")
    if record["AvailabilityZone"] != instance["Placement"]["AvailabilityZone"]:
        raise AwsError(
            "InvalidVolume.ZoneMismatch",
            f"The volume '{volume_id}' is not in the same availability zone as instance '{instance_id}'",
        )
    check_device(device)
    taken = [attachment["Device"] for _, attachment in of_instance(change.all("volume"), instance_id)]
    if any(same_device(device, other) for other in taken):
        raise AwsError(
            "InvalidParameterValue",
            f"Invalid value '{device}' for unixDevice. Attachment point {device} is already in use",
        )
    if same_device(device, instance["RootDeviceName"]) and not record.get("_Base"):
        raise AwsError(
            "UnsupportedOperation",
            f"Only what was the root disk of an instance can be attached as {device} by Undercast.",
        )


def _check_root_detachable(change: Change, record: Record, attachment: dict[str, Any]) -> None:
    """A root volume comes off a stopped instance only, and off one that has none of it in memory."""
    instance = change.get("instance", attachment["InstanceId"])
    if instance is None or instance["State"]["Name"] != "stopped" or instance.get("_Frozen"):
        raise AwsError(
            "OperationNotPermitted",
            f"Unable to detach root volume '{record['VolumeId']}' from instance '{attachment['InstanceId']}'",
        )
    if attachment["State"] == "attaching":
        raise AwsError("IncorrectState", f"Volume '{record['VolumeId']}' is in the 'attaching' state.")


def _attachment(record: Record, params: Params) -> dict[str, Any]:
    volume_id = record["VolumeId"]
    if not record["Attachments"]:
        raise AwsError("IncorrectState", f"Volume '{volume_id}' is in the '{record['State']}' state.")
    attachment: dict[str, Any] = record["Attachments"][0]
    wanted = params.get("InstanceId")
    if wanted:
        ids.check("instance", wanted)
    if (wanted and wanted != attachment["InstanceId"]) or (
        params.get("Device") and not same_device(params["Device"], attachment["Device"])
    ):
        raise AwsError(
            "InvalidAttachment.NotFound",
            f"The volume '{volume_id}' is not attached to instance '{wanted or attachment['InstanceId']}'"
            + (f" as device '{params['Device']}'." if params.get("Device") else "."),
        )
    return attachment
