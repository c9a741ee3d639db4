"""Environments made ahead: while there is demand for a kind, a few of it wait to be taken."""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Generic, Protocol, TypeVar

from undercast.functions.env_network import NoAddresses
from undercast.functions.spec import SandboxError
from undercast.functions.tmp_disks import DisksUnavailable

log = logging.getLogger(__name__)

DEPTH = 4
_QUIET_S = 0.02  # nobody asked for so long: time to prepare
_KEEP_S = 120.0  # nobody asked for so long: what was prepared goes


class Prepared(Protocol):
    """What waits."""

    @property
    def waiting(self) -> bool:
        """Whether it lives and can be used."""

    async def destroy(self) -> None:
        """End it."""


P = TypeVar("P", bound=Prepared)


class Reserve(Generic[P]):
    """Prepared environments of one kind, as `make` makes them."""

    def __init__(self, make: Callable[[], Awaitable[P]], depth: int = DEPTH) -> None:
        self._make = make
        self._depth = depth
        self._loop = asyncio.get_running_loop()
        self._waiting: collections.deque[P] = collections.deque()
        self._timer: asyncio.TimerHandle | None = None
        self._filling: asyncio.Task[None] | None = None
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self) -> P | None:
        """A prepared one that still lives, if there is one."""
        self.asked()
        while self._waiting:
            one = self._waiting.popleft()
            if one.waiting:
                return one
            self._background(one.destroy())
        return None

    def asked(self) -> None:
        """There is demand: prepare when nobody has asked for a moment."""
        if not self._closed:
            self._later(_QUIET_S, self._refill)

    async def close(self) -> None:
        """Prepare no more, and end those that wait. One that is being made is made, and ended then."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._filling is not None:
            await asyncio.wait([self._filling])
        self._forget()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _later(self, seconds: float, work: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, work)

    def _refill(self) -> None:
        self._timer = None
        if self._filling is None or self._filling.done():
            self._filling = self._background(self._fill())

    async def _fill(self) -> None:
        """Stops when somebody asks: what it would make is made for them, and it begins anew."""
        try:
            while len(self._waiting) < self._depth and self._timer is None and not self._closed:
                self._waiting.append(await self._make())
        except (SandboxError, OSError, NoAddresses, DisksUnavailable) as error:
            if not self._closed:  # else what it is made from ends
                log.warning("no environment could be prepared: %s", error)
        if self._timer is None and not self._closed:
            self._later(_KEEP_S, self._forget)

    def _forget(self) -> None:
        """End the prepared environments: there is no demand any more."""
        while self._waiting:
            self._background(self._waiting.popleft().destroy())

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
