"""Which published releases of distributions the images here stand for.

The default image stands for Amazon Linux (it has the same user and the same tools), and for the distribution
it was built from. An image that was brought in stands for its own release, before the default one.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from typing import NamedTuple

from undercast.services.ec2 import public_images
from undercast.services.ec2.estate import Record

UBUNTU_NAMES = {"20.04": "focal", "22.04": "jammy", "24.04": "noble", "26.04": "resolute"}
_DEBIAN_NUMBERS = {"bullseye": "11", "bookworm": "12", "trixie": "13"}


class Release(NamedTuple):
    """A release by its number: ("amazon", "2023"), ("debian", "12"), ("ubuntu", "24.04")."""

    distribution: str
    version: str


def standing(records: Iterable[Record]) -> dict[Release, Record]:
    """The releases that are there, each with the public image that stands for it."""
    found: dict[Release, Record] = {}
    for record in records:
        for release in _of(record):
            found[release] = record
    return found


def _of(record: Record) -> list[Release]:
    if record["ImageId"] == public_images.DEFAULT_AMI:
        return [Release("amazon", "2023"), Release("amazon", "2"), *_known(*_host())]
    parts = record["_Alias"].split(":")[-1].replace("-", "/").split("/")
    return _known(parts[0], parts[1]) if len(parts) >= 2 else []


def _host() -> tuple[str, str]:
    release = platform.freedesktop_os_release()
    return release.get("ID", ""), release.get("VERSION_ID", "")


def _known(name: str, version: str) -> list[Release]:
    match name:
        case "debian":
            return [Release(name, _DEBIAN_NUMBERS.get(version, version))]
        case "ubuntu":
            numbers = {code: number for number, code in UBUNTU_NAMES.items()}
            return [Release(name, numbers.get(version, version))]
        case "amazonlinux" if version in ("2023", "current"):
            return [Release("amazon", "2023")]
        case _:
            return []
