"""Images everybody sees: those Incus holds in our project, shown as Amazon's own.

The default image is listed before it has been built, under the id it will have, so that scripts, the SSM
parameters and launch templates can name it on any machine.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import platform
from collections.abc import Sequence
from typing import Any

from undercast.machines.spec import MachineImage
from undercast.services.ec2.estate import Record

OWNER = "137112412989"  # the account behind the alias "amazon" for Amazon Linux
ROOT_DEVICE = "/dev/xvda"
ROOT_GIB = 8
GIB = 1 << 30
_ARCHITECTURES = {"aarch64": "arm64", "amd64": "x86_64", "i686": "i386"}  # Incus's names, and EC2's
DEFAULT_ALIAS = "undercast-linux"
DEFAULT_AMI = "ami-" + hashlib.sha256(DEFAULT_ALIAS.encode()).hexdigest()[:17]
_UNBUILT = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def architecture() -> str:
    """This machine's architecture as EC2 names it."""
    return {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


def records(images: Sequence[MachineImage]) -> list[Record]:
    """The images as records, the default one first."""
    shown = [_record(image) for image in images if "undercast.private" not in image.properties]
    if not any(record["ImageId"] == DEFAULT_AMI for record in shown):
        shown.insert(0, _described(DEFAULT_AMI, DEFAULT_ALIAS, "Undercast Linux", architecture(), _UNBUILT))
    return sorted(shown, key=lambda record: record["ImageId"] != DEFAULT_AMI)


def _record(image: MachineImage) -> Record:
    alias = image.aliases[0] if image.aliases else image.properties.get("name", image.fingerprint[:12])
    arch = _ARCHITECTURES.get(image.architecture, image.architecture)
    return _described(image.ami_id, alias, image.description, arch, image.created, _root_gib(image))


def _root_gib(image: MachineImage) -> int:
    """The smallest root disk for an image: what it unpacks to, and a GiB to work in."""
    return max(ROOT_GIB, int(image.properties.get("undercast.bytes", 0)) // GIB + 2)


def _described(
    id: str, alias: str, description: str, arch: str, created: dt.datetime, gib: int = ROOT_GIB
) -> Record:
    day = created.strftime("%Y%m%d")
    name = f"{alias.replace(':', '/').replace('/', '-')}-{arch}-{day}"
    ebs: dict[str, Any] = {
        "DeleteOnTermination": True,
        "SnapshotId": "snap-" + hashlib.sha256(id.encode()).hexdigest()[:17],
        "VolumeSize": gib,
        "VolumeType": "gp3",
        "Iops": 3000,
        "Throughput": 125,
        "Encrypted": False,
    }
    return {
        "ImageId": id,
        "Name": name,
        "Description": description,
        "ImageLocation": f"amazon/{name}",
        "ImageOwnerAlias": "amazon",
        "OwnerId": OWNER,
        "Public": True,
        "State": "available",
        "CreationDate": created.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "Architecture": arch,
        "ImageType": "machine",
        "PlatformDetails": "Linux/UNIX",
        "UsageOperation": "RunInstances",
        "RootDeviceType": "ebs",
        "RootDeviceName": ROOT_DEVICE,
        "BlockDeviceMappings": [{"DeviceName": ROOT_DEVICE, "Ebs": ebs}],
        "VirtualizationType": "hvm",
        "Hypervisor": "xen",
        "EnaSupport": True,
        "SriovNetSupport": "simple",
        "BootMode": "uefi-preferred",
        "_Base": id,
        "_Alias": alias,
    }
