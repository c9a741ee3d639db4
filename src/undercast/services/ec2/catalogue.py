"""The catalogue of instance types: AWS's published figures, read once from a columnar data file.

`scripts/instance_types.py` makes the file and describes its form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from undercast.services.base import AwsError

_FILE = Path(__file__).parent / "data" / "instance_types.json"


@dataclass(frozen=True, slots=True)
class InstanceType:
    """What matters to a launch. `described` is the type as DescribeInstanceTypes shows it."""

    name: str
    vcpus: int
    memory_mib: int
    architectures: tuple[str, ...]
    gpus: int
    hibernation: bool
    burstable: bool
    described: Mapping[str, Any]

    @property
    def family(self) -> str:
        return self.name.split(".", 1)[0]


@cache
def catalogue() -> Mapping[str, InstanceType]:
    """Every type by its name."""
    columns: dict[str, Any] = orjson.loads(_FILE.read_bytes())
    names: list[str] = columns.pop("types")
    described: list[dict[str, Any]] = [{"InstanceType": name} for name in names]
    for path, (distinct, runs) in columns.items():
        steps = path.split(".")
        row = 0
        for index, length in zip(runs[::2], runs[1::2], strict=True):
            value = distinct[index]
            if value is not None:
                for target in described[row : row + length]:
                    _place(target, steps, value)
            row += length
    return {name: _facts(name, row) for name, row in zip(names, described, strict=True)}


def instance_type(name: str) -> InstanceType:
    """The type of that name, or AWS's error."""
    found = catalogue().get(name)
    if found is None:
        raise AwsError("InvalidParameterValue", f"Invalid value '{name}' for InstanceType.")
    return found


def _place(target: dict[str, Any], steps: list[str], value: Any) -> None:
    for step in steps[:-1]:
        listed = step.endswith("[]")
        target = target.setdefault(step[:-2], [{}])[0] if listed else target.setdefault(step, {})
    target[steps[-1]] = value


def _facts(name: str, described: dict[str, Any]) -> InstanceType:
    gpus = sum(gpu.get("Count", 1) for gpu in described.get("GpuInfo", {}).get("Gpus", []))
    return InstanceType(
        name=name,
        vcpus=described["VCpuInfo"]["DefaultVCpus"],
        memory_mib=described["MemoryInfo"]["SizeInMiB"],
        architectures=tuple(described["ProcessorInfo"]["SupportedArchitectures"]),
        gpus=gpus,
        hibernation=described["HibernationSupported"],
        burstable=described["BurstablePerformanceSupported"],
        described=described,
    )
