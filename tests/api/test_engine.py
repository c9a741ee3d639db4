"""The functions engine by itself: real environments, no API in front."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pytest

import leftover_support
from support import unique, wait_until
from undercast.functions import startup
from undercast.functions.engine import (
    Credentials,
    Engine,
    FunctionSpec,
    FunctionsUnavailable,
    InitFailed,
    Invocation,
)
from undercast.functions.sandboxes import Sandboxes

T = TypeVar("T")

PYTHON = f"python3.{sys.version_info.minor}"
ARN = "arn:aws:lambda:eu-west-1:123456789012:function:"


class World:
    """An engine on an event loop of its own, and what it logged."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.lines: dict[str, list[str]] = defaultdict(list)  # by log group
        self.calls: list[bytes] = []  # what functions sent to the cloud
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="engine")
        self.thread.start()
        self.engine = self.run(self._start())

    async def _start(self) -> Engine:
        host_id = uuid.uuid4().hex[:6]
        leftover_support.watch(self.root / "functions", host_id)
        sandboxes = Sandboxes(self.root / "functions", host_id)
        engine = Engine(
            sandboxes,
            write_logs=self._write,
            credentials=lambda _, __, name: Credentials(f"AK-{name}", "S", "T", time.time() + 3600),
            gateway=lambda: Recorder(self.calls),
        )
        await engine.start()
        assert sandboxes.capability.available, sandboxes.capability.reason
        return engine

    def close(self) -> None:
        self.run(self.engine.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)
        self.loop.close()

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 45) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout)

    def _write(self, account: str, region: str, group: str, stream: str, lines: Sequence[Any]) -> None:
        assert (account, region) == ("123456789012", "eu-west-1")
        assert re.fullmatch(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}", stream)
        assert all(abs(at / 1000 - time.time()) < 60 for at, _ in lines)
        self.lines[group].extend(text for _, text in lines)

    def function(self, code: str, file: str = "main.py", **changes: Any) -> Function:
        return Function(self, code, file, **changes)


class Recorder(asyncio.Protocol):
    """The cloud as a function's own call meets it."""

    def __init__(self, calls: list[bytes]) -> None:
        self._calls = calls

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._calls.append(data)
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ncloud")
        self._transport.close()


class Function:
    """A function version with its code in a folder."""

    def __init__(self, world: World, code: str, file: str, **changes: Any) -> None:
        self.world = world
        name = unique("f")
        self.folder = world.root / name
        self.folder.mkdir(mode=0o755)
        self.write(file, code)
        values = {
            "key": name,
            "arn": ARN + name,
            "account": "123456789012",
            "region": "eu-west-1",
            "name": name,
            "version": "$LATEST",
            "runtime": PYTHON,
            "handler": "main.handler",
            "code": self.folder,
            "role_arn": "arn:aws:iam::123456789012:role/r",
        }
        self.spec = FunctionSpec(**{**values, **changes})

    def write(self, file: str, text: str) -> None:
        path = self.folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text))
        path.chmod(0o755)

    async def begin(self, event: Any = None, **options: Any) -> Invocation:
        options.setdefault("request_id", str(uuid.uuid4()))
        options.setdefault("invoked_arn", self.spec.arn)
        payload = event if isinstance(event, bytes) else json.dumps(event).encode()
        return await self.world.engine.invoke(self.spec, payload, **options)

    def invoke(self, event: Any = None, **options: Any) -> Invocation:
        return self.world.run(self.begin(event, **options))

    def call(self, event: Any = None, **options: Any) -> Any:
        done = self.invoke(event, **options)
        assert done.function_error is None, done.payload
        return json.loads(done.payload)

    def fail(self, event: Any = None, **options: Any) -> dict[str, Any]:
        done = self.invoke(event, **options)
        assert done.function_error == "Unhandled", done.payload
        return json.loads(done.payload)

    @property
    def log(self) -> list[str]:
        return self.world.lines[self.spec.log_group or f"/aws/lambda/{self.spec.name}"]

    @property
    def kinds(self) -> list[str]:
        """The platform's words in the log, in order; the function's own lines whole."""
        return [
            line.split(" ")[0] if re.match(r"[A-Z_]{3,} ", line) else line.rstrip("\n") for line in self.log
        ]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must run as root: this test needs it")
        pytest.skip("needs root")
    root = Path(tempfile.mkdtemp(prefix="undercast-engine-"))
    made = World(root)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(root, ignore_errors=True)


