"""Deletes events that are past their group's retention."""

from __future__ import annotations

import asyncio
import logging
import time

from sqlalchemy import delete, select

from undercast.store.store import Store
from undercast.store.tables.logs import LogEvent, LogGroup, LogStream

log = logging.getLogger(__name__)

_EVERY_S = 3600
_AT_ONCE = 10_000  # rows per transaction, so that other writers get their turn
_DAY_MS = 86_400_000


async def sweep_forever(store: Store) -> None:
    """Sweep now and then once an hour, until cancelled."""
    while True:
        try:
            while await asyncio.to_thread(sweep, store) >= _AT_ONCE:
                pass
        except Exception:
            log.exception("sweeping expired log events failed; trying again in an hour")
        await asyncio.sleep(_EVERY_S)


def sweep(store: Store) -> int:
    """Delete up to 10,000 expired events; returns how many there were."""
    now = int(time.time() * 1000)
    deleted = 0
    with store.read() as session:
        groups = session.scalars(select(LogGroup).where(LogGroup.retention_days.is_not(None))).all()
    for group in groups:
        oldest = now - (group.retention_days or 0) * _DAY_MS
        streams = select(LogStream.id).where(LogStream.group_id == group.id)
        expired = (
            select(LogEvent.id)
            .where(LogEvent.stream_id.in_(streams), LogEvent.timestamp < oldest)
            .limit(_AT_ONCE - deleted)
        )
        with store.write() as session:
            deleted += len(
                session.scalars(delete(LogEvent).where(LogEvent.id.in_(expired)).returning(LogEvent.id)).all()
            )
        if deleted >= _AT_ONCE:
            break
    return deleted
