"""Invoking: every kind of answer, with AWS's words for what goes wrong."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from lambda_support import Invoked, Lambda, live_folder, refused
from support import Account, wait_until


@pytest.fixture
def fn(account: Account) -> Lambda:
    return Lambda(account)


_MANY = """
import json, os, sys, time
count = 0

def handler(event, context):
    global count
    count += 1
    kind = event.get("do") if isinstance(event, dict) else None
    if kind == "nothing":
        return None
    if kind == "raise":
        raise ValueError("it broke")
    if kind == "exit":
        sys.exit(0)
    if kind == "exit-3":
        os._exit(3)
    if kind == "sleep":
        time.sleep(event["s"])
    if kind == "big":
        return "x" * event["size"]
    if kind == "print":
        print("a line", flush=True)
    if kind == "touch":
        open("/tmp/mark", "w").close()
    if kind == "context":
        client = context.client_context
        return {
            "name": context.function_name,
            "version": context.function_version,
            "arn": context.invoked_function_arn,
            "memory": context.memory_limit_in_mb,
            "group": context.log_group_name,
            "id": context.aws_request_id,
            "left": context.get_remaining_time_in_millis(),
            "custom": client.custom if client else None,
            "env": client.env if client else None,
            "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        }
    return {"count": count, "mark": os.path.exists("/tmp/mark"), "event": event}
"""


def test_every_answer(fn: Lambda) -> None:
    client, name = fn.client, fn.create(_MANY, Timeout=1)

    plain = fn.invoke(name, {"do": "nothing"}, LogType="Tail")
    assert (plain.status, plain.payload, plain.error, plain.version) == (200, b"null", None, "$LATEST")
    lines = plain.log.splitlines()
    assert lines[0].startswith("INIT_START Runtime Version: python:")
    assert lines[1] == f"START RequestId: {plain.request_id} Version: $LATEST"
    assert lines[2] == f"END RequestId: {plain.request_id}"
    report = (
        rf"REPORT RequestId: {plain.request_id}\tDuration: [\d.]+ ms\tBilled Duration: \d+ ms\t"
        r"Memory Size: 128 MB\tMax Memory Used: \d+ MB\tInit Duration: [\d.]+ ms\t?"
    )
    assert re.fullmatch(report, lines[3])
    warm = fn.invoke(name, {"do": "print"}, LogType="Tail")
    assert "Init Duration" not in warm.log and "INIT_START" not in warm.log and "a line\n" in warm.log
    assert warm.result["count"] == 2
    assert fn.invoke(name).result["event"] == {}  # no payload is an empty event

    dry = client.invoke(FunctionName=name, InvocationType="DryRun")
    assert (dry["StatusCode"], dry["Payload"].read(), "ExecutedVersion" in dry) == (204, b"", False)

    raised = fn.invoke(name, {"do": "raise"}, LogType="Tail")
    assert (raised.status, raised.error) == (200, "Unhandled")
    trace = raised.result["stackTrace"]
    assert raised.result["errorMessage"] == "it broke"
    assert raised.result["errorType"] == "ValueError"
    assert raised.result["requestId"] == raised.request_id
    assert trace[0].startswith('  File "/var/task/index.py", line ')
    assert (
        "[ERROR] ValueError: it broke\nTraceback (most recent call last):\n\xa0\xa0File"
        in raised.log.replace("\r", "\n")
    )

    fn.invoke(name, {"do": "touch"})
    assert fn.invoke(name, {}).result["mark"]
    slow = fn.invoke(name, {"do": "sleep", "s": 5})
    assert (slow.status, slow.error) == (200, "Unhandled")
    assert slow.result == {
        "errorType": "Sandbox.Timedout",
        "errorMessage": f"RequestId: {slow.request_id} Error: Task timed out after 1.00 seconds",
    }
    recycled = fn.invoke(name, {}).result
    assert (recycled["count"], recycled["mark"]) == (1, False)

    exited = fn.invoke(name, {"do": "exit"})
    assert exited.error == "Unhandled"
    assert exited.result == {
        "errorType": "Runtime.ExitError",
        "errorMessage": f"RequestId: {exited.request_id} Error: Runtime exited without providing a reason",
    }
    exited = fn.invoke(name, {"do": "exit-3"})
    assert exited.result["errorType"] == "Runtime.ExitError"
    assert exited.result["errorMessage"] == (
        f"RequestId: {exited.request_id} Error: Runtime exited with error: exit status 3"
    )

    big = fn.invoke(name, {"do": "big", "size": 6 * 1024 * 1024 - 10})
    assert len(big.payload) == 6 * 1024 * 1024 - 8
    too_big = fn.invoke(name, {"do": "big", "size": 6 * 1024 * 1024 + 200})
    assert too_big.error == "Unhandled"
    assert too_big.result["errorType"] == "Function.ResponseSizeTooLarge"
    assert too_big.result["errorMessage"] == (
        "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    )
    fn.send(name, {})  # last: it may run beside what comes after it


def test_context(fn: Lambda) -> None:
    name = fn.create(_MANY, Timeout=5, MemorySize=256)
    client = {"custom": {"a": "b"}, "env": {"c": "d"}, "client": {"app_title": "t"}}
    answer = fn.invoke(
        name, {"do": "context"}, ClientContext=base64.b64encode(json.dumps(client).encode()).decode()
    )
    left, trace = answer.result["left"], answer.result["trace"]
    assert 3000 < left <= 5000 and re.match(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16}", trace)
    shown = {key: value for key, value in answer.result.items() if key not in ("left", "trace")}
    assert shown == {
        "name": name,
        "version": "$LATEST",
        "arn": fn.arn(name),
        "memory": "256",
        "group": f"/aws/lambda/{name}",
        "id": answer.request_id,
        "custom": {"a": "b"},
        "env": {"c": "d"},
    }
    qualified = fn.invoke(name, {"do": "context"}, Qualifier="$LATEST").result
    assert qualified["arn"] == f"{fn.arn(name)}:$LATEST"
    for bad in ("not base64!", base64.b64encode(b"no json").decode()):
        wrong = refused(fn.client.invoke, FunctionName=name, ClientContext=bad)
        assert (wrong.code, wrong.status) == ("InvalidRequestContentException", 400)


def test_refusals(fn: Lambda) -> None:
    client, name = fn.client, fn.create()
    missing = refused(client.invoke, FunctionName="absent")
    assert (missing.code, missing.status) == ("ResourceNotFoundException", 404)
    assert missing.message == f"Function not found: {fn.arn('absent')}:$LATEST"
    for payload, detail in (
        (b"{bad", "Unexpected character"),
        (b'{"a": ', "Unexpected end-of-input"),
        (b"\x8a", "Invalid UTF-8 start byte 0x8a"),
    ):
        for kind in ("RequestResponse", "Event"):
            answer = refused(client.invoke, FunctionName=name, Payload=payload, InvocationType=kind)
            assert (answer.code, answer.status) == ("InvalidRequestContentException", 400)
            assert answer.message.startswith(
                "Could not parse request body into json: Could not parse payload into json: " + detail
            )
    for kind, limit in (("RequestResponse", 6 * 1024 * 1024), ("Event", 1024 * 1024)):
        payload = b'"' + b"x" * (limit - 1) + b'"'
        large = refused(client.invoke, FunctionName=name, InvocationType=kind, Payload=payload)
        assert (large.code, large.status) == ("RequestTooLargeException", 413)
        assert large.message == f"Request must be smaller than {limit} bytes for the InvokeFunction operation"
    whole = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    assert client.invoke(FunctionName=name, Payload=whole)["Payload"].read() == whole


def test_code_that_cannot_be_loaded(fn: Lambda) -> None:
    broken = fn.create("import nothing_of_the_kind\n")
    answer = fn.invoke(broken, {})
    assert answer.error == "Unhandled"
    assert answer.result["errorType"] == "Runtime.ImportModuleError"
    assert answer.result["errorMessage"] == (
        "Unable to import module 'index': No module named 'nothing_of_the_kind'"
    )
    raising = fn.invoke(fn.create("raise RuntimeError('at import')\n"), {})
    assert raising.result["errorType"] == "RuntimeError"
    assert raising.result["requestId"] == ""
    handler = fn.invoke(fn.create(Handler="index.other"), {})
    assert handler.result["errorType"] == "Runtime.HandlerNotFound"
    fn.update(broken, "def handler(event, context):\n    return 'mended'\n")
    assert fn.invoke(broken, {}).result == "mended"


def test_reserved_concurrency_is_exact(fn: Lambda, tmp_path: Path) -> None:
    # Whoever is served stays until all the others have been refused.
    held = (
        "import os, time\ndef handler(event, context):\n"
        "    while not os.path.exists('/var/task/go'):\n        time.sleep(0.01)\n"
    )
    folder = live_folder(tmp_path, held)
    name = fn.create(Code={"S3Bucket": "hot-reload", "S3Key": str(folder)}, Timeout=40)
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    barrier = threading.Barrier(6)

    def invoke(_: int) -> Any:
        barrier.wait(10)
        try:
            return fn.invoke(name, {})
        except fn.client.exceptions.TooManyRequestsException as error:
            return error.response

    with ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(invoke, n) for n in range(6)]
        try:
            wait_until(lambda: sum(one.done() for one in asked) >= 4, 30, "four refusals")
        finally:
            (folder / "go").touch()
        answers = [one.result() for one in asked]
    served = [answer for answer in answers if isinstance(answer, Invoked)]
    throttled = [answer for answer in answers if isinstance(answer, dict)]
    assert (len(served), len(throttled)) == (2, 4)
    assert all(answer.error is None for answer in served)
    for answer in throttled:
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert answer["Error"]["Message"] == "Rate Exceeded."
        assert answer["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"
        assert answer["Type"] == "User"
    assert fn.invoke(name, {}).status == 200

    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    assert refused(fn.client.invoke, FunctionName=name).status == 429
    fn.send(name, {})


def test_response_streaming(fn: Lambda) -> None:
    name = fn.create(_MANY)
    answer = fn.client.invoke_with_response_stream(
        FunctionName=name, Payload=json.dumps({"do": "big", "size": 300_000}), LogType="Tail"
    )
    assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
    events = list(answer["EventStream"])
    body = b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
    assert body == json.dumps("x" * 300_000).encode()
    assert list(events[-1]) == ["InvokeComplete"]
    assert "REPORT RequestId" in base64.b64decode(events[-1]["InvokeComplete"]["LogResult"]).decode()
    failed = fn.client.invoke_with_response_stream(FunctionName=name, Payload=b'{"do": "raise"}')
    end = list(failed["EventStream"])[-1]["InvokeComplete"]
    assert end["ErrorCode"] == "Unhandled"
    assert "it broke" in end["ErrorDetails"]
    assert refused(fn.client.invoke_with_response_stream, FunctionName="absent").status == 404
    dry = fn.client.invoke_with_response_stream(FunctionName=name, InvocationType="DryRun")
    assert (dry["StatusCode"], list(dry["EventStream"])) == (204, [])


def test_logs_and_own_calls(fn: Lambda) -> None:
    code = (
        "import boto3\n"
        "def handler(event, context):\n"
        "    print('hello from inside')\n"
        "    return boto3.client('sts').get_caller_identity()['Arn']\n"
    )
    name = fn.create(code, Timeout=20, MemorySize=512)
    answer = fn.invoke(name)
    assert answer.error is None, answer.payload
    assert answer.result == f"arn:aws:sts::{fn.account.account}:assumed-role/function/{name}"
    lines = wait_until(
        lambda: (found := fn.logs(name)) and any("REPORT" in line for line in found) and found,
        10,
        "the function's log",
    )
    assert "hello from inside" in lines
    assert f"START RequestId: {answer.request_id} Version: $LATEST" in lines


def test_the_old_asynchronous_operation(fn: Lambda) -> None:
    name = fn.create("def handler(event, context):\n    print('got', event)\n")
    answer = fn.client.invoke_async(FunctionName=name, InvokeArgs=b'{"n": 1}')
    assert answer["Status"] == 202
    wait_until(lambda: any("got {'n': 1}" in line for line in fn.logs(name)), 10, "the event's run")


def test_metrics(fn: Lambda) -> None:
    name = fn.create(_MANY)
    for event in ({}, {}, {"do": "raise"}):
        fn.invoke(name, event)
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    refused(fn.client.invoke, FunctionName=name)
    cloudwatch = fn.account.client("cloudwatch")
    now = dt.datetime.now(dt.UTC)

    def total(metric: str) -> float:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName=metric,
            Dimensions=[{"Name": "FunctionName", "Value": name}],
            StartTime=now - dt.timedelta(minutes=5),
            EndTime=now + dt.timedelta(minutes=5),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return float(sum(point["Sum"] for point in points))

    wait_until(lambda: total("Invocations") == 3 and total("Throttles") == 1, 15, "the metrics")
    assert total("Errors") == 1
    assert total("Duration") > 0


def test_the_log_grows_while_the_function_runs(fn: Lambda) -> None:
    name = fn.create("import time\ndef handler(event, context):\n    print('early')\n    time.sleep(9)\n")
    fn.send(name, {})
    lines = wait_until(lambda: "early" in (found := fn.logs(name)) and found, 7, "the line")
    assert not any(line.startswith("END") for line in lines)


def test_a_role_that_is_gone(fn: Lambda) -> None:
    name = fn.create()
    fn.account.client("iam").delete_role(RoleName="function")
    answer = refused(fn.client.invoke, FunctionName=name)
    assert (answer.code, answer.status) == ("AccessDeniedException", 403)
    assert answer.message == "The role defined for the function cannot be assumed by Lambda."