def test_cold_then_warm(world: World) -> None:
    function = world.function(
        """
        print("loading")
        count = 0
        def handler(event, context):
            global count
            count += 1
            print("called")
            return {"event": event, "count": count, "id": context.aws_request_id}
        """
    )
    cold = function.invoke({"a": "ü"}, request_id="id-1")
    assert json.loads(cold.payload) == {"event": {"a": "ü"}, "count": 1, "id": "id-1"}
    assert cold.init_ms is not None and cold.function_error is None
    assert function.kinds == ["INIT_START", "loading", "START", "called", "END", "REPORT"]
    assert re.fullmatch(
        r"REPORT RequestId: id-1\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t\n",
        function.log[-1],
    )
    assert f"Billed Duration: {cold.billed_ms} ms" in function.log[-1]
    assert cold.billed_ms >= cold.init_ms
    function.log.clear()
    warm = function.invoke(7, request_id="id-2", tail=True)
    assert json.loads(warm.payload) == {"event": 7, "count": 2, "id": "id-2"}
    assert warm.init_ms is None
    assert function.kinds == ["START", "called", "END", "REPORT"]
    assert warm.log_tail.decode() == "".join(function.log)
    assert 0 < warm.memory_mb <= 128
    assert function.call(request_id="again")["count"] == 3


def test_variables_and_context(world: World) -> None:
    function = world.function(
        """
        import os
        early = dict(os.environ)
        def handler(event, context):
            c = context.client_context
            return {
                "env": dict(os.environ), "early": sorted(early), "cwd": os.getcwd(),
                "context": [context.function_name, context.function_version, context.invoked_function_arn,
                            context.memory_limit_in_mb, context.log_group_name, context.log_stream_name],
                "client": c and [c.custom, c.env, c.client.app_title],
                "left": context.get_remaining_time_in_millis(),
            }
        """,
        memory_mb=256,
        timeout_s=30,
        environment={"MINE": "x y", "PATH": "/bin:/usr/bin", "AWS_REGION": "elsewhere"},
        log_group="/custom/group-of-variables",
    )
    context = json.dumps({"custom": {"a": 1}, "env": {"b": "2"}, "client": {"app_title": "t"}})
    found = function.call(client_context=context, trace_id="Root=1-2;Sampled=1", invoked_arn=ARN + "x:live")
    env, name = found["env"], function.spec.name
    stream = env["AWS_LAMBDA_LOG_STREAM_NAME"]
    expected = {
        "AWS_ACCESS_KEY_ID": f"AK-{name}",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{PYTHON}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
        "AWS_LAMBDA_LOG_GROUP_NAME": "/custom/group-of-variables",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "AWS_REGION": "eu-west-1",
        "AWS_SECRET_ACCESS_KEY": "S",
        "AWS_SESSION_TOKEN": "T",
        "LAMBDA_RUNTIME_DIR": "/var/runtime",
        "LAMBDA_TASK_ROOT": "/var/task",
        "MINE": "x y",
        "PATH": "/bin:/usr/bin",
        "TZ": ":UTC",
        "_HANDLER": "main.handler",
        "_X_AMZN_TRACE_ID": "Root=1-2;Sampled=1",
    }
    assert {key: env.get(key) for key in expected} == expected
    assert not [key for key in env if "UNDERCAST" in key or key == "_LAMBDA_TELEMETRY_LOG_FD"]
    assert "_X_AMZN_TRACE_ID" not in found["early"]
    assert found["cwd"] == "/var/task"
    assert found["context"] == [
        name, "$LATEST", ARN + "x:live", "256", "/custom/group-of-variables", stream,
    ]  # fmt: skip
    assert found["client"] == [{"a": 1}, {"b": "2"}, "t"]
    assert 28_000 < found["left"] <= 30_000
    again = function.call()
    assert "_X_AMZN_TRACE_ID" not in again["env"] and again["client"] is None


