"""CloudWatch Logs: groups, streams, events, filters and tails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sqlalchemy import delete
from sqlalchemy.orm import Session

from undercast.network import endpoints
from undercast.services.base import Service
from undercast.services.logs.events import EventOperations
from undercast.services.logs.groups import Groups
from undercast.services.logs.live_tail import LiveTail
from undercast.services.logs.retention import sweep_forever
from undercast.services.logs.streams import Streams
from undercast.services.logs.writer import LogWriter
from undercast.store.store import Store
from undercast.store.tables.logs import LogGroup

if TYPE_CHECKING:
    from undercast.cloud import Cloud

__all__ = ["LogWriter", "build"]

# What AWS's tools put before the endpoint's host for StartLiveTail: the model's hostPrefix, older and newer.
_LIVE_TAIL_PREFIXES = ("streaming", "stream")


class LogsService(Service):
    """The service `logs`."""

    def __init__(self, cloud: Cloud, writer: LogWriter) -> None:
        store: Store = cloud.store
        self._cloud = cloud
        self._store = store
        self._writer = writer
        self._sweep: asyncio.Task[None] | None = None
        super().__init__(
            "logs",
            [Groups(store), Streams(store, writer), EventOperations(store, writer), LiveTail(store, writer)],
        )

    async def start(self) -> None:
        await self._writer.start()
        if (target := endpoints.address(self._cloud)) is not None:
            hosts = (urlsplit(self._cloud.url).hostname, "localhost")
            names = {f"{prefix}-{host}": target for prefix in _LIVE_TAIL_PREFIXES for host in hosts}
            await asyncio.to_thread(self._cloud.hosts.add, names)
        self._sweep = asyncio.create_task(sweep_forever(self._store), name="log-retention")

    async def stop(self) -> None:
        if self._sweep is not None:
            self._sweep.cancel()
            await asyncio.gather(self._sweep, return_exceptions=True)
        await self._writer.stop()

    def reset(self, session: Session, account: str) -> None:
        session.execute(delete(LogGroup).where(LogGroup.account == account))


def build(cloud: Cloud) -> Service:
    """The service, and `cloud.logs`."""
    cloud.logs = LogWriter(cloud.store)
    return LogsService(cloud, cloud.logs)
