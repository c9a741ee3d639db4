"""Keeps this machine's network as EC2's records say: a write is in force within milliseconds."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from undercast.network.network import Network, NetworkError
from undercast.services.ec2.desired_network import RELEVANT, Holder, Picture, picture
from undercast.services.ec2.estate import Mutation
from undercast.services.ec2.hot_plug import HotPlug

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

log = logging.getLogger(__name__)

_RETRY_S = 2.0
_TAKE_S = 3.0
_CLASH_KEPT_S = 10.0


class Networking:
    """Watches the estate and applies it to `cloud.network`."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._network: Network = ec2.cloud.network
        self.holders: Mapping[str, Holder] = {}
        self._count = threading.Lock()
        self._wanted = 0  # how many relevant changes were committed
        self._done = 0  # how many of them are in force
        self._poke = asyncio.Event()
        self._settled = asyncio.Condition()
        self._failure: NetworkError | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._hot_plug = HotPlug(ec2)
        self._taking: asyncio.Task[None] | None = None
        self._clashes: dict[str, tuple[float, str | None]] = {}

    async def start(self) -> None:
        """Take the machine's network over, now or when another server has let go of it."""
        self._loop = asyncio.get_running_loop()
        self._network.describe = self._ec2.metadata.describe
        self._ec2.estate.listen(self._changed)
        if not self._ec2.cloud.settings.servers_enabled:
            self._network.reason = "instances are turned off (servers_enabled = false)"
        elif not await self._take():
            self._taking = asyncio.create_task(self._take_later())

    async def _take(self) -> bool:
        cloud = self._ec2.cloud
        # Without signatures everyone who reaches the API commands it: instances shall not.
        await self._network.start(cloud.port, cloud.listen if cloud.settings.auth == "on" else None)
        if self._network.reason is not None:
            return False
        with self._count:
            self._wanted += 1
        self._poke.set()
        self._task = asyncio.create_task(self._run())
        return True

    async def _take_later(self) -> None:
        log.info("no instances for now: %s", self._network.reason)
        while True:
            await asyncio.sleep(_TAKE_S)
            if await self._take():
                log.info("the instance network is ours now")
                return

    async def stop(self) -> None:
        """Let go of the machine's network; instances that run keep their filter."""
        tasks = [task for task in (self._taking, self._task) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._task = None
        await self._hot_plug.stop()
        await self._network.close()

    def capability(self) -> str | None:
        """Why instances cannot be networked here, or None when they can."""
        return self._network.reason

    def clash(self, block: str) -> str | None:
        """Why a block cannot be routed to instances on this machine, or None. May block for a moment."""
        if self._network.reason is not None:
            return None  # launching is refused with that reason anyway
        known = self._clashes.get(block)
        if known is None or time.monotonic() - known[0] > _CLASH_KEPT_S:
            known = (time.monotonic(), self._network.clash(ipaddress.IPv4Network(block)))
            self._clashes[block] = known
        return known[1]

    async def applied(self) -> None:
        """Return once everything committed so far is in force. Raises `NetworkError`."""
        if self._task is None:
            raise NetworkError(self._network.reason or "the instance network is not running")
        with self._count:
            target = self._wanted
        async with asyncio.timeout(30), self._settled:
            await self._settled.wait_for(lambda: self._done >= target or self._failure is not None)
        if self._failure is not None and self._done < target:
            raise self._failure

    def _changed(self, mutations: list[Mutation]) -> None:
        if self._loop is None or not any(m.key.kind in RELEVANT for m in mutations):
            return
        with self._count:
            self._wanted += 1
        self._loop.call_soon_threadsafe(self._poke.set)

    async def _run(self) -> None:
        while True:
            await self._poke.wait()
            self._poke.clear()
            with self._count:
                target = self._wanted
            self._failure = None
            try:
                await self._apply()
            except NetworkError as error:
                log.exception("the network is not as it should be")
                self._failure = error
                asyncio.get_running_loop().call_later(_RETRY_S, self._poke.set)
            async with self._settled:
                if self._failure is None:
                    self._done = target
                self._settled.notify_all()

    async def _apply(self) -> None:
        now = await asyncio.to_thread(self._picture)
        self.holders = now.holders
        await self._network.apply(now.desired)
        self._hot_plug.poke()

    def _picture(self) -> Picture:
        estate, host_id = self._ec2.estate, self._ec2.cloud.settings.host_id
        try:
            return picture(estate, host_id)
        except (LookupError, AssertionError, StopIteration):
            log.debug("a change was being committed; once more, between changes")
        try:
            with estate.change("", ""):  # nobody else commits meanwhile
                return picture(estate, host_id)
        except (LookupError, ValueError, AssertionError, StopIteration) as error:
            raise NetworkError(f"the records do not make a network: {error!r}") from error