@pytest.mark.parametrize("log_format", ["Text", "JSON"])
def test_logging(world: World, log_format: str) -> None:
    function = world.function(
        """
        import logging, sys
        log = logging.getLogger()
        def handler(event, context):
            print("printed")
            log.info("hidden")
            log.warning("two\\nlines")
            sys.stderr.write("to stderr\\n")
            if event:
                raise ValueError("bad")
        """,
        log_format=log_format,
        application_log_level="WARN" if log_format == "JSON" else None,
    )
    function.call(request_id="id-1")
    started, lines = 2, function.log
    if log_format == "Text":
        assert lines[started] == "printed\n"
        assert re.fullmatch(r"\[WARNING\]\t\S+Z\tid-1\ttwo\nlines\n", lines[3])
        assert lines[4] == "to stderr\n"
    else:
        record = json.loads(lines[3])
        assert (record["level"], record["message"]) == ("WARNING", "two\nlines")
        assert record["requestId"] == "id-1"
        kinds = [json.loads(line).get("type") for line in lines if line.startswith("{")]
        assert kinds == ["platform.initStart", "platform.start", None, "platform.report"]
    lines.clear()
    failed = function.fail(1, request_id="id-2")
    assert failed["errorMessage"] == "bad" and failed["errorType"] == "ValueError"
    assert failed["requestId"] == "id-2"
    assert failed["stackTrace"][0].startswith('  File "/var/task/main.py", line 10, in handler\n')
    shown = next(line for line in lines if "ValueError" in line)
    if log_format == "Text":
        assert shown.startswith("[ERROR] ValueError: bad\nTraceback (most recent call last):\n\xa0\xa0File")
    else:
        assert json.loads(shown)["errorType"] == "ValueError"


FAILURES: list[tuple[str, dict[str, Any], str, str]] = [
    ("def handler(e, c): import time; time.sleep(9)", {"timeout_s": 1}, "Sandbox.Timedout",
     "RequestId: ID Error: Task timed out after 1.00 seconds"),
    ("def handler(e, c): exit(0)", {}, "Runtime.ExitError",
     "RequestId: ID Error: Runtime exited without providing a reason"),
    ("def handler(e, c): exit(3)", {}, "Runtime.ExitError",
     "RequestId: ID Error: Runtime exited with error: exit status 3"),
    ("def handler(e, c): import os; os.kill(os.getpid(), 11)", {}, "Runtime.ExitError",
     "RequestId: ID Error: Runtime exited with error: signal: segmentation fault"),
    ("def handler(e, c): return len(bytearray(10**9))", {}, "Runtime.OutOfMemory",
     "RequestId: ID Error: Runtime exited with error: signal: killed"),
    ("def handler(e, c): return 'x' * 6291555", {}, "Function.ResponseSizeTooLarge",
     "Response payload size exceeded maximum allowed payload size (6291556 bytes)."),
    ("def handler(e, c): return object()", {}, "Runtime.MarshalError",
     "Unable to marshal response: Object of type object is not JSON serializable"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "changes", "error_type", "words"),
    FAILURES,
    ids=["timeout", "exit 0", "exit 3", "segfault", "out of memory", "too large", "not JSON"],
)
def test_failures(world: World, code: str, changes: dict[str, Any], error_type: str, words: str) -> None:
    guarded = f"import os\ncalls = 0\n{code}\nreal = handler\n"
    guarded += "def handler(e, c):\n    global calls\n    calls += 1\n    return real(e, c) if e else calls\n"
    function = world.function(guarded, **changes)
    failed = function.fail(1, request_id="ID")
    assert (failed["errorType"], failed["errorMessage"]) == (error_type, words)
    report = function.log[-1]
    if error_type == "Sandbox.Timedout":
        assert re.search(
            r"\d Z?ID Task timed out after 1\.00 seconds\n\n", "".join(function.log).replace("Z ", " Z")
        )
        assert "Duration: 1000.00 ms" in report and report.endswith("\tStatus: timeout\t\n")
    elif error_type != "Runtime.MarshalError":
        assert report.endswith(f"\tStatus: error\tError Type: {error_type}\t\n")
    survives = error_type in ("Function.ResponseSizeTooLarge", "Runtime.MarshalError")
    assert function.call(0) == (2 if survives else 1), "whether the environment was used again"


