"""StartLiveTail: events as they come in, once a second."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.logs.filter_pattern import compile_pattern
from undercast.services.logs.find import find_group, group_name
from undercast.services.logs.writer import Batch, LogWriter
from undercast.store.store import Store

_PER_UPDATE = 500  # AWS's most events per second; the rest is sampled away
_LONGEST_S = 3 * 3600


class LiveTail:
    """https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_StartLiveTail.html"""

    def __init__(self, store: Store, writer: LogWriter) -> None:
        self._store = store
        self._writer = writer

    async def start_live_tail(self, call: Call, params: Params) -> Result:
        identifiers = params["logGroupIdentifiers"]
        if ("logStreamNames" in params or "logStreamNamePrefixes" in params) and len(identifiers) > 1:
            raise AwsError(
                "InvalidParameterException",
                "Log streams can only be specified when exactly one log group is specified.",
            )
        await asyncio.to_thread(self._check, call, identifiers)
        return {"responseStream": self._session(call, params)}

    def _check(self, call: Call, identifiers: list[str]) -> None:
        with self._store.read() as session:
            for identifier in identifiers:
                find_group(session, call, {"logGroupIdentifier": identifier})

    async def _session(self, call: Call, params: Params) -> AsyncIterator[Result]:
        groups = {group_name(identifier): identifier for identifier in params["logGroupIdentifiers"]}
        names, prefixes = params.get("logStreamNames"), tuple(params.get("logStreamNamePrefixes", ()))
        matches = compile_pattern(params.get("logEventFilterPattern"))
        gathered: list[Result] = []
        sampled = False

        def take(batch: Batch) -> None:
            nonlocal sampled
            if (batch.account, batch.region) != (call.account, call.region) or batch.group not in groups:
                return
            if (names and batch.stream not in names) or (prefixes and not batch.stream.startswith(prefixes)):
                return
            for timestamp, message in batch.events:
                if len(gathered) >= _PER_UPDATE:
                    sampled = True
                    return
                if matches(message):
                    gathered.append(_event(call, batch, timestamp, message))

        stop = self._writer.listen(take)
        try:
            request = {
                "logGroupIdentifiers": list(groups.values()),
                "logStreamNames": names or [],
                "logStreamNamePrefixes": list(prefixes),
                "logEventFilterPattern": params.get("logEventFilterPattern", ""),
            }
            yield {"sessionStart": {"requestId": call.request_id, "sessionId": str(uuid.uuid4()), **request}}
            ends = time.monotonic() + _LONGEST_S
            while time.monotonic() < ends:
                await asyncio.sleep(1)
                results, was_sampled = gathered[:], sampled
                gathered.clear()
                sampled = False
                yield {
                    "sessionUpdate": {"sessionMetadata": {"sampled": was_sampled}, "sessionResults": results}
                }
        finally:
            stop()


def _event(call: Call, batch: Batch, timestamp: int, message: str) -> Result:
    return {
        "logStreamName": batch.stream,
        "logGroupIdentifier": f"{call.account}:{batch.group}",
        "message": message,
        "timestamp": timestamp,
        "ingestionTime": batch.ingestion,
    }
