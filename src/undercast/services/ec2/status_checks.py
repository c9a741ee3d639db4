"""Status checks: does the machine run, and does the system inside answer?"""

from __future__ import annotations

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

from undercast.machines.errors import MachineError, Unavailable
from undercast.services.ec2 import instance_states as states

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_TICK_S = 1.0
_AT_ONCE = 8
_EVERY_S = 60.0  # AWS checks every minute
_ANSWER_S = 5.0
_BOOT_S = 120.0  # a system that has not come up by then is impaired

# systemd says how far it is; where another init runs, that a command runs at all is the answer.
_PROBE = "if [ -d /run/systemd/system ]; then systemctl is-system-running; else echo running; fi"
_UP = (b"running", b"degraded")  # not "maintenance", the emergency mode: nobody can log in


@dataclass(frozen=True, slots=True)
class Check:
    """What was seen last. `since` is when the instance check began to fail."""

    instance: str = "initializing"  # ok, initializing, impaired
    system: str = "initializing"  # ok, initializing, insufficient-data
    since: dt.datetime | None = None
    at: float = 0.0  # the loop's clock


class StatusChecks:
    """Asks every running instance in turn. Answers are in memory: after a restart they are asked anew."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate
        self._machines = ec2.cloud.machines
        self._checks: dict[str, Check] = {}

    def of(self, instance_id: str) -> Check:
        """The latest check of a running instance."""
        return self._checks.get(instance_id, Check())

    async def run(self) -> None:
        """For ever: those that come up every second, the others every minute."""
        loop = asyncio.get_running_loop()
        while True:
            running = {
                key.id: record["LaunchTime"]
                for key, record in self._estate.everywhere("instance")
                if states.name(record) == "running"
            }
            self._checks = {id: check for id, check in self._checks.items() if id in running}
            due = [id for id in running if self._due(id, loop.time())]
            checks = [self._check(id, running[id], loop.time()) for id in due[:_AT_ONCE]]
            self._checks |= zip(due, await asyncio.gather(*checks), strict=False)
            await asyncio.sleep(_TICK_S)

    def _due(self, instance_id: str, now: float) -> bool:
        check = self._checks.get(instance_id)
        return check is None or check.instance != "ok" or now - check.at >= _EVERY_S

    async def _check(self, instance_id: str, launched: dt.datetime, at: float) -> Check:
        before = self.of(instance_id)
        try:
            answer = await self._machines.exec(instance_id, ["/bin/sh", "-c", _PROBE], timeout_s=_ANSWER_S)
        except Unavailable:
            return Check("insufficient-data", "insufficient-data", before.since, at)
        except MachineError:
            up = False
        else:
            up = answer.stdout.strip() in _UP
        if up:
            return Check("ok", "ok", None, at)
        now = dt.datetime.now(dt.UTC)
        if before.instance != "ok" and (now - launched).total_seconds() < _BOOT_S:
            return Check("initializing", "ok", None, at)
        return Check("impaired", "ok", before.since or now, at)
