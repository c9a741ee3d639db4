"""Asynchronous invocations: durable, retried, reported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambda_support import Lambda, live_folder
from support import Server, run_server, wait_until

# A function that records what it is given; others have it as their destination.
_SINK = """
import json
def handler(event, context):
    client = context.client_context
    print("RECORD " + json.dumps({"event": event, "custom": client.custom if client else None}))
"""
_FAILING = """
def handler(event, context):
    print("RUN " + context.aws_request_id)
    raise RuntimeError("as always")
"""


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose retries follow after moments instead of minutes."""
    running = run_server(tmp_path_factory.mktemp("hasty") / "data", functions_retry_s="0.3")
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def fn(hasty: Server) -> Lambda:
    return Lambda(hasty.account_factory())


def records(fn: Lambda, sink: str) -> list[Any]:
    """What a sink has been given so far."""
    lines = [line for line in fn.logs(sink) if line.startswith("RECORD ")]
    return [json.loads(line.removeprefix("RECORD ")) for line in lines]


def runs(fn: Lambda, name: str) -> list[str]:
    """The request ids of a function's runs so far."""
    return [line.removeprefix("RUN ") for line in fn.logs(name) if line.startswith("RUN ")]


def one_record(fn: Lambda, sink: str, timeout: float = 15) -> Any:
    """The one record a sink gets."""
    found = wait_until(lambda: records(fn, sink), timeout, "the record")
    assert len(found) == 1
    return found[0]["event"]


def test_success_and_its_destination(fn: Lambda) -> None:
    sink = fn.create(_SINK)
    name = fn.create("def handler(event, context):\n    return {'got': event}\n", Publish=True)
    fn.client.put_function_event_invoke_config(
        FunctionName=name, Qualifier="1", DestinationConfig={"OnSuccess": {"Destination": fn.arn(sink)}}
    )
    fn.send(name, {"no": "destination for $LATEST"})
    request_id = fn.send(name, {"n": 1}, Qualifier="1")
    record = one_record(fn, sink)
    stamp = record.pop("timestamp")
    assert len(stamp) == 24 and stamp.endswith("Z")
    assert record == {
        "version": "1.0",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{fn.arn(name)}:1",
            "condition": "Success",
            "approximateInvokeCount": 1,
        },
        "requestPayload": {"n": 1},
        "responseContext": {"statusCode": 200, "executedVersion": "1"},
        "responsePayload": {"got": {"n": 1}},
    }


