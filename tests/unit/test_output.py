"""The function's output cut into log events, and what the platform says around it."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from undercast.functions import failures
from undercast.functions.function import FunctionSpec, Invocation
from undercast.functions.output import LINE_LIMIT, Output
from undercast.functions.report import JsonLog, TextLog
from undercast.functions.spec import Exit

RUNTIME = SimpleNamespace(
    runtime_version="python:3.11.2", runtime_version_arn="arn:x", initialization_type="on-demand"
)


def spec(**changes: object) -> FunctionSpec:
    values = {
        "key": "k",
        "arn": "a",
        "account": "0",
        "region": "r",
        "name": "f",
        "version": "$LATEST",
        "runtime": "python3.11",
        "handler": "h",
        "code": Path("/"),
    }
    return FunctionSpec(**{**values, **changes})  # type: ignore[arg-type]


class Pipe:
    """An output with its pipe."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str]] = []
        self.read, self.write = os.pipe()
        os.set_blocking(self.read, False)
        self.output = Output(self.lines.extend)
        self.output.attach(self.read)

    def put(self, data: bytes) -> None:
        os.write(self.write, data)
        self.output.drain()

    def texts(self) -> list[str]:
        self.output.flush()
        found = [text for _, text in self.lines]
        self.lines.clear()
        return found


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    os.close(made.read)
    os.close(made.write)


def frame(text: bytes, kind: int = 0xA55A0003, micros: int = 5_000_000) -> bytes:
    return struct.pack(">IIQ", kind, len(text), micros) + text


def test_lines_and_frames(pipe: Pipe) -> None:
    pipe.put(b"one\ntwo\r with return\nthr")
    assert pipe.texts() == ["one\n", "two\r with return\n"]
    pipe.put(b"ee\n")
    assert pipe.texts() == ["three\n"]
    pipe.put(b"unended" + frame(b"a record\nof two lines\n") + "späť\n".encode())
    assert [text for _, text in pipe.lines or []] == []
    pipe.output.flush()
    assert pipe.lines[:2] == [(5000, "unended"), (5000, "a record\nof two lines\n")]
    assert pipe.texts() == ["unended", "a record\nof two lines\n", "späť\n"]
    whole = frame(b"in two pieces")
    pipe.put(whole[:7])
    assert pipe.texts() == []
    pipe.put(whole[7:])
    assert pipe.texts() == ["in two pieces"]
    pipe.put(b"\xff\xfe not utf-8\n")
    assert pipe.texts() == ["�� not utf-8\n"]


def test_hostile_output_stays_bounded(pipe: Pipe) -> None:
    pipe.put(frame(b"")[:4] + b"\xff\xff\xff\xff" + b"\0" * 8 + b"no frame of 4 GB\n")
    assert "no frame of 4 GB" in pipe.texts()[-1]
    for _ in range(12):
        pipe.put(b"x" * 60000)
    pipe.output.finish_line()
    texts = pipe.texts()
    assert sum(map(len, texts)) == 12 * 60000
    assert max(map(len, texts)) <= LINE_LIMIT + 65536


def test_mark_and_tail(pipe: Pipe) -> None:
    seen: list[str] = []
    pipe.output.on_init_done = lambda: (seen.append("mark"), pipe.output.add("START\n"))[0]
    pipe.put(b"loading\n" + frame(b"", 0xA55A00FF) + b"running\n")
    assert pipe.texts() == ["loading\n", "START\n", "running\n"]
    pipe.output.begin_tail()
    pipe.put(b"".join(b"line %04d\n" % number for number in range(1000)))
    tail = pipe.output.take_tail()
    assert len(tail) == 4096
    assert tail.endswith(b"line 0998\nline 0999\n")


def test_text_reports() -> None:
    log = TextLog(spec(memory_mb=256), RUNTIME)
    assert log.init_start("init") == [
        "INIT_START Runtime Version: python:3.11.2\tRuntime Version ARN: arn:x\n"
    ]
    assert log.start("id") == "START RequestId: id Version: $LATEST\n"
    done = Invocation("id", duration_ms=1.234, billed_ms=12, memory_mb=40, init_ms=10.5)
    assert log.end(done) == [
        "END RequestId: id\n",
        "REPORT RequestId: id\tDuration: 1.23 ms\tBilled Duration: 12 ms\tMemory Size: 256 MB\t"
        "Max Memory Used: 40 MB\tInit Duration: 10.50 ms\t\n",
    ]
    late = Invocation(
        "id", duration_ms=1000, billed_ms=1000, memory_mb=40, status="timeout", error_type="S.T"
    )
    assert log.end(late)[1].endswith("Max Memory Used: 40 MB\tStatus: timeout\t\n")
    assert log.init_done(5, "init", "success", None) == []
    assert log.init_done(5, "init", "error", "Runtime.X") == [
        "INIT_REPORT Init Duration: 5.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.X\n"
    ]


def test_json_reports_follow_the_system_log_level() -> None:
    done = Invocation("id", payload=b"abc", duration_ms=1.23456, billed_ms=2, memory_mb=40, init_ms=10.5)

    def kinds(level: str | None) -> list[str]:
        log = JsonLog(spec(log_format="JSON", system_log_level=level), RUNTIME)
        lines = [*log.init_start("init"), *log.init_done(1, "init", "success", None)]
        lines += [log.start("id") or "", *log.end(done)]
        return [json.loads(line)["type"].removeprefix("platform.") for line in lines if line]

    assert kinds("DEBUG") == ["initStart", "initRuntimeDone", "initReport", "start", "runtimeDone", "report"]
    assert kinds(None) == kinds("INFO") == ["initStart", "start", "report"]
    assert kinds("WARN") == []
    log = JsonLog(spec(log_format="JSON", system_log_level="WARN"), RUNTIME)
    failed = Invocation("id", status="error", error_type="Runtime.ExitError")
    report = json.loads(log.end(failed)[-1])
    assert report["record"]["status"] == "error"
    assert report["record"]["errorType"] == "Runtime.ExitError"
    info = json.loads(JsonLog(spec(log_format="JSON"), RUNTIME).end(done)[-1])
    assert info["record"]["metrics"] == {
        "durationMs": 1.235,
        "billedDurationMs": 2,
        "memorySizeMB": 128,
        "maxMemoryUsedMB": 40,
        "initDurationMs": 10.5,
    }


@pytest.mark.parametrize(
    ("end", "error_type", "words"),
    [
        (Exit(0), "Runtime.ExitError", "Runtime exited without providing a reason"),
        (Exit(127), "Runtime.ExitError", "Runtime exited with error: exit status 127"),
        (Exit(None, 11), "Runtime.ExitError", "Runtime exited with error: signal: segmentation fault"),
        (Exit(None, 9, oom_killed=True), "Runtime.OutOfMemory", "Runtime exited with error: signal: killed"),
        (Exit(1, None, oom_killed=True), "Runtime.ExitError", "Runtime exited with error: exit status 1"),
        (Exit(None, 40), "Runtime.ExitError", "Runtime exited with error: signal: signal 40"),
    ],
)
def test_how_exits_are_worded(end: Exit, error_type: str, words: str) -> None:
    answer = json.loads(failures.exited(end).payload("id"))
    assert answer == {"errorType": error_type, "errorMessage": f"RequestId: id Error: {words}"}