@pytest.mark.parametrize(
    ("code", "error_type", "words"),
    [
        ("1/0", "ZeroDivisionError", "division by zero"),
        (
            "import nowhere",
            "Runtime.ImportModuleError",
            "Unable to import module 'main': No module named 'nowhere'",
        ),
        ("def handler(", "Runtime.UserCodeSyntaxError", "Syntax error in module 'main': "),
        ("def other(e, c): 0", "Runtime.HandlerNotFound", "Handler 'handler' missing on module 'main'"),
        ("exit(4)", "Runtime.ExitError", "RequestId: ID Error: Runtime exited with error: exit status 4"),
    ],
    ids=["raises", "import", "syntax", "no handler", "exits"],
)
def test_init_failures_are_tried_twice(world: World, code: str, error_type: str, words: str) -> None:
    function = world.function(f"print('loading')\n{code}\n" if "(\n" not in f"{code}\n" else code)
    failed = function.fail(request_id="ID")
    assert failed["errorType"] == error_type
    assert failed["errorMessage"].startswith(words)
    if not error_type.endswith("ExitError"):
        assert failed["requestId"] == ""
    if error_type == "ZeroDivisionError":
        assert "importlib" in failed["stackTrace"][0]
    reports = [line for line in function.log if line.startswith("INIT_REPORT")]
    assert [
        re.search(r"Phase: (\w+)\tStatus: error\tError Type: (\S+)", line).groups() for line in reports
    ] == [  # type: ignore[union-attr]
        ("init", error_type),
        ("invoke", error_type),
    ]
    assert function.kinds[-3] == "START" or error_type == "Runtime.ExitError"
    assert function.log[-1].endswith(f"Status: error\tError Type: {error_type}\t\n")
    with pytest.raises(InitFailed):
        world.run(world.engine.provision(function.spec, 1))


def test_slow_init_goes_on_inside_the_invocation(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "INIT_LIMIT_S", 0.4)
    function = world.function("import time; time.sleep(0.8)\ndef handler(e, c): return e", timeout_s=5)
    done = function.invoke("x")
    assert json.loads(done.payload) == "x"
    assert done.duration_ms > 800 and done.init_ms is None
    assert [kind for kind in function.kinds if kind.isupper()] == [
        "INIT_START", "INIT_REPORT", "START", "END", "REPORT",
    ]  # fmt: skip
    assert "Phase: init\tStatus: timeout" in next(line for line in function.log if "INIT_REPORT" in line)
    never = world.function("import time; time.sleep(9)\ndef handler(e, c): return e", timeout_s=1)
    assert never.fail(request_id="ID")["errorType"] == "Sandbox.Timedout"


def test_concurrency_freezing_and_background_work(world: World) -> None:
    function = world.function(
        """
        import os, threading, time
        ticks = 0
        def tick():
            global ticks
            while True:
                ticks += 1
                time.sleep(0.01)
        threading.Thread(target=tick, daemon=True).start()
        def handler(event, context):
            if event == "together":
                print("here", flush=True)
                while not os.path.exists("/var/task/go"):
                    time.sleep(0.01)
            else:
                time.sleep(event)
            return ticks
        """,
        timeout_s=40,
        memory_mb=512,
    )

    async def together() -> list[Invocation]:
        return await asyncio.gather(*[function.begin("together") for _ in range(6)])

    begun = asyncio.run_coroutine_threadsafe(together(), world.loop)
    # Nothing may queue behind a busy environment: all six are there before the first has ended.
    wait_until(lambda: function.log.count("here\n") == 6, 30, "six invocations at once")
    function.write("go", "")
    assert all(one.init_ms is not None for one in begun.result(30))
    assert world.engine.stats().environments["idle"] >= 6

    def all_frozen() -> bool:
        stats = world.engine.stats()
        return stats.frozen == stats.environments["idle"]

    wait_until(all_frozen, what="idle environments are frozen")
    before = function.call(0)
    wait_until(all_frozen, what="frozen again")
    time.sleep(0.5)
    assert function.call(0) - before < 30, "a frozen environment does not run"
    assert function.call(0.3) - before > 20, "a thawed one does"

    async def give_up() -> None:
        task = asyncio.ensure_future(function.begin(0.3))
        await asyncio.sleep(0.1)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    reports = sum("REPORT" in line for line in function.log)
    world.run(give_up())
    wait_until(
        lambda: sum("REPORT" in line for line in function.log) == reports + 1, what="it ran to its end"
    )


