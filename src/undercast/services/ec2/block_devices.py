"""Block device mappings: what the image brings, what the launch changes about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError
from undercast.services.ec2 import volume_types
from undercast.services.ec2.attachments import check_device, inside_name
from undercast.services.ec2.estate import Change, Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2


@dataclass(frozen=True, slots=True)
class Disk:
    """One volume of a launch.

    `snapshot` is None for an empty one and for the root of a public image, which has a `snapshot_id` to show
    all the same.
    """

    device: str
    root: bool
    performance: dict[str, Any]
    snapshot_id: str
    snapshot: Record | None
    delete_on_termination: bool


def plan(ec2: Ec2, change: Change, image: Record, asked: list[dict[str, Any]] | None) -> list[Disk]:
    """The disks of a launch, the root first. Raises AWS's errors for mappings that cannot be."""
    mappings = {inside_name(m["DeviceName"]): m for m in image["BlockDeviceMappings"]}
    root = inside_name(image["RootDeviceName"])
    seen: set[str] = set()
    for mapping in asked or []:
        device = mapping.get("DeviceName")
        if not device:
            raise AwsError("MissingParameter", "The request must contain the parameter deviceName")
        check_device(device)
        key = inside_name(device)
        if key in seen:
            raise AwsError(
                "InvalidBlockDeviceMapping",
                f"The device '{device}' is used in more than one block-device mapping",
            )
        seen.add(key)
        if "NoDevice" in mapping:
            if key == root:
                raise AwsError("InvalidBlockDeviceMapping", "The root device may not be suppressed.")
            mappings.pop(key, None)
        elif mapping.get("VirtualName") and "Ebs" not in mapping:
            mappings.pop(key, None)  # instance store: no type here has any, so AWS ignores it as well
        else:
            own = (mappings.get(key) or {}).get("Ebs") or {}
            snapshot_id = (mapping.get("Ebs") or {}).get("SnapshotId")
            if key == root and snapshot_id and snapshot_id != own.get("SnapshotId"):
                raise AwsError("InvalidBlockDeviceMapping", "snapshotId cannot be modified on root device")
            ebs = {**_compatible(own, mapping.get("Ebs") or {}), **(mapping.get("Ebs") or {})}
            mappings[key] = {"DeviceName": device, "Ebs": ebs}
    ordered = sorted(mappings.items(), key=lambda item: item[0] != root)
    return [_disk(ec2, change, image, mapping, key == root) for key, mapping in ordered]


def _compatible(own: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The image's settings that still hold: its rates belong to its volume type."""
    if asked.get("VolumeType") and asked["VolumeType"] != own.get("VolumeType"):
        return {name: value for name, value in own.items() if name not in ("Iops", "Throughput")}
    return own


def _disk(ec2: Ec2, change: Change, image: Record, mapping: dict[str, Any], root: bool) -> Disk:
    ebs, device = mapping["Ebs"], mapping["DeviceName"]
    if ebs.get("Encrypted") or ebs.get("KmsKeyId"):
        raise AwsError("UnsupportedOperation", "Encrypted volumes are not supported by Undercast.")
    snapshot = None
    smallest = 1
    of_image = {m["Ebs"].get("SnapshotId"): m["Ebs"] for m in image["BlockDeviceMappings"] if "Ebs" in m}
    if snapshot_id := ebs.get("SnapshotId"):
        snapshot = _snapshot(ec2, change, snapshot_id, in_image=snapshot_id in of_image)
        smallest = snapshot["VolumeSize"] if snapshot else of_image[snapshot_id]["VolumeSize"]
    elif not ebs.get("VolumeSize"):
        raise AwsError("MissingParameter", "The request must contain the parameter size or snapshotId")
    size = ebs.get("VolumeSize") or smallest
    if size < smallest:
        raise AwsError(
            "InvalidBlockDeviceMapping",
            f"Volume of size {size}GB is smaller than snapshot '{snapshot_id}', expect size >= {smallest}GB",
        )
    return Disk(
        device=device,
        root=root,
        performance=volume_types.performance(
            ebs.get("VolumeType") or "gp2", size, _rate(ebs, "Iops"), ebs.get("Throughput")
        ),
        snapshot_id=ebs.get("SnapshotId") or "",
        snapshot=snapshot,
        delete_on_termination=ebs.get("DeleteOnTermination", True),
    )


def _rate(ebs: dict[str, Any], name: str) -> int | None:
    # The rate of a gp2 volume follows from its size; images show it all the same.
    return ebs.get(name) if ebs.get("VolumeType") in ("gp3", "io1", "io2") else None


def _snapshot(ec2: Ec2, change: Change, snapshot_id: str, *, in_image: bool) -> Record | None:
    """The snapshot a disk starts from. One of the image needs no permission of its own; a public image's root
    is the image itself and no record at all."""
    if in_image:
        for _, record in ec2.estate.everywhere("snapshot"):
            if record["SnapshotId"] == snapshot_id:
                return record
        return None
    return ec2.snapshots.usable(change, snapshot_id)
