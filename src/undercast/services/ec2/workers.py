"""One worker per resource: what concerns one resource happens in order, different ones side by side."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from undercast.machines.errors import Busy, MachineError, Unavailable
from undercast.services.ec2.estate import Key

log = logging.getLogger(__name__)

# How long until a resource that failed is looked at again, in seconds.
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 15.0
_BUSY_PAUSE = 1.0


class Workers:
    """Calls `drive` for every resource that was woken, until it stays quiet.

    `drive` brings a resource closer to what its record wants and must be safe to repeat. What it raises is
    logged and it is called again later.
    """

    def __init__(self, drive: Callable[[Key], Awaitable[None]]) -> None:
        self._drive = drive
        self._tasks: dict[Key, asyncio.Task[None]] = {}
        self._dirty: set[Key] = set()

    def wake(self, key: Key) -> None:
        """Have the resource looked at, again if it is being worked on. Event loop only."""
        if key in self._tasks:
            self._dirty.add(key)
        else:
            self._tasks[key] = asyncio.create_task(self._work(key), name=f"ec2 {key.kind} {key.id}")

    def busy(self, key: Key) -> bool:
        """Whether the resource is being worked on."""
        return key in self._tasks

    async def _work(self, key: Key) -> None:
        pause = _FIRST_PAUSE
        try:
            while True:
                self._dirty.discard(key)
                try:
                    await self._drive(key)
                    pause = _FIRST_PAUSE
                except Busy:
                    await asyncio.sleep(_BUSY_PAUSE)
                    continue
                except Unavailable as error:
                    log.warning("%s %s waits: %s", key.kind, key.id, error)
                    await asyncio.sleep(min(pause, 2.0))
                    pause *= 2
                    continue
                except Exception as error:
                    known = isinstance(error, MachineError)
                    log.warning(
                        "%s %s will be tried again in %.1f s: %s",
                        *(key.kind, key.id, pause, error),
                        exc_info=None if known else error,
                    )
                    await asyncio.sleep(pause)
                    pause = min(pause * 2, _LONGEST_PAUSE)
                    continue
                if key not in self._dirty:
                    return
        finally:
            del self._tasks[key]
            self._dirty.discard(key)

    async def stop(self) -> None:
        """Leave everything where it is; the next start goes on from there."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
