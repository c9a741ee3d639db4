"""Writes of many callers in one transaction: each waits for the commit, all of them for the same one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from sqlalchemy.orm import Session

from undercast.store.store import Store

Write = Callable[[Session], None]

_MOST = 500  # writes in one transaction: others want to write, too


class Batches:
    """Collects writes while a transaction is under way, and commits them together in the next one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[Write, asyncio.Future[None]]] = []
        self._running: asyncio.Task[None] | None = None

    async def commit(self, write: Write) -> None:
        """Have a write committed. Raises what the database raises; the whole batch has failed then."""
        await self.add(write)

    def add(self, write: Write) -> asyncio.Future[None]:
        """The same, for a caller who does not wait now."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((write, future))
        if self._running is None:
            self._running = asyncio.get_running_loop().create_task(self._run())
        return future

    async def close(self) -> None:
        """Wait until everything handed in is committed."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=10)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                try:
                    await asyncio.to_thread(self._apply, [write for write, _ in batch])
                except Exception as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                else:
                    for _, future in batch:
                        if not future.done():
                            future.set_result(None)
        finally:
            self._running = None

    def _apply(self, writes: list[Write]) -> None:
        with self._store.write() as session:
            for write in writes:
                write(session)