def test_large_payloads_keep_memory_bounded(world: World) -> None:
    function = world.function("def handler(e, c): return e", timeout_s=20, memory_mb=1024)
    text = json.dumps("y" * 6_000_000).encode()
    assert function.invoke(text).payload == text
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(5):
        assert len(function.invoke(text).payload) == len(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000, "KB"


BOOTSTRAP = """\
#!/usr/bin/env python3
import http.client, json, os, socket
api = os.environ["AWS_LAMBDA_RUNTIME_API"]
connection = http.client.HTTPConnection(api)
path = "/2018-06-01/runtime/invocation/"
while True:
    connection.request("GET", path + "next")
    answer = connection.getresponse()
    event, me = json.loads(answer.read()), answer.headers["Lambda-Runtime-Aws-Request-Id"]
    if "plain" in event:
        connection.request("POST", path + me + "/response", json.dumps(event["plain"]))
        connection.getresponse().read()
        continue
    stream = socket.create_connection(api.split(":"))
    head = ["POST %s%s/response HTTP/1.1" % (path, me), "Content-Type: text/x", "Transfer-Encoding: chunked",
            "Lambda-Runtime-Function-Response-Mode: streaming", "", ""]
    stream.sendall("\\r\\n".join(head).encode())
    for number in range(event["mb"] * 16):
        stream.sendall(b"10000\\r\\n" + b"x" * 65536 + b"\\r\\n")
        if event.get("die"):
            os._exit(7)
    stream.sendall(b"0\\r\\n\\r\\n")
    stream.recv(1000)
    stream.close()
"""


def test_custom_runtime_and_streaming(world: World) -> None:
    function = world.function(BOOTSTRAP, "bootstrap", runtime="provided.al2023", timeout_s=20, memory_mb=512)
    assert function.call({"plain": "hi"}) == "hi"
    assert function.call({"plain": [1]}) == [1]
    assert function.kinds == ["INIT_START", "START", "END", "REPORT", "START", "END", "REPORT"]
    assert function.invoke({"mb": 2}).payload == b"x" * 2 * 1024 * 1024
    assert function.fail({"mb": 7})["errorType"] == "Function.ResponseSizeTooLarge"

    async def stream(event: Any, pause: float = 0, stop: int | None = None) -> tuple[int, Any]:
        answer = await world.engine.invoke_stream(
            function.spec, json.dumps(event).encode(), request_id="ID", invoked_arn=ARN
        )
        assert answer.content_type == ("application/json" if "plain" in event else "text/x")
        size = 0
        async for chunk in answer:
            size += len(chunk)
            await asyncio.sleep(pause)
            if stop and size >= stop:
                await answer.close()
                break
        return size, answer.invocation

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    size, done = world.run(stream({"mb": 20}, pause=0.001))
    assert size == 20 * 1024 * 1024 and done.function_error is None
    world.run(stream({"mb": 20}, stop=500_000))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000, "KB"
    assert world.run(stream({"plain": 1}))[0] == 1
    assert function.call({"plain": "still there"}) == "still there"
    _, broken = world.run(stream({"mb": 1, "die": 1}))
    assert broken.function_error == "Unhandled" and b"exit status 7" in broken.payload
    assert function.call({"plain": "a new one"}) == "a new one"

    missing = world.function("", "other", runtime="provided.al2")
    assert missing.fail()["errorType"] == "Runtime.InvalidEntrypoint"
    closed = world.function("#!/bin/sh\n", "bootstrap", runtime="provided.al2")
    (closed.folder / "bootstrap").chmod(0o644)
    refused = {
        "errorType": "Runtime.InvalidEntrypoint",
        "errorMessage": "RequestId: ID Error: fork/exec /var/task/bootstrap: permission denied",
    }
    assert closed.fail(request_id="ID") == refused
    shell = world.function("#!/bin/sh\necho from sh\nexit 5\n", "bootstrap", runtime="provided.al2")
    assert shell.fail(request_id="ID")["errorMessage"] == (
        "RequestId: ID Error: Runtime exited with error: exit status 5"
    )
    assert shell.kinds.count("from sh") == 2
    stays = world.function(
        """\
        #!/usr/bin/env python3
        import http.client, os, time
        connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        headers = {"Lambda-Runtime-Function-Error-Type": "My.Init"}
        connection.request("POST", "/2018-06-01/runtime/init/error", '{"errorType": "Mine"}', headers)
        time.sleep(30)
        """,
        "bootstrap",
        runtime="provided.al2",
        timeout_s=10,
    )
    assert stays.fail() == {"errorType": "Mine"}
    assert stays.log[-1].endswith("Status: error\tError Type: My.Init\t\n")
    with pytest.raises(FunctionsUnavailable, match="ruby"):
        world.function("", "x", runtime="ruby3.3").call()


def test_wrapper_script_speaks_http(world: World) -> None:
    function = world.function(
        """
        import os
        print("loading")
        def handler(event, context):
            return os.environ["WRAPPED"] + context.aws_request_id if event else 1 / 0
        """,
        environment={"AWS_LAMBDA_EXEC_WRAPPER": "/var/task/wrap"},
        memory_mb=512,
    )
    function.write("wrap", '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n')
    assert function.call(1, request_id="-ID") == "yes-ID"
    assert function.kinds == ["INIT_START", "loading", "START", "END", "REPORT"]
    assert function.fail()["errorType"] == "ZeroDivisionError"
    lost = world.function("", environment={"AWS_LAMBDA_EXEC_WRAPPER": "/opt/nothing"})
    assert lost.fail(request_id="ID") == {
        "errorType": "Runtime.ExitError",
        "errorMessage": "RequestId: ID Error: Runtime exited with error: exit status 127",
    }


EXTENSION = """\
#!/usr/bin/env python3
import http.client, json, os, sys
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
def call(method, path, body=None, **headers):
    connection.request(method, "/2020-01-01/extension" + path, body, headers)
    answer = connection.getresponse()
    return answer.headers, json.loads(answer.read())
events = json.dumps({"events": ["INVOKE", "SHUTDOWN"]})
me = call("POST", "/register", events, **{"Lambda-Extension-Name": os.path.basename(sys.argv[0])})[0]
me = {"Lambda-Extension-Identifier": me["Lambda-Extension-Identifier"]}
while True:
    event = call("GET", "/event/next", **me)[1]
    print("outer", event["eventType"], event.get("requestId") or event["shutdownReason"], flush=True)
    if event["eventType"] == "SHUTDOWN":
        break
    if os.path.exists("/tmp/crash"):
        sys.exit(9)
"""
INTERNAL = """\
import http.client, json, os, threading
def listen():
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    headers = {"Lambda-Extension-Name": "inner"}
    connection.request("POST", "/2020-01-01/extension/register", json.dumps({"events": ["INVOKE"]}), headers)
    answer = connection.getresponse()
    answer.read()
    registered.set()
    me = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
    while True:
        connection.request("GET", "/2020-01-01/extension/event/next", headers=me)
        event = json.loads(connection.getresponse().read())["eventType"]
        os.write(1, f"inner {event}\\n".encode())  # at once: the other extension writes, too
registered = threading.Event()
threading.Thread(target=listen, daemon=True).start()
registered.wait(5)
print("runtime", flush=True)
def handler(event, context):
    if event == "crash":
        open("/tmp/crash", "w").close()
    return event
"""


def test_extensions(world: World) -> None:
    layer = world.root / unique("layer")
    (layer / "extensions").mkdir(parents=True)
    (layer / "extensions" / "outer").write_text(EXTENSION)
    (layer / "extensions" / "outer").chmod(0o755)
    function = world.function(INTERNAL, layers=(layer,), memory_mb=512, timeout_s=10)
    assert function.call(5, request_id="id-1") == 5
    kinds = function.kinds
    assert kinds[:2] == ["INIT_START", "runtime"]
    assert "EXTENSION\tName: outer\tState: Ready\tEvents: [INVOKE, SHUTDOWN]" in kinds
    assert "EXTENSION\tName: inner\tState: Ready\tEvents: [INVOKE]" in kinds
    wait_until(lambda: "REPORT" in function.kinds, what="the extensions are done")
    assert {"outer INVOKE id-1", "inner INVOKE"} <= set(function.kinds)
    assert function.call(6, request_id="id-2", tail=True) == 6
    assert "outer INVOKE id-2" in "".join(function.log)
    world.engine.retire(function.spec.key)
    wait_until(
        lambda: "outer SHUTDOWN spindown" in "".join(function.log), what="the extension is told of its end"
    )

    crashing = world.function(INTERNAL, layers=(layer,), memory_mb=512, timeout_s=10)
    crashing.invoke("crash", tail=True)
    crashing.invoke("x", tail=True)  # the extension finds the file that the invocation before left
    wait_until(lambda: any("Extension.Crash" in line for line in crashing.log), what="the crash is reported")
    assert crashing.call("after") == "after"


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")
@pytest.mark.timeout(240)  # the runtime client comes from npm on first use
def test_node(world: World) -> None:
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=10).stdout
    runtime = f"nodejs{int(version[1:].split('.')[0]) // 2 * 2}.x"
    function = world.function(
        """
        exports.handler = async (event, context) => {
            console.log("two\\nlines");
            if (!event) throw new TypeError("nope");
            return [event, context.awsRequestId];
        };
        exports.stream = awslambda.streamifyResponse(async (event, out) => {
            for (let i = 0; i < 100; i++) out.write("x".repeat(1000));
            out.end();
        });
        """,
        "main.js",
        runtime=runtime,
        memory_mb=1024,
        timeout_s=10,
    )
    assert world.run(function.begin(5, request_id="ID"), 230) and function.call(5, request_id="ID") == [
        5,
        "ID",
    ]
    assert any(line.endswith("INFO\ttwo\nlines\n") for line in function.log)
    assert function.fail()["errorType"] == "TypeError"

    streaming = FunctionSpec(
        **{name: getattr(function.spec, name) for name in FunctionSpec.__slots__}
        | {"handler": "main.stream", "key": unique("k")}
    )

    async def stream() -> int:
        answer = await world.engine.invoke_stream(streaming, b"{}", request_id="ID", invoked_arn=ARN)
        assert answer.streamed
        return sum([len(chunk) async for chunk in answer])

    assert world.run(stream()) == 100_000


