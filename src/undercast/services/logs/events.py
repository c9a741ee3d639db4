"""Log events: put, get in order, filter across streams."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.logs.filter_pattern import Predicate, compile_pattern
from undercast.services.logs.find import bad_token, find_group, find_stream
from undercast.services.logs.writer import LogWriter
from undercast.services.pagination import BadToken, decode, encode
from undercast.store.store import Store
from undercast.store.tables.logs import LogEvent, LogGroup, LogStream

_DAY_MS = 86_400_000
_OLDEST_MS, _NEWEST_MS = 14 * _DAY_MS, 2 * 3_600_000
_BATCH_BYTES, _OVERHEAD = 1_048_576, 26
_PAGE_EVENTS, _PAGE_BYTES = 10_000, 1 << 20
_SCANNED = 5_000  # events read from the store at a time while filtering


class EventOperations:
    """The operations on log events.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
    """

    def __init__(self, store: Store, writer: LogWriter) -> None:
        self._store = store
        self._writer = writer

    async def put_log_events(self, call: Call, params: Params) -> Result:
        events: list[tuple[int, str]] = [(one["timestamp"], one["message"]) for one in params["logEvents"]]
        _check_batch(events)
        retention_days = await asyncio.to_thread(self._retention_of_stream, call, params)
        accepted, rejected = _accepted(events, retention_days)
        await self._writer.put(
            call.account, call.region, params["logGroupName"], params["logStreamName"], accepted
        )
        result: Result = {"nextSequenceToken": f"{time.time_ns():056d}"}
        if rejected:
            result["rejectedLogEventsInfo"] = rejected
        return result

    def _retention_of_stream(self, call: Call, params: Params) -> int | None:
        with self._store.read() as session:
            group = find_group(session, call, params)
            find_stream(session, group, params["logStreamName"])
            return group.retention_days

    async def get_log_events(self, call: Call, params: Params) -> Result:
        await self._writer.settle()
        return await asyncio.to_thread(self._get, call, params)

    async def filter_log_events(self, call: Call, params: Params) -> Result:
        if "logStreamNames" in params and "logStreamNamePrefix" in params:
            raise AwsError(
                "InvalidParameterException",
                "logStreamNames and logStreamNamePrefix are mutually exclusive parameters.",
            )
        matches = compile_pattern(params.get("filterPattern"))
        await self._writer.settle()
        return await asyncio.to_thread(self._filter, call, params, matches)

    def _get(self, call: Call, params: Params) -> Result:
        token = params.get("nextToken")
        limit = params.get("limit", _PAGE_EVENTS)
        forward, position = _position(token)
        if token is None:
            forward = params.get("startFromHead", False)
        order = tuple_(LogEvent.timestamp, LogEvent.id)
        with self._store.read() as session:
            group = find_group(session, call, params)
            stream = find_stream(session, group, params["logStreamName"])
            query = select(LogEvent).where(LogEvent.stream_id == stream.id, *_between(group, params))
            if position is not None:
                query = query.where(order > position if forward else order < position)
            ordered = (
                (LogEvent.timestamp, LogEvent.id)
                if forward
                else (LogEvent.timestamp.desc(), LogEvent.id.desc())
            )
            found = list(session.scalars(query.order_by(*ordered).limit(limit)))
        found = _fitting(found)
        if not forward:
            found.reverse()
        after = (found[-1].timestamp, found[-1].id) if found else position or (call_ms(call), 0)
        before = (found[0].timestamp, found[0].id) if found else position or after
        return {
            "events": [
                {"timestamp": one.timestamp, "message": one.message, "ingestionTime": one.ingestion}
                for one in found
            ],
            "nextForwardToken": f"f/{_digits(after)}/s",
            "nextBackwardToken": f"b/{_digits(before)}/s",
        }

    def _filter(self, call: Call, params: Params, matches: Predicate) -> Result:
        limit = params.get("limit", _PAGE_EVENTS)
        after = _after(params.get("nextToken"))
        found: list[Result] = []
        with self._store.read() as session:
            group = find_group(session, call, params)
            streams = _streams(session, group, params)
            conditions = [LogEvent.stream_id.in_(streams), *_between(group, params)]
            order = tuple_(LogEvent.timestamp, LogEvent.id)
            while len(found) < limit:
                query = select(LogEvent).where(*conditions)
                if after is not None:
                    query = query.where(order > after)
                scanned = session.scalars(
                    query.order_by(LogEvent.timestamp, LogEvent.id).limit(_SCANNED)
                ).all()
                for event in scanned:
                    after = (event.timestamp, event.id)
                    if matches(event.message):
                        found.append(_filtered(event, streams[event.stream_id]))
                        if len(found) == limit:
                            break
                else:
                    if len(scanned) < _SCANNED:
                        return {"events": found, "searchedLogStreams": []}
        return {"events": found, "searchedLogStreams": [], "nextToken": encode(_digits(after or (0, 0)))}


def call_ms(call: Call) -> int:
    """The time of a call in Unix ms."""
    return int(call.now.timestamp() * 1000)


def _check_batch(events: list[tuple[int, str]]) -> None:
    if sum(len(message.encode()) + _OVERHEAD for _, message in events) > _BATCH_BYTES:
        raise AwsError("InvalidParameterException", f"Upload too large: exceeds limit of {_BATCH_BYTES}")
    times = [timestamp for timestamp, _ in events]
    if times != sorted(times):
        raise AwsError(
            "InvalidParameterException",
            "Log events in a single PutLogEvents request must be in chronological order.",
        )
    if times[-1] - times[0] > _DAY_MS:
        raise AwsError(
            "InvalidParameterException",
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.",
        )


def _accepted(
    events: list[tuple[int, str]], retention_days: int | None
) -> tuple[list[tuple[int, str]], Result]:
    """The events young enough to be taken, and AWS's account of the others (indexes into the request)."""
    now = int(time.time() * 1000)
    expired = sum(retention_days is not None and at < now - retention_days * _DAY_MS for at, _ in events)
    too_old = sum(at < now - _OLDEST_MS for at, _ in events)
    new_from = next((index for index, (at, _) in enumerate(events) if at > now + _NEWEST_MS), len(events))
    rejected: Result = {}
    if too_old:
        rejected["tooOldLogEventEndIndex"] = too_old
    if new_from < len(events):
        rejected["tooNewLogEventStartIndex"] = new_from
    if expired > too_old:
        rejected["expiredLogEventEndIndex"] = expired
    return events[max(too_old, expired) : new_from], rejected


