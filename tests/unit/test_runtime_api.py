"""The Runtime and Extensions API as runtimes and extensions meet it, over real connections."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from undercast.functions.answers import PAYLOAD_LIMIT
from undercast.functions.exchange import BodyStream, Request
from undercast.functions.extensions import Extensions
from undercast.functions.function import FunctionSpec
from undercast.functions.runtime_api import RuntimeApi

SPEC = FunctionSpec(
    key="k",
    arn="arn:aws:lambda:us-east-1:000000000000:function:f",
    account="000000000000",
    region="us-east-1",
    name="f",
    version="7",
    runtime="provided.al2023",
    handler="main.handler",
    code=Path("/nonexistent"),
)
RUNTIME = "/2018-06-01/runtime"
EXTENSION = "/2020-01-01/extension"


class Recorder:
    """An environment that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []
        self.stream: BodyStream | None = None
        self.changed = asyncio.Event()

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)

        def tell(*arguments: Any) -> None:
            self.told.append((name, *arguments))
            if name == "stream_opened":
                self.stream = arguments[0]
            self.changed.set()

        return tell

    async def until(self, name: str) -> tuple[Any, ...]:
        """The first thing of this name that was told."""
        async with asyncio.timeout(5):
            while True:
                for told in self.told:
                    if told[0] == name:
                        return told
                self.changed.clear()
                await self.changed.wait()