def test_hot_reload_provisioning_and_retirement(world: World) -> None:
    function = world.function("import sub.part\ndef handler(e, c): return sub.part.value", hot_reload=True)
    function.write("sub/part.py", "value = 1")
    assert [function.call(), function.call()] == [1, 1]
    assert function.kinds.count("INIT_START") == 1
    function.write("sub/part.py", "value = 22")
    assert [function.call(), function.call()] == [22, 22]
    assert function.kinds.count("INIT_START") == 2

    ahead = world.function(
        "import os\ndef handler(e, c): return os.environ['AWS_LAMBDA_INITIALIZATION_TYPE']"
    )
    world.run(world.engine.provision(ahead.spec, 2))
    assert ahead.kinds.count("INIT_START") == 2

    async def together(count: int) -> list[Any]:
        return [
            json.loads(one.payload) for one in await asyncio.gather(*[ahead.begin() for _ in range(count)])
        ]

    assert ahead.call() == "provisioned-concurrency"
    assert sorted(world.run(together(3)))[-2:] == ["provisioned-concurrency"] * 2
    created = world.engine.stats().created
    world.engine.retire(ahead.spec.key)
    assert ahead.call() == "on-demand"
    assert world.engine.stats().created == created + 1


SNAPPED = """\
import os, random, time, urllib.request, uuid
from snapshot_restore_py import register_after_restore, register_before_snapshot
me = uuid.uuid4().hex
open("/tmp/from-init", "w").close()
hooks = []
register_before_snapshot(lambda: hooks.append("before"))
register_after_restore(lambda: hooks.append("after"))
def handler(event, context):
    if event == "exit":
        os._exit(3)
    if event == "memory":
        return len(bytearray(10**9))
    if event == "keys":
        url = os.environ["AWS_CONTAINER_CREDENTIALS_FULL_URI"]
        headers = {"Authorization": os.environ["AWS_CONTAINER_AUTHORIZATION_TOKEN"]}
        return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=5).read().decode()
    os.listdir("/proc/self/fd")
    found = sorted(os.listdir("/tmp"))
    open("/tmp/" + context.aws_request_id, "w").close()
    time.sleep(event or 0)
    return {"me": me, "hooks": hooks, "random": random.random(), "found": found,
            "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "stream": context.log_stream_name,
            "key": os.environ.get("AWS_ACCESS_KEY_ID")}
"""


