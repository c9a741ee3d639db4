"""Log streams."""

from __future__ import annotations

import time

from sqlalchemy import select

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.logs.find import find_group, find_stream, paged
from undercast.services.logs.writer import LogWriter
from undercast.store.store import Store
from undercast.store.tables.logs import LogStream

_LATEST = 10**15  # later than every time in ms: turns a descending order into an ascending key


class Streams:
    """The operations on log streams.

    https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_LogStream.html
    """

    def __init__(self, store: Store, writer: LogWriter) -> None:
        self._store = store
        self._writer = writer

    def create_log_stream(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = find_group(session, call, params)
            name = params["logStreamName"]
            taken = select(LogStream.id).where(LogStream.group_id == group.id, LogStream.name == name)
            if session.scalar(taken) is not None:
                raise AwsError("ResourceAlreadyExistsException", "The specified log stream already exists")
            session.add(
                LogStream(
                    group_id=group.id,
                    account=call.account,
                    region=call.region,
                    name=name,
                    created=int(time.time() * 1000),
                )
            )
        return {}

    def delete_log_stream(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            session.delete(find_stream(session, find_group(session, call, params), params["logStreamName"]))
        return {}

    def describe_log_streams(self, call: Call, params: Params) -> Result:
        by_time = params.get("orderBy", "LogStreamName") == "LastEventTime"
        prefix = params.get("logStreamNamePrefix")
        if by_time and prefix is not None:
            raise AwsError(
                "InvalidParameterException", "Cannot order by LastEventTime with a logStreamNamePrefix."
            )
        with self._store.read() as session:
            group = find_group(session, call, params)
            rows = session.scalars(select(LogStream).where(LogStream.group_id == group.id)).all()
            arn = f"arn:aws:logs:{call.region}:{call.account}:log-group:{group.name}:log-stream:"
        descending = params.get("descending", False)
        keyed = [(_key(row, by_time, descending), row) for row in rows if row.name.startswith(prefix or "")]
        keyed.sort(key=lambda pair: pair[0])
        streams = [{**_described(row, arn), "_key": key} for key, row in keyed]
        result = paged(streams, lambda stream: str(stream["_key"]), params, "logStreams", 50)
        for stream in result["logStreams"]:
            del stream["_key"]
        return result


def _key(row: LogStream, by_time: bool, descending: bool) -> str:
    """A text that sorts ascending in the order asked for."""
    name = (
        "".join(chr(0x10FFFF - ord(letter)) for letter in row.name) + "\U0010ffff" if descending else row.name
    )
    if not by_time:
        return name
    last = row.last_event or 0
    return f"{_LATEST - last if descending else last:016d}{name}"


def _described(row: LogStream, arn: str) -> Result:
    result: Result = {
        "logStreamName": row.name,
        "creationTime": row.created,
        "arn": arn + row.name,
        "storedBytes": 0,  # AWS reports 0 for every stream since 2019
    }
    if row.last_event is not None:
        result["firstEventTimestamp"] = row.first_event
        result["lastEventTimestamp"] = row.last_event
        result["lastIngestionTime"] = row.last_ingestion
        result["uploadSequenceToken"] = f"{row.id:056d}"
    return result
