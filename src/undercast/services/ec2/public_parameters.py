"""The public SSM parameters that name the latest images of a distribution.

The default image stands for Amazon Linux (it has the same user and the same tools), and for the distribution
it was built from. Images that were brought in stand for their own.
"""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

from undercast.services.base import AwsError
from undercast.services.ec2 import public_images

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_AMAZON = "/aws/service/ami-amazon-linux-latest"
_DEBIAN = "/aws/service/debian/release"
_UBUNTU = "/aws/service/canonical/ubuntu/server"
_UBUNTU_NAMES = {"22.04": "jammy", "24.04": "noble", "26.04": "resolute"}


class PublicParameters:
    """Parameter names and the image ids they stand for."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2

    def find(self, name: str) -> str | None:
        """The image id, or None."""
        return self.all().get(name)

    def resolve(self, name: str) -> str:
        """The image id for `resolve:ssm:NAME` in a launch, or AWS's error."""
        found = self.find(name.split(":")[0])
        if found is None:
            raise AwsError(
                "InvalidParameterValue",
                f"The specified SSM parameter '{name}' does not exist or is not valid.",
            )
        return found

    def all(self) -> dict[str, str]:
        """Every parameter there is."""
        arch = public_images.architecture()
        names = {}
        for name in (
            f"al2023-ami-kernel-default-{arch}",
            f"al2023-ami-kernel-6.1-{arch}",
            f"al2023-ami-kernel-6.12-{arch}",
            f"al2023-ami-minimal-kernel-default-{arch}",
            f"amzn2-ami-hvm-{arch}-gp2",
            f"amzn2-ami-kernel-5.10-hvm-{arch}-gp2",
        ):
            names[f"{_AMAZON}/{name}"] = public_images.DEFAULT_AMI
        names |= _distribution(*_host(), public_images.DEFAULT_AMI)
        for record in public_images.records(self._ec2.machine_images):
            parts = record["_Alias"].split(":")[-1].replace("-", "/").split("/")
            if record["ImageId"] != public_images.DEFAULT_AMI and len(parts) >= 2:
                names |= _distribution(parts[0], parts[1], record["ImageId"])
        return names


def _host() -> tuple[str, str]:
    release = platform.freedesktop_os_release()
    return release.get("ID", ""), release.get("VERSION_ID", "")


def _distribution(name: str, version: str, image_id: str) -> dict[str, str]:
    """The parameters of one release, in the distribution's own naming."""
    arch = {"x86_64": "amd64"}.get(public_images.architecture(), public_images.architecture())
    match name:
        case "debian":
            number = {"bookworm": "12", "trixie": "13"}.get(version, version)
            return {
                f"{_DEBIAN}/{number}/latest/{arch}": image_id,
                f"{_DEBIAN}-{number}/latest/{arch}": image_id,
            }
        case "ubuntu":
            number = {code: release for release, code in _UBUNTU_NAMES.items()}.get(version, version)
            tails = [f"stable/current/{arch}/hvm/{kind}/ami-id" for kind in ("ebs-gp2", "ebs-gp3")]
            heads = [number, _UBUNTU_NAMES.get(number, number)]
            return {f"{_UBUNTU}/{head}/{tail}": image_id for head in heads for tail in tails}
        case "amazonlinux" if version in ("2023", "current"):
            arch = public_images.architecture()
            return {f"{_AMAZON}/al2023-ami-kernel-default-{arch}": image_id}
        case _:
            return {}