def test_snap_start(world: World) -> None:
    function = world.function(SNAPPED, snap_start=True, memory_mb=512, timeout_s=10)
    world.run(world.engine.snapshot(function.spec))
    assert function.kinds == ["INIT_START"]

    async def together() -> list[Invocation]:
        return await asyncio.gather(*[function.begin(0.4) for _ in range(3)])

    done = world.run(together())
    assert all(one.restore_ms is not None and one.init_ms is None for one in done)
    found = [json.loads(one.payload) for one in done]
    assert len({one["me"] for one in found}) == 1, "the initialisation ran once"
    assert len({one["random"] for one in found}) == 3
    assert len({one["stream"] for one in found}) == 3
    for one in found:
        assert one["hooks"] == ["before", "after"]
        assert one["found"] == ["from-init"], "its own /tmp, with what the initialisation left there"
        assert (one["type"], one["key"]) == ("snap-start", None)
    assert function.kinds.count("RESTORE_START") == function.kinds.count("RESTORE_REPORT") == 3
    assert any("\tRestore Duration: " in line for line in function.log if line.startswith("REPORT"))
    assert json.loads(function.call("keys"))["AccessKeyId"] == f"AK-{function.spec.name}"
    assert function.fail("exit")["errorMessage"].endswith("exit status 3")
    assert function.fail("memory")["errorType"] == "Runtime.OutOfMemory"
    assert function.call()["me"] == found[0]["me"]
    world.engine.retire(function.spec.key)
    wait_until(lambda: not world.engine.stats().environments.get("snapshot"), what="the snapshot is gone")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
            "thread",
        ),
        ("import socket\nkept = socket.socket()", "socket"),
        ("1/0", "division by zero"),
    ],
    ids=["thread", "socket", "raises"],
)
def test_what_cannot_be_snapshotted_is_refused(world: World, code: str, words: str) -> None:
    function = world.function(f"{code}\ndef handler(e, c): return 1", snap_start=True)
    with pytest.raises(InitFailed, match=words):
        world.run(world.engine.snapshot(function.spec))


