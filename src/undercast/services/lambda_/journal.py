"""The events' queue on disk: what many callers write goes into one transaction, which all of them await."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, update
from sqlalchemy.orm import Session

from undercast.store.store import Store
from undercast.store.tables.queue import QueuedMessage

Row = dict[str, Any]  # a message's columns

_MOST = 500  # writes in one transaction: others want to write, too


@dataclass(slots=True)
class _Put:
    row: Row


@dataclass(slots=True)
class _Done:
    id: int
    following: Sequence[Row]


@dataclass(slots=True)
class _Again:
    id: int
    values: Row


_Write = _Put | _Done | _Again


class Journal:
    """Collects writes while a transaction is under way, and commits them together in the next one."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[_Write, asyncio.Future[int]]] = []
        self._running: asyncio.Task[None] | None = None

    async def put(self, row: Row) -> int:
        """Add a message. When this returns its id, it is committed."""
        return await self._add(_Put(row))

    async def done(self, id: int, following: Sequence[Row] = ()) -> None:
        """Remove a message and add those that follow from it, all or nothing."""
        await self._add(_Done(id, following))

    async def again(self, id: int, **values: Any) -> None:
        """Give a message back, with some of its columns changed."""
        await self._add(_Again(id, values))

    async def close(self) -> None:
        """Wait until everything handed in is committed."""
        if self._running is not None:
            await asyncio.wait({self._running}, timeout=5)

    def _add(self, write: _Write) -> asyncio.Future[int]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[int] = loop.create_future()
        self._waiting.append((write, future))
        if self._running is None:
            self._running = loop.create_task(self._run())
        return future

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[:_MOST], self._waiting[_MOST:]
                try:
                    ids = await asyncio.to_thread(self._commit, [write for write, _ in batch])
                except Exception as error:
                    for _, future in batch:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), id in zip(batch, ids, strict=True):
                    if not future.done():
                        future.set_result(id)
        finally:
            self._running = None

    def _commit(self, writes: list[_Write]) -> list[int]:
        """The ids of the messages the writes were about, in order."""
        puts = [write.row for write in writes if isinstance(write, _Put)]
        finished = [write for write in writes if isinstance(write, _Done)]
        following = [row for write in finished for row in write.following]
        with self._store.write() as session:
            fresh = iter(_insert(session, puts))
            if finished:
                ids = [write.id for write in finished]
                session.execute(delete(QueuedMessage).where(QueuedMessage.id.in_(ids)))
            _insert(session, following)
            for write in writes:
                if isinstance(write, _Again):
                    table = QueuedMessage
                    session.execute(update(table).where(table.id == write.id).values(**write.values))
        return [next(fresh) if isinstance(write, _Put) else write.id for write in writes]


def _insert(session: Session, rows: Sequence[Row]) -> list[int]:
    if not rows:
        return []
    statement = insert(QueuedMessage).returning(QueuedMessage.id, sort_by_parameter_order=True)
    return list(session.scalars(statement, rows))
