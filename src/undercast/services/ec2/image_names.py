"""The names under which Amazon, Debian and Canonical publish images on AWS.

Terraform's `aws_ami` and many scripts look an image up by its publisher and a pattern of its name. Images
here answer to those of the releases they stand for, as they do to the public SSM parameters.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

from undercast.services.ec2 import public_images
from undercast.services.ec2.estate import Record
from undercast.services.ec2.releases import UBUNTU_NAMES, Release, standing

# https://wiki.debian.org/Cloud/AmazonEC2Image, https://documentation.ubuntu.com/aws/en/latest/aws-how-to/
_OWNERS = {"amazon": public_images.OWNER, "debian": "136693071363", "ubuntu": "099720109477"}
_TITLES = {"amazon": "Amazon Linux", "debian": "Debian", "ubuntu": "Ubuntu"}


def published(records: Iterable[Record]) -> list[Record]:
    """The public images once more under each published name they stand for, with that name's owner."""
    return [
        {
            **image,
            "Name": name,
            "OwnerId": _OWNERS[release.distribution],
            "ImageLocation": f"amazon/{name}",
            "Description": f"{image['Description']}, standing for {_TITLES[release.distribution]} "
            f"{release.version}",
        }
        for release, image in standing(records).items()
        for name in _names(release, image["Architecture"], _made(image))
    ]


def _made(image: Record) -> dt.datetime:
    return dt.datetime.strptime(image["CreationDate"], "%Y-%m-%dT%H:%M:%S.000Z").replace(tzinfo=dt.UTC)


def _names(release: Release, arch: str, made: dt.datetime) -> Iterator[str]:
    """The forms of https://docs.aws.amazon.com/linux/al2023/ug/ec2.html and of the other two publishers."""
    day = f"{made:%Y%m%d}"
    debian_arch = {"x86_64": "amd64"}.get(arch, arch)
    match release:
        case ("amazon", "2023"):
            for kernel in ("6.1", "6.12"):
                yield f"al2023-ami-2023.0.{day}.0-kernel-{kernel}-{arch}"
                yield f"al2023-ami-minimal-2023.0.{day}.0-kernel-{kernel}-{arch}"
        case ("amazon", "2"):
            yield f"amzn2-ami-hvm-2.0.{day}.0-{arch}-gp2"
            yield f"amzn2-ami-kernel-5.10-hvm-2.0.{day}.0-{arch}-gp2"
        case ("debian", version):
            yield f"debian-{version}-{debian_arch}-{made:%Y%m%d-%H%M}"
        case ("ubuntu", version):
            store = "hvm-ssd-gp3" if version >= "24" else "hvm-ssd"
            code = UBUNTU_NAMES.get(version, version)
            yield f"ubuntu/images/{store}/ubuntu-{code}-{version}-{debian_arch}-server-{day}"