def test_a_function_calls_the_cloud(world: World) -> None:
    function = world.function(
        """
        import os, urllib.request
        def handler(event, context):
            return urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/x", timeout=5).read().decode()
        """,
        memory_mb=512,
    )
    assert function.call() == "cloud"
    assert world.calls[-1].startswith(b"GET /x HTTP/1.1\r\n")


@pytest.mark.timeout(240)  # the clients of another Python come from an index on first use
def test_every_python_has_its_boto3(world: World) -> None:
    own = [name for name, statement in world.engine.runtimes().items() if statement is None]
    for runtime in (name for name in own if name.startswith("python")):
        function = world.function(
            """
            import sys
            import boto3
            def handler(event, context):
                boto3.client("sts")
                return "python%d.%d" % sys.version_info[:2]
            """,
            runtime=runtime,
            memory_mb=2048,
            timeout_s=30,
        )
        done = world.run(function.begin(), 200)
        assert json.loads(done.payload) == runtime, done.payload


def test_without_root_it_says_what_to_do(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    async def scenario() -> None:
        sandboxes = Sandboxes(world.root / "ordinary", uuid.uuid4().hex[:6])
        engine = Engine(sandboxes, write_logs=world._write, credentials=None, gateway=lambda: Recorder([]))
        await engine.start()
        engine.expect(PYTHON)
        assert engine.runtimes() == {} and engine.stats().environments == {}
        spec = world.function("def handler(e, c): return e").spec
        for work in (
            engine.invoke(spec, b"{}", request_id="ID", invoked_arn=ARN),
            engine.provision(spec, 1),
            engine.snapshot(spec),
        ):
            with pytest.raises(FunctionsUnavailable, match="sudo undercast up"):
                await work
        await engine.close()

    world.run(scenario())
