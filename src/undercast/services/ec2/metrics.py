"""CloudWatch's figures of instances, once a minute."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from undercast.machines.errors import MachineError
from undercast.machines.usage import Usage, usage
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.estate import Key, Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_EVERY_S = 60.0


class Metrics:
    """Turns the machines' counters into figures per minute."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._cloud = ec2.cloud
        self._before: dict[str, tuple[float, Usage]] = {}

    async def run(self) -> None:
        """For ever. A minute in which Incus does not answer has no figures."""
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                used = await usage(self._cloud.machines.incus)
            except MachineError:
                continue
            now = time.monotonic()
            for key, record in self._ec2.estate.everywhere("instance"):
                if states.name(record) == "running" and key.id in used:
                    self._tell(key, record, used[key.id], now)
            self._before = {name: (now, counted) for name, counted in used.items()}

    def _tell(self, key: Key, record: Record, used: Usage, now: float) -> None:
        check = self._ec2.reconciler.checks.of(key.id)
        failed = float(check.instance == "impaired")
        figures = [
            ("StatusCheckFailed", failed, "Count"),
            ("StatusCheckFailed_Instance", failed, "Count"),
            ("StatusCheckFailed_System", 0.0, "Count"),
        ]
        then, before = self._before.get(key.id, (now, used))
        if now > then and used.cpu_ns >= before.cpu_ns:  # counters begin anew with a reboot
            options = record["CpuOptions"]
            vcpus = options["CoreCount"] * options["ThreadsPerCore"]
            busy = (used.cpu_ns - before.cpu_ns) / 1e9 / (now - then) / vcpus
            figures += [
                ("CPUUtilization", min(100.0, 100 * busy), "Percent"),
                ("NetworkIn", float(max(used.received - before.received, 0)), "Bytes"),
                ("NetworkOut", float(max(used.sent - before.sent, 0)), "Bytes"),
            ]
        self._cloud.metrics.add_many(key.account, key.region, "AWS/EC2", (("InstanceId", key.id),), figures)