class Client:
    """One connection from inside."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def send(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        self.writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        await self.writer.drain()

    async def receive(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(5):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            first, *lines = head.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
            return (
                int(first.split()[1]),
                headers,
                await self.reader.readexactly(int(headers["content-length"])),
            )

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Any:
        await self.send(method, path, body, **headers)
        return await self.receive()


class World:
    """An API that listens, and what it tells."""

    def __init__(self) -> None:
        self.events = Recorder()
        self.extensions = Extensions(SPEC, lambda: None)
        self.api = RuntimeApi(self.events, self.events, self.extensions, serves_runtime=True)
        self.port = 0
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self.clients.append(client)
        return client

    async def close(self) -> None:
        self.api.close()
        for client in self.clients:
            client.writer.close()
            with contextlib.suppress(OSError):
                await client.writer.wait_closed()

    def invoke(self, request_id: str, event: bytes = b"{}") -> None:
        self.api.invoke(request_id, SPEC.arn, "Root=1-2", '{"custom":{}}', event, 3000)


def play(scene: Callable[[World], Awaitable[None]]) -> None:
    """Run a scene against a listening API."""

    async def run() -> None:
        world = World()
        server = await asyncio.get_running_loop().create_server(world.api.connection, "127.0.0.1", 0)
        world.port = server.sockets[0].getsockname()[1]
        try:
            await scene(world)
        finally:
            server.close()
            await world.close()
            await server.wait_closed()

    asyncio.run(run())


def test_next_response_and_error() -> None:
    async def scene(world: World) -> None:
        runtime = await world.connect()
        await runtime.send("GET", f"{RUNTIME}/invocation/next")
        await world.events.until("runtime_ready")
        world.invoke("id-1", b'{"a": 1}')
        status, headers, body = await runtime.receive()
        assert (status, body) == (200, b'{"a": 1}')
        assert headers["lambda-runtime-aws-request-id"] == "id-1"
        assert headers["lambda-runtime-invoked-function-arn"] == SPEC.arn
        assert headers["lambda-runtime-trace-id"] == "Root=1-2"
        assert headers["lambda-runtime-client-context"] == '{"custom":{}}'
        assert int(headers["lambda-runtime-deadline-ms"]) > 1_700_000_000_000

        wrong = await runtime.call("POST", f"{RUNTIME}/invocation/other/response", b"1")
        assert (wrong[0], json.loads(wrong[2])["errorType"]) == (400, "InvalidRequestID")
        done = await runtime.call(
            "POST", f"{RUNTIME}/invocation/id-1/response", b'"x"', content_type="text/y"
        )
        assert (done[0], json.loads(done[2])) == (202, {"status": "OK"})
        assert world.events.told[-1] == ("answered", b'"x"', "text/y")
        again = await runtime.call("POST", f"{RUNTIME}/invocation/id-1/response", b'"x"')
        assert again[0] == 400

        world.invoke("id-2")  # before the runtime asks: it waits
        assert (await runtime.call("GET", f"{RUNTIME}/invocation/next"))[1][
            "lambda-runtime-aws-request-id"
        ] == "id-2"
        assert (await runtime.call("POST", f"{RUNTIME}/invocation/id-2/error", b'{"errorType":"E"}'))[
            0
        ] == 202
        assert world.events.told[-1] == ("failed", b'{"errorType":"E"}')

        world.invoke("id-3")
        await runtime.call("GET", f"{RUNTIME}/invocation/next")
        large = await runtime.call("POST", f"{RUNTIME}/invocation/id-3/response", b"x" * (PAYLOAD_LIMIT + 1))
        assert (large[0], json.loads(large[2])["errorType"]) == (413, "RequestEntityTooLarge")
        assert world.events.told[-1] == ("answered", None, "")

        failed = await runtime.call(
            "POST", f"{RUNTIME}/init/error", b"{}", lambda_runtime_function_error_type="Runtime.X"
        )
        assert failed[0] == 202
        assert world.events.told[-1] == ("runtime_init_failed", "Runtime.X", b"{}")
        assert (await runtime.call("GET", "/2018-06-01/nothing"))[0] == 404
        telemetry = await runtime.call("PUT", "/2022-07-01/telemetry", b"{}")
        assert (telemetry[0], json.loads(telemetry[2])["errorType"]) == (202, "Telemetry.NotSupported")

    play(scene)


@pytest.mark.parametrize("fails", [False, True])
def test_streamed_response(fails: bool) -> None:
    async def scene(world: World) -> None:
        runtime = await world.connect()
        world.invoke("id-1")
        await runtime.call("GET", f"{RUNTIME}/invocation/next")
        head = [
            f"POST {RUNTIME}/invocation/id-1/response HTTP/1.1",
            "Content-Type: text/z",
            "Lambda-Runtime-Function-Response-Mode: streaming",
            "Transfer-Encoding: chunked",
            "Trailer: Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body",
        ]
        runtime.writer.write("\r\n".join([*head, "", ""]).encode())
        total, chunk = 4 * 1024 * 1024, b"8000\r\n" + b"y" * 0x8000 + b"\r\n"
        writing = asyncio.create_task(self_feeding(runtime, chunk, total // 0x8000, fails))
        _, stream, content_type = await world.events.until("stream_opened")
        assert content_type == "text/z"
        await asyncio.sleep(0.05)
        assert stream.total < 1024 * 1024, "the writer must wait for a reader who is slow"
        size = 0

        async def read() -> None:
            nonlocal size
            async for piece in stream.chunks():
                size += len(piece)

        reading = asyncio.create_task(read())
        closed = await world.events.until("stream_closed")
        stream.end()
        await reading
        await writing
        assert size == total
        assert (await runtime.receive())[0] == 202
        assert closed[1:] == (("E.T", b'{"m":1}') if fails else (None, b""))

    async def self_feeding(runtime: Client, chunk: bytes, count: int, failing: bool) -> None:
        for _ in range(count):
            runtime.writer.write(chunk)
            await runtime.writer.drain()
        trailer = ""
        if failing:
            body = base64.b64encode(b'{"m":1}').decode()
            trailer = (
                f"Lambda-Runtime-Function-Error-Type: E.T\r\nLambda-Runtime-Function-Error-Body: {body}\r\n"
            )
        runtime.writer.write(b"0\r\n" + trailer.encode() + b"\r\n")

    play(scene)


def test_dropped_stream_lets_the_runtime_finish() -> None:
    async def scene(world: World) -> None:
        runtime = await world.connect()
        world.invoke("id-1")
        await runtime.call("GET", f"{RUNTIME}/invocation/next")
        sending = asyncio.create_task(
            runtime.call(
                "POST",
                f"{RUNTIME}/invocation/id-1/response",
                b"y" * 4_000_000,
                lambda_runtime_function_response_mode="streaming",
            )
        )
        _, stream, _ = await world.events.until("stream_opened")
        async for _ in stream.chunks():
            break  # the caller hangs up
        stream.drop()
        assert (await sending)[0] == 202

    play(scene)


def test_extensions() -> None:
    async def scene(world: World) -> None:
        world.extensions.expect(["outer"])
        assert not world.extensions.all_registered
        outer, inner = await world.connect(), await world.connect()
        events = json.dumps({"events": ["INVOKE", "SHUTDOWN"]}).encode()

        async def register(client: Client, name: str, body: bytes = events, **headers: str) -> Any:
            return await client.call(
                "POST", f"{EXTENSION}/register", body, lambda_extension_name=name, **headers
            )

        status, headers, body = await register(outer, "outer", lambda_extension_accept_feature="accountId")
        assert status == 200
        assert json.loads(body) == {
            "functionName": "f",
            "functionVersion": "7",
            "handler": "main.handler",
            "accountId": "000000000000",
        }
        me = {"lambda_extension_identifier": headers["lambda-extension-identifier"]}
        refused = await register(inner, "inner")
        assert (refused[0], json.loads(refused[2])["errorType"]) == (
            403,
            "ShutdownEventNotSupportedForInternalExtension",
        )
        assert (await register(inner, "inner", b'{"events": ["NONE"]}'))[0] == 403
        assert (await register(inner, "inner", b"no"))[0] == 400
        assert (await register(inner, "outer"))[0] == 403
        other = (await register(inner, "inner", b'{"events": ["INVOKE"]}'))[1]["lambda-extension-identifier"]
        assert world.extensions.all_registered and not world.extensions.all_ready

        assert (await outer.call("GET", f"{EXTENSION}/event/next"))[0] == 403
        assert (await outer.call("GET", f"{EXTENSION}/event/next", lambda_extension_identifier="x"))[0] == 403
        await outer.send("GET", f"{EXTENSION}/event/next", **me)
        await inner.send("GET", f"{EXTENSION}/event/next", lambda_extension_identifier=other)
        async with asyncio.timeout(5):
            while not world.extensions.all_ready:
                await asyncio.sleep(0)
        world.extensions.close_registration()
        late = await register(await world.connect(), "late", b"{}")
        assert json.loads(late[2])["errorType"] == "Extension.RegistrationClosed"

        world.extensions.invoke(Request("id-1", b"", SPEC.arn, trace_id="T"), 5000)
        for client in (outer, inner):
            _, headers, body = await client.receive()
            assert "lambda-extension-event-identifier" in headers
            assert json.loads(body) == {
                "eventType": "INVOKE",
                "deadlineMs": 5000,
                "requestId": "id-1",
                "invokedFunctionArn": SPEC.arn,
                "tracing": {"type": "X-Amzn-Trace-Id", "value": "T"},
            }
        assert not world.extensions.idle
        await inner.send("GET", f"{EXTENSION}/event/next", lambda_extension_identifier=other)
        await outer.send("GET", f"{EXTENSION}/event/next", **me)
        async with asyncio.timeout(5):
            while not world.extensions.idle:
                await asyncio.sleep(0)

        ending = asyncio.create_task(world.extensions.shutdown("spindown"))
        event = json.loads((await outer.receive())[2])
        assert (event["eventType"], event["shutdownReason"]) == ("SHUTDOWN", "spindown")
        assert not ending.done()
        outer.writer.close()  # its process ended
        async with asyncio.timeout(1):
            await ending

    play(scene)
