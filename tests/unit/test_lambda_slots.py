"""Concurrency is counted exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from undercast.functions.function import FunctionSpec
from undercast.services.base import AwsError
from undercast.services.lambda_.model import Alias, Function, Key, Version
from undercast.services.lambda_.slots import POOL, RESERVED, Slots


def function(name: str, account: str = "1", **changes: Any) -> Function:
    spec = FunctionSpec("k", "a", account, "r", name, "1", "python3.12", "h", Path("/x"))
    version = Version("1", "k", {}, "rev", 0.0, "", 0, 0, None, "Active", None, None, spec)
    facts: dict[str, Any] = {
        "account": account,
        "region": "r",
        "name": name,
        "created": 0.0,
        "next_version": 2,
        "published_key": "",
        "reserved": None,
        "recursive_loop": "Terminate",
        "tags": {},
        "versions": {"$LATEST": version, "1": version, "2": version},
        "aliases": {"live": Alias("live", "1", "", {}, "rev")},
        "policies": {},
        "event_invoke": {},
        "urls": {},
        "provisioned": {},
        "runtime_management": {},
    }
    return Function(**(facts | changes))


def slots(limit: int, *functions: Function) -> Slots:
    known: dict[Key, Function] = {f.key: f for f in functions}
    made = Slots(limit, known)
    made.refresh()
    return made


def reason(made: Slots, f: Function, version: str = "$LATEST") -> str:
    with pytest.raises(AwsError) as caught:
        made.take(f, version)
    error = caught.value
    assert (error.code, error.message, error.status) == ("TooManyRequestsException", "Rate Exceeded.", 429)
    return str(error.members["Reason"])


def test_the_pool_is_shared_and_slots_come_back() -> None:
    a, b, elsewhere = function("a"), function("b"), function("a", account="2")
    made = slots(3, a, b, elsewhere)
    taken = [made.take(a, "$LATEST"), made.take(a, "1"), made.take(b, "$LATEST")]
    assert reason(made, a) == reason(made, b) == POOL
    made.take(elsewhere, "$LATEST")  # another account has its own
    assert (made.running(a.key), made.running_on(a.key, "1")) == (2, 1)
    freed: list[Key] = []
    made.released = freed.append
    made.release(taken[0])
    assert freed == [a.key]
    assert made.free(b, "$LATEST")
    made.take(b, "$LATEST")
    assert not made.free(a, "$LATEST")


def test_a_reservation_limits_and_guarantees() -> None:
    a, b = function("a", reserved=2), function("b")
    made = slots(5, a, b)
    slots_b = [made.take(b, "$LATEST") for _ in range(3)]
    assert reason(made, b) == POOL  # 5 less the 2 that are a's
    made.take(a, "$LATEST")
    made.take(a, "1")
    assert reason(made, a) == RESERVED
    made.release(slots_b[0])
    assert reason(made, a) == RESERVED  # the pool is not for it


def test_a_reservation_of_zero_stops_a_function() -> None:
    a = function("a", reserved=0)
    assert reason(slots(5, a), a) == RESERVED


def test_provisioned_concurrency_spills_over_into_the_pool() -> None:
    ready = {"live": {"requested": 2, "status": "READY"}}
    a, b = function("a", provisioned=ready), function("b")
    made = slots(4, a, b)
    first = [made.take(a, "1"), made.take(a, "1")]
    assert [slot.share for slot in first] == ["provisioned", "provisioned"]
    assert made.take(a, "1").share == "pool"
    assert made.take(a, "$LATEST").share == "pool"
    assert reason(made, a, "1") == reason(made, b) == POOL
    made.release(first[0])
    assert made.take(a, "1").share == "provisioned"
    assert reason(made, b) == POOL


def test_environments_that_are_not_ready_serve_nobody_but_are_held() -> None:
    a = function("a", provisioned={"1": {"requested": 2, "status": "IN_PROGRESS"}})
    made = slots(3, a)
    assert made.take(a, "1").share == "pool"
    assert reason(made, a, "1") == POOL