def _between(group: LogGroup, params: Params) -> list[Any]:
    conditions: list[Any] = []
    start = params.get("startTime", 0)
    if group.retention_days is not None:
        # What is past its time is not shown, even where the sweep has not come by yet.
        start = max(start, int(time.time() * 1000) - group.retention_days * _DAY_MS)
    if start:
        conditions.append(LogEvent.timestamp >= start)
    if (end := params.get("endTime")) is not None:
        conditions.append(LogEvent.timestamp < end)
    return conditions


def _streams(session: Session, group: LogGroup, params: Params) -> dict[int, str]:
    rows = session.execute(
        select(LogStream.id, LogStream.name).where(LogStream.group_id == group.id)
    ).tuples()
    names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix", "")
    if names is not None:
        found = {id: name for id, name in rows if name in names}
        if len(found) < len(set(names)):
            raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
        return found
    return {id: name for id, name in rows if name.startswith(prefix)}


def _filtered(event: LogEvent, stream: str) -> Result:
    return {
        "logStreamName": stream,
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingestion,
        "eventId": _digits((event.timestamp, event.id)),
    }


def _fitting(events: Sequence[LogEvent]) -> list[LogEvent]:
    """As many events as fit into one answer, at least one."""
    size = 0
    fitting: list[LogEvent] = []
    for event in events:
        size += len(event.message) + _OVERHEAD
        if fitting and size > _PAGE_BYTES:
            break
        fitting.append(event)
    return fitting


def _digits(position: tuple[int, int]) -> str:
    """A place in a stream as the 56 digits AWS's tokens and event ids have."""
    return f"{position[0]:020d}{position[1]:036d}"


def _place(digits: str) -> tuple[int, int]:
    return int(digits[:20]), int(digits[20:])


def _position(token: str | None) -> tuple[bool, tuple[int, int] | None]:
    if token is None:
        return True, None
    found = re.fullmatch(r"([fb])/(\d{56})/s", token)
    if found is None:
        raise bad_token()
    return found[1] == "f", _place(found[2])


def _after(token: str | None) -> tuple[int, int] | None:
    if token is None:
        return None
    try:
        digits = decode(token)
    except BadToken as error:
        raise bad_token() from error
    if re.fullmatch(r"\d{56}", digits) is None:
        raise bad_token()
    return _place(digits)
