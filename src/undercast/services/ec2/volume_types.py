"""Volume types and their limits.

https://docs.aws.amazon.com/ebs/latest/userguide/ebs-volume-types.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from undercast.services.base import AwsError


@dataclass(frozen=True, slots=True)
class VolumeType:
    """Sizes in GiB, rates per second (throughput in MiB)."""

    name: str
    smallest: int
    largest: int
    iops: tuple[int, int] | None = None  # what the caller may ask for
    iops_per_gib: int = 0
    throughput: tuple[int, int] | None = None


TYPES = {
    kind.name: kind
    for kind in (
        VolumeType("standard", 1, 1024),
        VolumeType("gp2", 1, 16384),
        VolumeType("gp3", 1, 65536, (3000, 80000), 500, (125, 2000)),
        VolumeType("io1", 4, 16384, (100, 64000), 50),
        VolumeType("io2", 4, 65536, (100, 256000), 1000),
        VolumeType("st1", 125, 16384),
        VolumeType("sc1", 125, 16384),
    )
}


def performance(name: str, size_gib: int, iops: int | None, throughput: int | None) -> dict[str, Any]:
    """`VolumeType`, `Size`, `Iops` and `Throughput` of a volume, checked, with AWS's defaults filled in."""
    kind = TYPES.get(name)
    if kind is None:
        raise AwsError("UnknownVolumeType", f"Unsupported volume type '{name}' for volume creation.")
    _check_size(kind, size_gib)
    shown: dict[str, Any] = {"VolumeType": name, "Size": size_gib}
    if name == "gp2":
        shown["Iops"] = min(max(100, 3 * size_gib), 16000)
    if iops is not None:
        _check_iops(kind, size_gib, iops)
        shown["Iops"] = iops
    elif name == "gp3":
        shown["Iops"] = 3000
    elif kind.iops is not None:
        raise AwsError("MissingParameter", f"The parameter iops must be specified for {name} volumes.")
    if throughput is not None:
        _check_throughput(kind, throughput)
        shown["Throughput"] = throughput
    elif kind.throughput is not None:
        shown["Throughput"] = kind.throughput[0]
    return shown


def _check_size(kind: VolumeType, size_gib: int) -> None:
    if size_gib < kind.smallest:
        raise AwsError(
            "InvalidParameterValue",
            f"Volume of {size_gib}GiB is too small for volume type {kind.name}; "
            f"minimum is {kind.smallest}GiB.",
        )
    if size_gib > kind.largest:
        raise AwsError(
            "InvalidParameterValue",
            f"Volume of {size_gib}GiB is too large for volume type {kind.name}; "
            f"maximum is {kind.largest}GiB.",
        )


def _check_iops(kind: VolumeType, size_gib: int, iops: int) -> None:
    if kind.iops is None:
        raise AwsError(
            "InvalidParameterCombination", f"The parameter iops is not supported for {kind.name} volumes."
        )
    low, high = kind.iops
    if iops < low or iops > high:
        bound = f"too low; minimum is {low}" if iops < low else f"too high; maximum is {high}"
        raise AwsError("InvalidParameterValue", f"Volume iops of {iops} is {bound}.")
    ratio = kind.iops_per_gib
    if iops > max(low, ratio * size_gib):
        raise AwsError(
            "InvalidParameterValue",
            f"Iops to volume size ratio of {iops / size_gib:.6f} is too high; maximum is {ratio}",
        )


def _check_throughput(kind: VolumeType, throughput: int) -> None:
    if kind.throughput is None:
        raise AwsError(
            "InvalidParameterCombination",
            f"The parameter throughput is not supported for {kind.name} volumes.",
        )
    low, high = kind.throughput
    if not low <= throughput <= high:
        raise AwsError(
            "InvalidParameterValue", f"Throughput ({throughput}) must be between {low} and {high} MiB/s."
        )
