"""What CloudWatch is told about invocations.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
"""

from __future__ import annotations

from undercast.functions.function import Invocation
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.model import Key

_NAMESPACE = "AWS/Lambda"


def ran(core: Core, key: Key, invocation: Invocation) -> None:
    """An invocation has ended."""
    _add(
        core,
        key,
        [
            ("Invocations", 1.0, "Count"),
            ("Errors", 1.0 if invocation.function_error else 0.0, "Count"),
            ("Duration", invocation.duration_ms, "Milliseconds"),
            ("ConcurrentExecutions", float(core.slots.running(key)), "Count"),
        ],
    )


def throttled(core: Core, key: Key) -> None:
    """An invocation was refused for want of concurrency."""
    _add(core, key, [("Throttles", 1.0, "Count")])


def _add(core: Core, key: Key, values: list[tuple[str, float, str]]) -> None:
    account, region, name = key
    for dimensions in ((("FunctionName", name),), ()):
        core.cloud.metrics.add_many(account, region, _NAMESPACE, dimensions, values)
