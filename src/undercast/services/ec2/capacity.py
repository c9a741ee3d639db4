"""What this machine has room for.

AWS sells what it has; this machine is all there is. A type larger than the machine is refused, and so is a
launch beyond what is free: the memory promised to instances may exceed the machine's twofold (idle instances
use a fraction of theirs), the memory really available has to cover what a launch asks for.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from undercast.machines.spec import Capability
from undercast.services.base import AwsError
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.catalogue import InstanceType, instance_type
from undercast.services.ec2.estate import Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

PROMISED = 2.0  # times the machine's memory


class Capacity:
    """Refuses what cannot run here."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2

    def check(self, records: list[Record]) -> list[Record]:
        """Refuse instances this machine has no room for, with AWS's InsufficientInstanceCapacity.

        Returns the Spot Instances that have to go to make room for an On-Demand launch.
        """
        capability = self.capability()
        need = 0
        for record in records:
            self._ec2.reconciler.default_image.check(record["_Base"])
            kind = instance_type(record["InstanceType"])
            self._check_type(capability, kind)
            need += kind.memory_mib
        promised = sum(_memory(record) for record in self._running())
        over = promised + need - PROMISED * capability.memory_mib
        if over <= 0 and need <= self._available_mib():
            return []
        reclaimed = [] if any(r.get("InstanceLifecycle") == "spot" for r in records) else self._spot(over)
        if not reclaimed:
            raise _insufficient(records[0]["InstanceType"], records[0]["Placement"]["AvailabilityZone"])
        return reclaimed

    def capability(self) -> Capability:
        """What the machine can run; refuses a launch where that is nothing, saying what to do."""
        capability = self._ec2.cloud.machines.capability()
        if not capability.available:
            raise AwsError("UnsupportedOperation", f"Instances cannot be launched here: {capability.reason}")
        if reason := self._ec2.networking.capability():
            raise AwsError("UnsupportedOperation", f"Instances cannot be launched here: {reason}")
        return capability

    def left(self) -> dict[str, Any]:
        """What the machine has and has left: memory in MiB that a launch could get, disk in bytes."""
        running = self._running()
        try:
            capability = self.capability()
        except AwsError as refused:
            return {"Available": False, "Reason": refused.message}
        promised = sum(_memory(record) for record in running)
        free = min(PROMISED * capability.memory_mib - promised, self._available_mib())
        disk = shutil.disk_usage(self._ec2.cloud.settings.data)
        return {
            "Available": True,
            "Instances": len(running),
            "Vcpus": capability.cpus,
            "MemoryMiB": capability.memory_mib,
            "MemoryFreeMiB": max(0, int(free)),
            "DiskBytes": disk.total,
            "DiskFreeBytes": disk.free,
            "Gpus": list(capability.gpus),
        }

    def _check_type(self, capability: Capability, kind: InstanceType) -> None:
        if kind.gpus > len(capability.gpus):
            raise _insufficient(
                kind.name, None, f"it has {kind.gpus} GPUs, this machine {len(capability.gpus)}"
            )
        if kind.vcpus > capability.cpus or kind.memory_mib > capability.memory_mib:
            raise _insufficient(
                kind.name,
                None,
                f"it has {kind.vcpus} vCPUs and {kind.memory_mib} MiB of memory, this machine "
                f"{capability.cpus} and {capability.memory_mib}",
            )

    def _running(self) -> list[Record]:
        return [
            record
            for _, record in self._ec2.estate.everywhere("instance")
            if states.name(record) in ("pending", "running", "stopping", "shutting-down")
        ]

    def _available_mib(self) -> float:
        """Memory the kernel could hand out now, without what launches under way will take."""
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) / 1024
        return 0.0

    def _spot(self, over_mib: float) -> list[Record]:
        """The youngest running Spot Instances whose memory would cover what is missing, or none."""
        running = [
            record
            for record in self._running()
            if record.get("InstanceLifecycle") == "spot" and not record.get("_Interruption")
        ]
        chosen: list[Record] = []
        freed = 0
        for record in sorted(running, key=lambda r: r["LaunchTime"], reverse=True):
            if freed >= over_mib and chosen:
                break
            chosen.append(record)
            freed += _memory(record)
        return chosen if freed >= over_mib else []


def _memory(record: Record) -> int:
    return instance_type(record["InstanceType"]).memory_mib


def _insufficient(name: str, zone: str | None, why: str | None = None) -> AwsError:
    where = f" in the Availability Zone you requested ({zone})" if zone else ""
    text = f"We currently do not have sufficient {name} capacity{where}."
    return AwsError("InsufficientInstanceCapacity", f"{text} ({why}.)" if why else text, 500)
