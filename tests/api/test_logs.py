"""CloudWatch Logs over HTTP: put, get, filter, tail."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lambda_support import Lambda, package, refused
from support import AWS, Account, Server, wait_until


def now() -> int:
    return int(time.time() * 1000)


def put(account: Account, group: str, stream: str, *messages: str, at: int | None = None) -> dict[str, Any]:
    logs = account.client("logs")
    events = [{"timestamp": (at or now()) + number, "message": text} for number, text in enumerate(messages)]
    return logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


@pytest.fixture
def group(account: Account) -> str:
    """A group with a stream `s`."""
    account.client("logs").create_log_group(logGroupName="/app/web", tags={"team": "a"})
    account.client("logs").create_log_stream(logGroupName="/app/web", logStreamName="s")
    return "/app/web"


def test_events_are_read_forwards_and_backwards(account: Account, group: str) -> None:
    logs = account.client("logs")
    put(account, group, "s", *(f"line {number}" for number in range(10)))

    def get(**more: object) -> tuple[list[str], dict[str, Any]]:
        answer = logs.get_log_events(logGroupName=group, logStreamName="s", limit=4, **more)
        return [event["message"] for event in answer["events"]], answer

    latest, answer = get()
    assert latest == [f"line {number}" for number in (6, 7, 8, 9)]
    older, _ = get(nextToken=answer["nextBackwardToken"])
    assert older == [f"line {number}" for number in (2, 3, 4, 5)]
    first, answer = get(startFromHead=True)
    assert first == [f"line {number}" for number in range(4)]
    seen = list(first)
    while True:
        token = answer["nextForwardToken"]
        more, answer = get(nextToken=token)
        if answer["nextForwardToken"] == token:
            break
        seen += more
    assert seen == [f"line {number}" for number in range(10)] and not more
    put(account, group, "s", "line 10", at=now() + 1000)
    assert get(nextToken=token)[0] == ["line 10"]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("", [0, 1, 2, 3, 4]),
        ("ERROR", [0, 3]),
        ("ERROR -disk", [0]),
        ("?disk ?started", [1, 3]),
        ('"worker started"', [1]),
        ("%ERR.R 1[0-9]%", [0]),
        ('{ $.level = "warn" }', [2]),
        ("{ $.ms > 100 && $.tags[0] = a* }", [2]),
        ("{ $.ms < 100 || $.ok IS TRUE }", [2, 4]),
        ("{ $.missing NOT EXISTS }", [2, 4]),
        ("{ $.gone IS NULL }", [4]),
        ("[level=ERROR, number>10, ...]", [0]),
    ],
)
def test_filter_patterns(account: Account, group: str, pattern: str, expected: list[int]) -> None:
    messages = [
        "ERROR 12 no network",
        "worker started",
        '{"level": "warn", "ms": 150, "ok": true, "tags": ["abc"]}',
        "ERROR 9 disk full",
        '{"level": "info", "ms": 5, "gone": null}',
    ]
    put(account, group, "s", *messages)
    found = account.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    assert [messages.index(event["message"]) for event in found] == expected


def test_bad_input_is_named(account: Account, group: str) -> None:
    logs = account.client("logs")
    for pattern in ("{ $.a = }", "{ $.a ~ 1 }", "[a, ..., b, ...]", "%(%", "{ $.a = 1"):
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.filter_log_events(logGroupName=group, filterPattern=pattern)
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as missing:
        put(account, "/none", "s", "x")
    assert missing.value.response["Error"]["Message"] == "The specified log group does not exist."
    with pytest.raises(logs.exceptions.ResourceNotFoundException) as missing:
        put(account, group, "none", "x")
    assert missing.value.response["Error"]["Message"] == "The specified log stream does not exist."
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=group)
    with pytest.raises(ClientError) as error:
        logs.put_retention_policy(logGroupName=group, retentionInDays=2)
    assert error.value.response["Error"]["Code"] == "InvalidParameterException"
    events = [{"timestamp": now(), "message": "b"}, {"timestamp": now() - 5000, "message": "a"}]
    with pytest.raises(logs.exceptions.InvalidParameterException) as order:
        logs.put_log_events(logGroupName=group, logStreamName="s", logEvents=events)
    assert "chronological order" in str(order.value)


def test_old_and_future_events_are_rejected_by_index(account: Account, group: str) -> None:
    day = 86_400_000
    assert put(account, group, "s", "old", at=now() - 15 * day)["rejectedLogEventsInfo"] == {
        "tooOldLogEventEndIndex": 1
    }
    assert put(account, group, "s", "new", at=now() + day)["rejectedLogEventsInfo"] == {
        "tooNewLogEventStartIndex": 0
    }
    assert account.client("logs").filter_log_events(logGroupName=group)["events"] == []


def test_groups_and_streams_are_described_in_pages(account: Account, group: str) -> None:
    logs = account.client("logs")
    logs.put_retention_policy(logGroupName=group, retentionInDays=7)
    for number, name in enumerate(("b", "a")):
        logs.create_log_stream(logGroupName=group, logStreamName=name)
        put(account, group, name, "x", at=now() + number)
    described = logs.describe_log_groups(logGroupNamePrefix="/app")["logGroups"][0]
    assert described["retentionInDays"] == 7
    assert described["arn"].endswith(":log-group:/app/web:*")
    pages = logs.get_paginator("describe_log_streams").paginate(
        logGroupName=group, orderBy="LastEventTime", descending=True, PaginationConfig={"PageSize": 2}
    )
    assert [stream["logStreamName"] for page in pages for stream in page["logStreams"]] == ["a", "b", "s"]
    names = logs.describe_log_streams(logGroupName=group)["logStreams"]
    assert [stream["logStreamName"] for stream in names] == ["a", "b", "s"]
    arn = described["logGroupArn"]
    logs.tag_resource(resourceArn=arn, tags={"x": "1"})
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"team": "a", "x": "1"}
    logs.delete_log_group(logGroupName=group)
    assert logs.describe_log_groups()["logGroups"] == []


def test_the_aws_command_follows_a_log(account: Account, group: str) -> None:
    put(account, group, "s", "before")
    assert AWS is not None
    follower = subprocess.Popen(
        [AWS, "logs", "tail", group, "--follow", "--format", "short"],
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONUNBUFFERED": "1"} | account.env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert follower.stdout is not None
        assert "before" in follower.stdout.readline()
        put(account, group, "s", "and after")
        assert "and after" in follower.stdout.readline()
    finally:
        follower.kill()
        follower.communicate(timeout=5)


def test_a_live_tail_streams(account: Account, group: str) -> None:
    # root's server lets the name with AWS's prefix resolve; without root a client has to do without it
    logs = account.client("logs", inject_host_prefix=os.geteuid() == 0)
    described = account.client("logs").describe_log_groups()["logGroups"][0]
    stream = logs.start_live_tail(
        logGroupIdentifiers=[described["logGroupArn"]], logEventFilterPattern="ERROR"
    )["responseStream"]
    events = iter(stream)
    assert "sessionStart" in next(events)
    put(account, group, "s", "ERROR one", "fine")

    def seen() -> list[str]:
        return [one["message"] for one in next(events)["sessionUpdate"]["sessionResults"]]

    assert wait_until(seen, 10) == ["ERROR one"]
    stream.close()


def test_accounts_do_not_see_each_other(server: Server, account: Account, group: str) -> None:
    other = server.account_factory()
    assert other.client("logs").describe_log_groups()["logGroups"] == []
    assert account.client("logs", "eu-west-1").describe_log_groups()["logGroups"] == []


def test_a_full_disk_loses_no_line(
    start_server: Callable[..., Server], tmp_path: Path, needs_root: None
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", disk], check=True, timeout=10)
    try:
        own = start_server(disk / "data")
        fn = Lambda(own)
        name = fn.create("def handler(event, context):\n    print('got', event)\n    return event\n")
        fn.invoke(name, "before")
        assert "got before" in fn.logs(name)
        with (disk / "filler").open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while filler.write(bytes(4096)):
                pass
        for number in range(50):
            assert fn.invoke(name, f"{number} " + "x" * 5000).result.startswith(f"{number} ")
        assert "got before" in fn.logs(name)  # reading goes on
        noise = secrets.token_hex(200_000)
        full = "The request processing has failed because the disk of the data folder is full."
        for refusal in (
            refused(fn.client.update_function_code, FunctionName=name, ZipFile=package(noise)),
            refused(fn.client.invoke, FunctionName=name, InvocationType="Event", Payload=json.dumps(noise)),
        ):
            assert (refusal.code, refusal.status, refusal.message) == ("InternalFailure", 500, full)
        (disk / "filler").unlink()
        wait_until(lambda: sum(line.startswith("got ") for line in fn.logs(name)) == 51, 20, "every line")
        own.stop()
    finally:
        subprocess.run(["umount", "-l", disk], check=True, timeout=10)
