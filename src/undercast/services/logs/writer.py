"""Takes log events from everywhere at memory speed, and writes them to the store in batches."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Executable, bindparam, case, func, insert, select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from undercast.services.logs.stream_ids import StreamKey, stream_ids
from undercast.store.store import Store
from undercast.store.tables.logs import LogEvent, LogGroup, LogStream

log = logging.getLogger(__name__)

_PAUSE_S = 0.1  # how long events gather before they are written
_RETRY_S = 1.0  # pause after the store could not take them
_MOST_BYTES = 64 << 20  # beyond this, events are dropped rather than memory exhausted
_OVERHEAD = 26  # bytes CloudWatch Logs counts beside each message

_MOST_IDS, _IDS_AT_ONCE = 10_000, 500

Events = Sequence[tuple[int, str]]  # (Unix time in ms, message)
_Row = dict[str, object]


@dataclass(slots=True)
class Batch:
    """Events of one stream, in order."""

    account: str
    region: str
    group: str
    stream: str
    events: Events
    ingestion: int
    told: bool  # its sender waits, and learns when it cannot be written

    @property
    def size(self) -> int:
        """Characters of its messages."""
        return sum(len(message) for _, message in self.events)


class LogWriter:
    """The way into the log. Everything but `_write` runs on the event loop."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._pending: list[Batch] = []
        self._pending_bytes = 0
        self._dropped = 0
        self._wake = asyncio.Event()
        self._flushed: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._listeners: set[Callable[[Batch], None]] = set()
        self._ids: dict[StreamKey, int] = {}  # of streams, for the thread that writes

    async def start(self) -> None:
        """Begin writing."""
        self._task = asyncio.create_task(self._run(), name="log-writer")

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._write_pending()

    def append(self, account: str, region: str, group: str, stream: str, events: Events) -> None:
        """Add events; group and stream are made when they are missing. Returns at once.

        They are kept, as far as there is room for them, while the store cannot take them.
        """
        self._add(Batch(account, region, group, stream, events, int(time.time() * 1000), told=False))

    async def put(self, account: str, region: str, group: str, stream: str, events: Events) -> None:
        """Add events and return once they are in the store. Raises what the store raised."""
        self._add(Batch(account, region, group, stream, events, int(time.time() * 1000), told=True))
        await self.flush()

    def _add(self, batch: Batch) -> None:
        if not batch.events:
            return
        size = batch.size
        if self._pending_bytes + size > _MOST_BYTES:
            self._dropped += len(batch.events)
            return
        self._pending.append(batch)
        self._pending_bytes += size
        self._wake.set()
        for listener in self._listeners:
            listener(batch)

    async def flush(self) -> None:
        """Return once everything appended before is in the store. Raises what the store raised."""
        if not self._pending and self._flushed is None:
            return
        if self._flushed is None:
            self._flushed = asyncio.get_running_loop().create_future()
        self._wake.set()
        await asyncio.shield(self._flushed)

    async def settle(self) -> None:
        """Let readers see what was appended before, as far as the store takes it."""
        with contextlib.suppress(OperationalError):
            await self.flush()

    def listen(self, listener: Callable[[Batch], None]) -> Callable[[], None]:
        """Call `listener` with every batch as it comes in; returns the way to stop that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            if self._flushed is None:
                await asyncio.sleep(_PAUSE_S)
            if not await self._write_pending():
                await asyncio.sleep(_RETRY_S)

    async def _write_pending(self) -> bool:
        """Write what there is. False when the store could not take it, and it is to be tried again."""
        self._wake.clear()
        batches, self._pending, self._pending_bytes = self._pending, [], 0
        waiting, self._flushed = self._flushed, None
        dropped, self._dropped = self._dropped, 0
        if dropped:
            log.warning("dropped %d log events: they come in faster than the store takes them", dropped)
        failure: Exception | None = None
        try:
            if batches:
                await asyncio.to_thread(self._write, batches)
        except OperationalError as error:  # a full disk, a database that is away: it may take them later
            log.error("%d batches of log events could not be written: %s", len(batches), error.orig)
            failure = error
            kept = [batch for batch in batches if not batch.told]
            self._pending[:0] = kept
            self._pending_bytes += sum(batch.size for batch in kept)
            if kept:
                self._wake.set()
        except Exception as error:
            log.exception("writing %d batches of log events failed", len(batches))
            failure = error
        if waiting is not None and not waiting.done():
            if failure is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(failure)
        return not isinstance(failure, OperationalError)

    def _write(self, batches: list[Batch]) -> None:
        streams: dict[StreamKey, list[Batch]] = {}
        for batch in batches:
            streams.setdefault((batch.account, batch.region, batch.group, batch.stream), []).append(batch)
        with self._store.write() as session:
            known = self._known_streams(session, streams)
            rows: list[_Row] = []
            changes: list[_Row] = []
            known |= stream_ids(session, [key for key in streams if key not in known])
            for key, parts in streams.items():
                changes.append(_gather(rows, key, known[key], parts))
            connection = session.connection()
            connection.execute(_INSERT, rows)
            connection.execute(_UPDATE, changes)
        self._ids.update(known)

    def _known_streams(self, session: Session, keys: Iterable[StreamKey]) -> dict[StreamKey, int]:
        """The ids of streams written before, as far as those have not been deleted since."""
        asked = [self._ids[key] for key in keys if key in self._ids]
        if len(self._ids) > _MOST_IDS:
            self._ids.clear()
        found: dict[StreamKey, int] = {}
        for at in range(0, len(asked), _IDS_AT_ONCE):
            some = asked[at : at + _IDS_AT_ONCE]
            for row in session.connection().execute(_NAMES, {"ids": some}):
                found[row.account, row.region, row.group, row.stream] = row.id
        return found


def _gather(rows: list[_Row], key: StreamKey, stream_id: int, parts: list[Batch]) -> _Row:
    """Add the events of one stream to the rows to insert; returns what changes in the stream."""
    account, region = key[0], key[1]
    size, first, last = 0, parts[0].events[0][0], 0
    for part in parts:
        ingestion = part.ingestion
        for timestamp, message in part.events:
            size += _OVERHEAD + (len(message) if message.isascii() else len(message.encode()))
            first, last = min(first, timestamp), max(last, timestamp)
            rows.append(
                {
                    "stream_id": stream_id,
                    "account": account,
                    "region": region,
                    "timestamp": timestamp,
                    "ingestion": ingestion,
                    "message": message,
                }
            )
    return {"of": stream_id, "first": first, "last": last, "ingested": parts[-1].ingestion, "size": size}


def _statements() -> tuple[Executable, Executable, Executable]:
    """Made once: making them takes longer than running them."""
    first, last = bindparam("first", type_=BigInteger), bindparam("last", type_=BigInteger)
    columns = LogStream.first_event, LogStream.last_event
    change = (
        update(LogStream.__table__)  # type: ignore[arg-type]  # a Table, which the ORM types as FromClause
        .where(LogStream.id == bindparam("of"))
        .values(
            first_event=case((func.coalesce(columns[0], first) < first, columns[0]), else_=first),
            last_event=case((func.coalesce(columns[1], last) > last, columns[1]), else_=last),
            last_ingestion=bindparam("ingested"),
            stored_bytes=LogStream.stored_bytes + bindparam("size", type_=BigInteger),
        )
    )
    names = (
        select(
            LogStream.id,
            LogStream.account,
            LogStream.region,
            LogGroup.name.label("group"),
            LogStream.name.label("stream"),
        )
        .join(LogGroup, LogGroup.id == LogStream.group_id)
        .where(LogStream.id.in_(bindparam("ids", expanding=True)))
    )
    return insert(LogEvent.__table__), change, names  # type: ignore[arg-type]


_INSERT, _UPDATE, _NAMES = _statements()
