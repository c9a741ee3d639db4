"""The public SSM parameters that name the latest images of a distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import AwsError
from undercast.services.ec2 import public_images
from undercast.services.ec2.releases import UBUNTU_NAMES, Release, standing

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_AMAZON = "/aws/service/ami-amazon-linux-latest"
_DEBIAN = "/aws/service/debian/release"
_UBUNTU = "/aws/service/canonical/ubuntu/server"


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
        images = public_images.records(self._ec2.machine_images)
        return {
            name: image["ImageId"]
            for release, image in standing(images).items()
            for name in _names(release, public_images.architecture())
        }


def _names(release: Release, arch: str) -> list[str]:
    """The parameters of one release, in its publisher's own naming."""
    debian_arch = {"x86_64": "amd64"}.get(arch, arch)
    match release:
        case ("amazon", "2023"):
            kernels = ("kernel-default", "kernel-6.1", "kernel-6.12")
            kinds = ("al2023-ami", "al2023-ami-minimal")
            return [f"{_AMAZON}/{kind}-{kernel}-{arch}" for kind in kinds for kernel in kernels]
        case ("amazon", "2"):
            kinds = ("amzn2-ami-hvm", "amzn2-ami-kernel-5.10-hvm")
            return [f"{_AMAZON}/{kind}-{arch}-gp2" for kind in kinds]
        case ("debian", version):
            return [f"{_DEBIAN}{mark}{version}/latest/{debian_arch}" for mark in ("/", "-")]
        case ("ubuntu", version):
            tails = [f"stable/current/{debian_arch}/hvm/{kind}/ami-id" for kind in ("ebs-gp2", "ebs-gp3")]
            heads = [version, UBUNTU_NAMES.get(version, version)]
            return [f"{_UBUNTU}/{head}/{tail}" for head in heads for tail in tails]
        case _:
            return []