def test_failure_is_retried_twice_with_the_same_id(fn: Lambda) -> None:
    sink, dead = fn.create(_SINK), fn.create(_SINK)
    name = fn.create(_FAILING, DeadLetterConfig={"TargetArn": fn.arn(dead)})
    fn.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": fn.arn(sink)}}
    )
    request_id = fn.send(name, {"n": 2})
    record = one_record(fn, sink)
    assert (
        wait_until(lambda: len(runs(fn, name)) == 3 and runs(fn, name), what="three runs") == [request_id] * 3
    )
    assert record["requestContext"] == {
        "requestId": request_id,
        "functionArn": f"{fn.arn(name)}:$LATEST",
        "condition": "RetriesExhausted",
        "approximateInvokeCount": 3,
    }
    assert record["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    assert record["responsePayload"]["errorMessage"] == "as always"
    letter = wait_until(lambda: records(fn, dead), what="the dead letter")[0]
    assert letter["event"] == {"n": 2}
    assert letter["custom"] == {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": "as always"}


def test_no_retries(fn: Lambda) -> None:
    sink, name = fn.create(_SINK), fn.create(_FAILING)
    fn.client.put_function_event_invoke_config(
        FunctionName=name,
        MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": fn.arn(sink)}},
    )
    fn.send(name, {})
    context = one_record(fn, sink)["requestContext"]
    assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", 1)
    assert len(wait_until(lambda: runs(fn, name), what="the run's log")) == 1


def test_no_concurrency_at_all(fn: Lambda) -> None:
    sink, name = fn.create(_SINK), fn.create(_FAILING)
    fn.client.put_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnFailure": {"Destination": fn.arn(sink)}}
    )
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    fn.send(name, {"n": 3})
    record = one_record(fn, sink)
    assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
    assert record["requestContext"]["approximateInvokeCount"] == 0
    assert record["requestPayload"] == {"n": 3}
    assert "responseContext" not in record and "responsePayload" not in record


_HELD = """
import os, time
def handler(event, context):
    print('RUN', event['n'])
    while event['n'] == 'held' and not os.path.exists('/var/task/go'):
        time.sleep(0.01)
"""


def test_events_wait_for_a_slot(fn: Lambda, tmp_path: Path) -> None:
    folder = live_folder(tmp_path, _HELD)
    name = fn.create(Code={"S3Bucket": "hot-reload", "S3Key": str(folder)}, Timeout=60)
    bystander = fn.create("def handler(event, context):\n    print('RUN bystander')\n")
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    fn.send(name, {"n": "held"})
    for n in range(100):
        fn.send(name, {"n": n})
    fn.send(bystander, {})
    wait_until(lambda: runs(fn, bystander), 20, "the bystander, whom a busy function must not hold up")
    assert runs(fn, name) in ([], ["held"])
    (folder / "go").touch()
    wait_until(lambda: len(runs(fn, name)) >= 101, 30, "all the events")
    assert sorted(runs(fn, name)) == sorted(["held", *map(str, range(100))])


def test_events_that_come_at_once_run_once_each(fn: Lambda) -> None:
    name = fn.create("def handler(event, context):\n    print('RUN', context.aws_request_id)\n")
    with ThreadPoolExecutor(16) as senders:
        sent = list(senders.map(lambda n: fn.send(name, {"n": n}), range(100)))
    assert len(set(sent)) == 100
    wait_until(lambda: len(runs(fn, name)) >= 100, 30, "all hundred events")
    assert sorted(runs(fn, name)) == sorted(sent)


def test_a_loop_of_destinations_ends(fn: Lambda) -> None:
    ping, pong = (fn.create("def handler(event, context):\n    print('RUN', 1)\n") for _ in range(2))
    for one, other in ((ping, pong), (pong, ping)):
        fn.client.put_function_event_invoke_config(
            FunctionName=one, DestinationConfig={"OnSuccess": {"Destination": fn.arn(other)}}
        )
    last = fn.create("def handler(event, context):\n    print('RUN', 1)\n")
    fn.send(ping, {})
    wait_until(lambda: len(runs(fn, ping)) >= 17 and len(runs(fn, pong)) >= 16, 30, "sixteen rounds")
    for _ in range(5):  # whoever comes after the loop would have been overtaken by its next rounds
        fn.send(last, {})
    wait_until(lambda: len(runs(fn, last)) == 5, 10, "later events")
    assert (len(runs(fn, ping)), len(runs(fn, pong))) == (17, 16)


def test_a_deleted_function_takes_its_events_along(fn: Lambda) -> None:
    name = fn.create(_FAILING)
    fn.send(name, {})
    wait_until(lambda: runs(fn, name), what="the first run")
    fn.client.delete_function(FunctionName=name)
    other = fn.create("def handler(event, context):\n    print('RUN here')\n")
    fn.send(other, {})
    wait_until(lambda: runs(fn, other), what="later events")


def test_what_was_acknowledged_survives_kill_9(start_server: Callable[..., Server], tmp_path: Path) -> None:
    first = start_server(tmp_path / "data", functions_retry_s="0.3")
    account = first.account_factory()
    fn = Lambda(account)
    folder = live_folder(tmp_path, _HELD)
    name = fn.create(Code={"S3Bucket": "hot-reload", "S3Key": str(folder)}, Timeout=50)
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    fn.send(name, {"n": "held"})  # keeps the others waiting until the server is dead
    for n in range(40):
        fn.send(name, {"n": n})
    first.stop(kill=True)
    (folder / "go").touch()

    again = start_server(tmp_path / "data", functions_retry_s="0.3")
    account.url = again.url
    account._clients.clear()
    fn.client = account.client("lambda")
    wait_until(lambda: len(set(runs(fn, name))) == 41, 30, "the interrupted event and all that waited")
    # The interrupted one may have got as far as the log before: it runs at least once.
    assert sorted(set(runs(fn, name))) == sorted(["held", *map(str, range(40))])
    assert len(runs(fn, name)) <= 42
    fn.client.delete_function_concurrency(FunctionName=name)  # the last of them may have it still
    assert fn.invoke(name, {"n": "sync"}).error is None
