"""The Runtime API (2018-06-01) of one environment, as the runtimes inside speak it over HTTP."""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import json
import time

from undercast.functions import container_keys
from undercast.functions.answers import PAYLOAD_LIMIT, Answers
from undercast.functions.channel import RuntimeEvents
from undercast.functions.container_keys import ContainerKeys
from undercast.functions.exchange import BodyStream
from undercast.functions.extensions import Extensions
from undercast.functions.http_connection import BodySink, Connection, error

_RUNTIME = "/2018-06-01/runtime"
_EXTENSION = "/2020-01-01/extension"
_TELEMETRY = ("/2022-07-01/telemetry", "/2020-08-15/logs")
_BODY_LIMIT = 256 * 1024  # of anything but an answer
_OK = b'{"status":"OK"}'


class RuntimeApi:
    """Answers every connection from inside one environment; the transport of runtimes that speak HTTP."""

    def __init__(
        self,
        events: RuntimeEvents,
        answers: Answers,
        extensions: Extensions,
        serves_runtime: bool,
        keys: ContainerKeys | None = None,
    ) -> None:
        self._events = events
        self._answers = answers
        self._extensions = extensions
        self._keys = keys
        self._serves_runtime = serves_runtime  # false where the runtime uses the channel
        self._connections: set[Connection] = set()
        self._waiting: Connection | None = None  # the runtime's request for the next event
        self._restoring: Connection | None = None  # the runtime's request to be restored
        self._asked = False
        self._pending: tuple[bytes, dict[str, str]] | None = None
        self._current = ""  # id of the request being served
        self._stream: BodyStream | None = None
        self._answering: Connection | None = None  # sends the answer to the request being served
        self._none_left = asyncio.Event()  # no connection is open
        self._none_left.set()

    def connection(self) -> Connection:
        """A protocol for a new connection."""
        connection = Connection(self, _BODY_LIMIT)
        self._connections.add(connection)
        self._none_left.clear()
        return connection

    async def disconnected(self, limit_s: float) -> None:
        """Return when every connection was read to its end, or after the limit."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit_s):
                await self._none_left.wait()

    def close(self) -> None:
        """Drop every connection."""
        for connection in list(self._connections):
            connection.abort()
        if self._stream is not None:
            self._stream.end()

    def invoke(
        self, request_id: str, arn: str, trace: str, client_context: str, event: bytes, limit_ms: int
    ) -> None:
        """Hand an event to the runtime: now when it asks already, otherwise when it does."""
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + limit_ms),
            "Lambda-Runtime-Invoked-Function-Arn": arn,
        }
        if trace:
            headers["Lambda-Runtime-Trace-Id"] = trace
        if client_context:
            headers["Lambda-Runtime-Client-Context"] = client_context
        self._current = request_id
        self._pending = (event, headers)
        self._give()

    def proceed(self) -> None:
        """Let a runtime that waits to be restored go on."""
        if self._restoring is not None:
            self._restoring.respond(200, b"")
            self._restoring = None

    # Api, for the connections

    def begin(self, connection: Connection) -> BodySink | None:
        connection.body_limit = _BODY_LIMIT
        if not self._current or self._request_id(connection) != self._current:
            return None
        if self._answering is None or self._answering.closed:
            self._answering = connection
        if self._answering is not connection:
            return None  # one connection at a time may send much
        connection.body_limit = PAYLOAD_LIMIT
        mode = connection.headers.get("lambda-runtime-function-response-mode", "")
        if mode.lower() != "streaming" or not connection.path.endswith("/response"):
            return None
        stream = BodyStream(connection.pause, connection.resume)
        self._stream = stream
        connection.state = stream
        content_type = connection.headers.get("content-type", "application/octet-stream")
        self._answers.stream_opened(stream, content_type)
        return stream

    def handle(self, connection: Connection) -> None:
        path = connection.path
        if path.startswith(_EXTENSION):
            self._extensions.handle(connection, path[len(_EXTENSION) :])
        elif path.startswith(_RUNTIME) and self._serves_runtime:
            self._runtime(connection, path[len(_RUNTIME) :])
        elif path == container_keys.PATH and self._keys is not None:
            self._keys.handle(connection)
        elif path in _TELEMETRY:
            name = "Telemetry" if path == _TELEMETRY[0] else "Logs"
            # AWS's own runtime interface emulator answers so where these are not offered
            connection.respond(202, error(f"{name} API is not supported", f"{name}.NotSupported"))
        elif path.startswith(_RUNTIME):
            state = "State transition is not allowed"
            connection.respond(403, error(state, "InvalidStateTransition"))
        else:
            connection.respond(404, error("Not found", "NotFound"))

    def lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._none_left.set()
        if self._waiting is connection:
            self._waiting = None
        self._extensions.lost(connection)

    # the runtime's requests

    def _runtime(self, connection: Connection, path: str) -> None:
        method = connection.method
        if method == "GET" and path == "/invocation/next":
            self._next(connection)
        elif method == "GET" and path == "/restore/next":
            self._restoring = connection
            self._events.runtime_at_snapshot()
        elif method == "POST" and path.startswith("/invocation/"):
            self._answer(connection, path.rsplit("/", 1)[-1])
        elif method == "POST" and path in ("/init/error", "/restore/error"):
            kind = connection.headers.get("lambda-runtime-function-error-type", "Runtime.Unknown")
            connection.respond(202, _OK)
            failed = self._events.runtime_init_failed
            if path == "/restore/error":
                failed = self._events.runtime_restore_failed
            failed(kind, bytes(connection.body))
        else:
            connection.respond(404, error("Not found", "NotFound"))

    def _next(self, connection: Connection) -> None:
        self._waiting = connection
        if not self._asked:
            self._asked = True
            self._events.runtime_ready()
        elif not self._current:
            self._events.runtime_idle()
        self._give()

    def _give(self) -> None:
        if self._waiting is not None and self._pending is not None:
            event, headers = self._pending
            if self._waiting.respond(200, event, headers):
                self._pending = None
            self._waiting = None

    def _answer(self, connection: Connection, action: str) -> None:
        if action not in ("response", "error"):
            connection.respond(404, error("Not found", "NotFound"))
            return
        if not self._current or self._request_id(connection) != self._current:
            connection.respond(400, error("Invalid request ID", "InvalidRequestID"))
            return
        self._current = ""
        self._answering = None
        if connection.state is not None and connection.state is self._stream:
            self._streamed(connection)
            return
        body = bytes(connection.body)
        if connection.too_large:
            text = f"Exceeded maximum allowed payload size ({PAYLOAD_LIMIT} bytes)."
            connection.respond(413, error(text, "RequestEntityTooLarge"))
            self._answers.answered(None, "")
            return
        connection.respond(202, _OK)
        if action == "error":
            self._answers.failed(body)
        else:
            content_type = connection.headers.get("content-type", "application/json")
            self._answers.answered(body, content_type)

    def _streamed(self, connection: Connection) -> None:
        connection.state = None
        self._stream = None
        if connection.too_large:
            text = "Exceeded maximum allowed payload size."
            connection.respond(413, error(text, "RequestEntityTooLarge"))
            self._answers.stream_closed("Function.ResponseSizeTooLarge", error(text, "RequestEntityTooLarge"))
            return
        connection.respond(202, _OK)
        kind = connection.trailers.get("lambda-runtime-function-error-type")
        body = b""
        if kind:
            body = (
                _decode(connection.trailers.get("lambda-runtime-function-error-body", ""))
                or json.dumps({"errorType": kind, "errorMessage": ""}).encode()
            )
        self._answers.stream_closed(kind, body)

    @staticmethod
    def _request_id(connection: Connection) -> str:
        parts = connection.path.split("/")
        return parts[4] if len(parts) == 6 else ""


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return text.encode()
