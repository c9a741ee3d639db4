"""What CloudWatch is told about invocations.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html

An invocation leaves a few numbers here, at the cost of a microsecond; every two seconds they are summed up.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from undercast.functions.function import Invocation
from undercast.services.cloudwatch.recorder import Minute
from undercast.services.cloudwatch.statistics import Summary
from undercast.services.lambda_.model import Key

if TYPE_CHECKING:
    from undercast.cloud import Cloud

_NAMESPACE = "AWS/Lambda"
_EVERY_S = 2.0


@dataclass(slots=True)
class _Tally:
    """A function's invocations since the last look, within one minute."""

    minute: int
    errors: int = 0
    throttles: int = 0
    durations: list[float] = field(default_factory=list)  # milliseconds, one of each invocation
    running: list[int] = field(default_factory=list)  # how many were running, at the end of each


class Meter:
    """Counts invocations. Used on the event loop alone."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tallies: dict[Key, _Tally] = {}
        self._timer: asyncio.TimerHandle | None = None

    def ran(self, key: Key, invocation: Invocation, running: int) -> None:
        """An invocation has ended, while `running` of the function were running."""
        tally = self._tally(key)
        tally.durations.append(invocation.duration_ms)
        tally.running.append(running)
        if invocation.function_error:
            tally.errors += 1

    def throttled(self, key: Key) -> None:
        """An invocation was refused for want of concurrency."""
        self._tally(key).throttles += 1

    def flush(self) -> None:
        """Hand everything counted so far to CloudWatch."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        tallies, self._tallies = self._tallies, {}
        for key, tally in tallies.items():
            self._hand_over(key, tally)

    def _tally(self, key: Key) -> _Tally:
        minute = int(time.time() // 60)
        tally = self._tallies.get(key)
        if tally is not None and tally.minute == minute:
            return tally
        if tally is not None:
            self._hand_over(key, tally)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_EVERY_S, self.flush)
        made = self._tallies[key] = _Tally(minute)
        return made

    def _hand_over(self, key: Key, tally: _Tally) -> None:
        account, region, name = key
        count = len(tally.durations)
        summaries: dict[str, Summary] = {}
        if count:
            summaries["Invocations"] = Summary("Count")
            summaries["Invocations"].add(1.0, count)
            summaries["Errors"] = Summary("Count")
            for value, times in ((0.0, count - tally.errors), (1.0, tally.errors)):
                if times:
                    summaries["Errors"].add(value, times)
            summaries["Duration"] = Summary("Milliseconds")
            summaries["ConcurrentExecutions"] = Summary("Count")
            for duration, running in zip(tally.durations, tally.running, strict=True):
                summaries["Duration"].add(round(duration, 2))  # as the log has it
                summaries["ConcurrentExecutions"].add(float(running))
        if tally.throttles:
            summaries["Throttles"] = Summary("Count")
            summaries["Throttles"].add(1.0, tally.throttles)
        for metric, summary in summaries.items():
            for dimensions in ((("FunctionName", name),), ()):
                minute = Minute(account, region, _NAMESPACE, metric, dimensions, tally.minute)
                self._cloud.metrics.merge(minute, summary)
