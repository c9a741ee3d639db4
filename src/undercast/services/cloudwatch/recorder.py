"""Takes metric values at memory speed, sums them up per minute, and writes the minutes to the store."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Collection, Iterable
from typing import NamedTuple

import orjson
from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from undercast.services.cloudwatch.statistics import Summary
from undercast.store.store import Store
from undercast.store.tables.metrics import MetricMinute

log = logging.getLogger(__name__)

Dimensions = tuple[tuple[str, str], ...]
_Columns = tuple[str, str, str, str, str, int]  # the primary key of a row

_EVERY_S = 10.0
_KEPT_MINUTES = 15 * 24 * 60  # as CloudWatch keeps minutes
_AT_ONCE = 500  # dimensions in a statement


class Minute(NamedTuple):
    """One metric in one minute."""

    account: str
    region: str
    namespace: str
    name: str
    dimensions: Dimensions
    minute: int


class MetricRecorder:
    """The way into the metrics, from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._pending: dict[Minute, Summary] = {}
        self._task: asyncio.Task[None] | None = None

    def add(
        self,
        account: str,
        region: str,
        namespace: str,
        name: str,
        dimensions: Dimensions,
        value: float,
        unit: str = "None",
    ) -> None:
        """Take one value of one metric, now."""
        self.add_many(account, region, namespace, dimensions, [(name, value, unit)])

    def add_many(
        self,
        account: str,
        region: str,
        namespace: str,
        dimensions: Dimensions,
        values: Iterable[tuple[str, float, str]],
    ) -> None:
        """Take values of several metrics with the same dimensions, now."""
        minute = int(time.time() // 60)
        with self._lock:
            for name, value, unit in values:
                self._summary(Minute(account, region, namespace, name, dimensions, minute), unit).add(value)

    def merge(self, key: Minute, summary: Summary) -> None:
        """Take what somebody summed up already."""
        with self._lock:
            self._summary(key, summary.unit).merge(summary)

    def _summary(self, key: Minute, unit: str) -> Summary:
        summary = self._pending.get(key)
        if summary is None:
            summary = self._pending[key] = Summary(unit)
        return summary

    async def start(self) -> None:
        """Begin writing."""
        self._task = asyncio.create_task(self._run(), name="metrics")

    async def stop(self) -> None:
        """Write what is left and end."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self.flush)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            try:
                await asyncio.to_thread(self.flush)
                await asyncio.to_thread(self._sweep)
            except Exception:
                log.exception("writing metrics failed; trying again")

    def flush(self) -> None:
        """Write everything taken so far. Blocks on the store."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        try:
            with self._store.write() as session:
                columns_of = {key: (*key[:4], canonical(key.dimensions), key.minute) for key in pending}
                rows = _rows(session, columns_of.values())
                for key, summary in pending.items():
                    columns = columns_of[key]
                    row = rows.get(columns)
                    if row is None:
                        rows[columns] = _row(columns, summary)
                        session.add(rows[columns])
                        continue
                    total = summary_of(row)
                    total.merge(summary)
                    _fill(row, total)
        except Exception:
            for key, summary in pending.items():
                self.merge(key, summary)
            raise

    def _sweep(self) -> None:
        oldest = int(time.time() // 60) - _KEPT_MINUTES
        with self._store.write() as session:
            session.execute(delete(MetricMinute).where(MetricMinute.minute < oldest))


def canonical(dimensions: Iterable[tuple[str, str]]) -> str:
    """Dimensions as the text they are stored under: sorted, compact."""
    return orjson.dumps(sorted(dimensions)).decode()


def summary_of(row: MetricMinute) -> Summary:
    """The summary in a row."""
    return Summary(row.unit, row.count, row.sum, row.minimum, row.maximum, dict(row.histogram))


def _rows(session: Session, wanted: Collection[_Columns]) -> dict[_Columns, MetricMinute]:
    """What the store has of these minutes already, asked for with few statements."""
    minutes = {columns[5] for columns in wanted}
    dimensions = sorted({columns[4] for columns in wanted})
    found: dict[_Columns, MetricMinute] = {}
    for at in range(0, len(dimensions), _AT_ONCE):
        some = dimensions[at : at + _AT_ONCE]
        query = select(MetricMinute).where(
            MetricMinute.minute.in_(minutes), MetricMinute.dimensions.in_(some)
        )
        for row in session.scalars(query):
            found[row.account, row.region, row.namespace, row.name, row.dimensions, row.minute] = row
    return found


def _row(columns: _Columns, summary: Summary) -> MetricMinute:
    account, region, namespace, name, dimensions, minute = columns
    row = MetricMinute(
        account=account, region=region, namespace=namespace, name=name, dimensions=dimensions, minute=minute
    )
    row.unit = summary.unit
    _fill(row, summary)
    return row


def _fill(row: MetricMinute, summary: Summary) -> None:
    row.count, row.sum = summary.count, summary.sum
    row.minimum, row.maximum = summary.minimum, summary.maximum
    row.histogram = dict(summary.histogram)
