"""The loop that makes what should be into what is.

It is woken by changes of the estate and by events of the machines; every half minute it compares the two as a
whole, so that nothing depends on a message having arrived.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import logging
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from undercast.machines.errors import MachineError
from undercast.machines.spec import EventKind
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.default_image import DefaultImage
from undercast.services.ec2.estate import Key, Mutation
from undercast.services.ec2.machine_driver import MachineDriver
from undercast.services.ec2.metrics import Metrics
from undercast.services.ec2.status_checks import StatusChecks
from undercast.services.ec2.storage_driver import StorageDriver
from undercast.services.ec2.workers import Workers

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

log = logging.getLogger(__name__)

_START_LIMIT_S = 15.0
_START_AGAIN_S = 10.0  # somebody may have run `undercast setup`
_SWEEP_S = 30.0
_SPOT_S = 2.0
_TERMINATED_FOR = dt.timedelta(hours=1)
_STORAGE = ("volume", "snapshot", "image", "garbage")


class Reconciler:
    """Runs on the event loop between `start` and `stop`."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate
        self._machines = ec2.cloud.machines
        self.storage = StorageDriver(ec2)
        self.driver = MachineDriver(ec2, self.storage)
        self.checks = StatusChecks(ec2)
        self.default_image = DefaultImage(ec2)
        self._workers = Workers(self._drive)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._begun = asyncio.Event()
        self._spot_woken = asyncio.Event()

    async def start(self) -> None:
        """Adopt what runs, go on with what was under way."""
        self._loop = asyncio.get_running_loop()
        self._estate.listen(self._heard)
        self._spawn(self._spot(), "ec2 spot")
        self._spawn(self._begin(), "ec2 machines")
        # Launches should work from the first request on, but an Incus that hangs must not hold up the rest.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_LIMIT_S):
                await self._begun.wait()

    async def _begin(self) -> None:
        """Take the machines over, now or when there is an Incus."""
        said = ""
        while True:
            await self._machines.start()
            capability = self._machines.capability()
            if capability.available:
                break
            if capability.reason != said:
                said = capability.reason
                log.info("no instances for now: %s", said)
            self._begun.set()
            await asyncio.sleep(_START_AGAIN_S)
        await self._try(self.storage.remove_leftovers())
        await self._try(self._survey())
        self._spawn(self.default_image.run(), "ec2 default image")
        self._spawn(self._watch(), "ec2 machine events")
        self._spawn(self._sweep(), "ec2 sweep")
        self._spawn(self.checks.run(), "ec2 status checks")
        self._spawn(Metrics(self._ec2).run(), "ec2 metrics")
        self._begun.set()

    async def stop(self) -> None:
        """Leave machines running and work where it is."""
        self._loop = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._workers.stop()
        await self._machines.close()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(self._guard(work, name), name=name))

    @staticmethod
    async def _guard(work: Coroutine[Any, Any, None], name: str) -> None:
        """None of these may end by itself: if one does, the log says why."""
        try:
            await work
        except Exception:
            log.exception("%s has failed", name)

    # What wakes it

    def _heard(self, mutations: list[Mutation]) -> None:
        """Called in whatever thread committed."""
        loop = self._loop
        if loop is None:
            return
        keys = [m.key for m in mutations if m.key.kind == "instance" or m.key.kind in _STORAGE]
        with contextlib.suppress(RuntimeError):  # the loop has been closed: the next start sees to it
            loop.call_soon_threadsafe(self._wake, keys)

    def _wake(self, keys: list[Key]) -> None:
        if keys:
            self._spot_woken.set()
        if self._machines.capability().available:
            for key in keys:
                self._workers.wake(key)

    async def _drive(self, key: Key) -> None:
        if key.kind == "instance":
            await self.driver.drive(key)
        else:
            await self.storage.drive(key)

    async def _watch(self) -> None:
        async for event in self._machines.events():
            if event.kind is EventKind.RESYNC:
                await self._try(self._survey())
            elif event.kind in (EventKind.STOPPED, EventKind.DELETED):
                key = self._key(event.name)
                if key is not None:
                    self.driver.suspects.add(event.name)
                    self._workers.wake(key)

    def _key(self, name: str) -> Key | None:
        return next((key for key, _ in self._estate.everywhere("instance") if key.id == name), None)

    # Comparing the whole

    async def _survey(self) -> None:
        """Compare everything, and wake what needs work."""
        idle = [key for key, _ in self._estate.everywhere("instance") if not self._workers.busy(key)]
        for key in await self.driver.adopt(idle):
            self._workers.wake(key)
        for kind in _STORAGE:
            for key, _ in self._estate.everywhere(kind):
                self._workers.wake(key)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            await self._try(self._survey())
            await self._try(self.default_image.refresh())
            await asyncio.to_thread(self._forget_terminated)

    async def _try(self, work: Coroutine[Any, Any, None]) -> None:
        """Do it if Incus can be reached; the next round comes anyway."""
        try:
            await work
        except MachineError as error:
            log.warning("Incus cannot be asked now: %s", error)
            await self._machines.start()

    def _forget_terminated(self) -> None:
        """Terminated instances are shown for an hour."""
        limit = dt.datetime.now(dt.UTC) - _TERMINATED_FOR
        for key, record in self._estate.everywhere("instance"):
            if states.name(record) == "terminated" and record["_TerminatedAt"] < limit:
                with self._estate.change(key.account, key.region) as change:
                    change.delete("instance", key.id)

    async def _spot(self) -> None:
        """Spot requests follow their instances, and time."""
        while True:
            waiting = await asyncio.to_thread(self._ec2.spot.settle)
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_SPOT_S if waiting else None):
                    await self._spot_woken.wait()
            self._spot_woken.clear()
