"""The extensions of one environment, as registered over the Extensions API (2020-01-01)."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from undercast.functions.exchange import Request
from undercast.functions.function import FunctionSpec
from undercast.functions.http_connection import Connection, error

SHUTDOWN_S = 2.0  # how long external extensions have for their shutdown
_EVENTS = ("INVOKE", "SHUTDOWN")
_LIMIT = 10  # registered extensions of one function


@dataclass(slots=True, eq=False)
class Extension:
    """One that has registered."""

    name: str
    events: list[str]
    external: bool
    identifier: str = field(default_factory=lambda: str(uuid.uuid4()))
    ready: bool = False  # it has asked for an event at least once
    busy: bool = False  # it has an INVOKE event and has not asked for the next one
    event: bytes | None = None  # waits to be fetched
    waiting: Connection | None = None  # its request for the next event


class Extensions:
    """Who registered, who is ready, and their events."""

    def __init__(self, spec: FunctionSpec, changed: Callable[[], None]) -> None:
        self._spec = spec
        self._changed = changed  # called when one registers, becomes ready or finishes an event
        self._by_id: dict[str, Extension] = {}
        self._expected: set[str] = set()
        self._closed = False
        self.errors: list[tuple[str, str]] = []  # name and error type, as extensions reported them

    def expect(self, names: list[str]) -> None:
        """External extensions are started under these names."""
        self._expected.update(names)

    def close_registration(self) -> None:
        """The initialisation is over."""
        self._closed = True

    @property
    def any(self) -> bool:
        """Whether there is one, registered or expected."""
        return bool(self._by_id) or bool(self._expected)

    @property
    def all_registered(self) -> bool:
        names = {extension.name for extension in self._by_id.values()}
        return self._expected <= names

    @property
    def all_ready(self) -> bool:
        return self.all_registered and all(extension.ready for extension in self._by_id.values())

    @property
    def idle(self) -> bool:
        """Whether none is busy with an event."""
        return not any(extension.busy for extension in self._by_id.values())

    def described(self) -> list[tuple[str, list[str]]]:
        """Names and events, for the log."""
        return [(extension.name, extension.events) for extension in self._by_id.values()]

    def invoke(self, request: Request, deadline_ms: int) -> None:
        """Tell those that want to know that an event is being served."""
        tracing = {"type": "X-Amzn-Trace-Id", "value": request.trace_id}
        event = {
            "eventType": "INVOKE",
            "deadlineMs": deadline_ms,
            "requestId": request.request_id,
            "invokedFunctionArn": request.arn,
            "tracing": tracing,
        }
        for extension in self._by_id.values():
            if "INVOKE" in extension.events:
                extension.busy = True
                self._give(extension, event)

    async def shutdown(self, reason: str) -> None:
        """Tell those that want to know, and wait until they are gone, within AWS's limit."""
        wanted = [extension for extension in self._by_id.values() if "SHUTDOWN" in extension.events]
        if not wanted:
            return
        event = {
            "eventType": "SHUTDOWN",
            "shutdownReason": reason,
            "deadlineMs": int((time.time() + SHUTDOWN_S) * 1000),
        }
        for extension in wanted:
            extension.busy = True
            self._give(extension, event)
        done = asyncio.Event()
        before, self._changed = self._changed, done.set
        try:
            async with asyncio.timeout(SHUTDOWN_S):
                while any(extension.busy for extension in wanted):
                    done.clear()
                    await done.wait()
        except TimeoutError:
            return
        finally:
            self._changed = before

    def handle(self, connection: Connection, path: str) -> None:
        """Answer a request under /2020-01-01/extension."""
        if path == "/register" and connection.method == "POST":
            self._register(connection)
            return
        extension = self._by_id.get(connection.headers.get("lambda-extension-identifier", ""))
        if "lambda-extension-identifier" not in connection.headers:
            kind = "Extension.MissingExtensionIdentifier"
            connection.respond(403, error("Missing Lambda-Extension-Identifier header", kind))
        elif extension is None:
            kind = "Extension.UnknownExtensionIdentifier"
            connection.respond(403, error("Unknown Lambda-Extension-Identifier", kind))
        elif path == "/event/next" and connection.method == "GET":
            self._next(connection, extension)
        elif path in ("/init/error", "/exit/error") and connection.method == "POST":
            kind = connection.headers.get("lambda-extension-function-error-type", "")
            if not kind:
                text = "Missing Lambda-Extension-Function-Error-Type header"
                connection.respond(403, error(text, "Extension.MissingHeader"))
                return
            self.errors.append((extension.name, kind))
            connection.respond(202, b'{"status":"OK"}')
            extension.busy = False
            self._changed()
        else:
            connection.respond(404, error("Not found", "NotFound"))

    def lost(self, connection: Connection) -> None:
        """A connection closed: an extension that shuts down ends this way."""
        for extension in self._by_id.values():
            if extension.waiting is connection:
                extension.waiting = None
            elif connection.state is extension and extension.busy:
                extension.busy = False
                self._changed()

    def _register(self, connection: Connection) -> None:
        name = connection.headers.get("lambda-extension-name", "")
        if self._closed:
            kind = "Extension.RegistrationClosed"
            connection.respond(403, error("Extension registration closed already", kind))
            return
        if not name:
            connection.respond(403, error("Missing Lambda-Extension-Name header", "Extension.MissingName"))
            return
        try:
            document: Any = json.loads(bytes(connection.body) or b"{}")
            events = [str(event) for event in document.get("events", [])]
        except (ValueError, AttributeError, TypeError) as problem:
            connection.respond(400, error(str(problem), "InvalidRequestFormat"))
            return
        external = name in self._expected
        for event in events:
            if event not in _EVENTS:
                connection.respond(
                    403, error(f"{event}: event type is unknown", "Extension.InvalidEventType")
                )
                return
            if event == "SHUTDOWN" and not external:
                kind = "ShutdownEventNotSupportedForInternalExtension"
                connection.respond(403, error("SHUTDOWN: shutdown event not supported", kind))
                return
        if any(extension.name == name for extension in self._by_id.values()):
            kind = "Extension.AlreadyRegistered"
            connection.respond(403, error("Extension with this name already registered", kind))
            return
        if len(self._by_id) >= _LIMIT:
            text = f"Extension limit ({_LIMIT}) reached"
            connection.respond(403, error(text, "Extension.TooManyExtensions"))
            return
        extension = Extension(name, events, external)
        self._by_id[extension.identifier] = extension
        answer = {
            "functionName": self._spec.name,
            "functionVersion": self._spec.version,
            "handler": self._spec.handler,
        }
        if "accountId" in connection.headers.get("lambda-extension-accept-feature", ""):
            answer["accountId"] = self._spec.account
        headers = {"Lambda-Extension-Identifier": extension.identifier}
        connection.respond(200, json.dumps(answer).encode(), headers)
        self._changed()

    def _next(self, connection: Connection, extension: Extension) -> None:
        connection.state = extension
        extension.ready = True
        extension.busy = False
        extension.waiting = connection
        if extension.event is not None:
            extension.busy = True
            self._flush(extension)
        self._changed()

    def _give(self, extension: Extension, event: dict[str, Any]) -> None:
        extension.event = json.dumps(event).encode()
        if extension.waiting is not None:
            self._flush(extension)

    @staticmethod
    def _flush(extension: Extension) -> None:
        connection, event = extension.waiting, extension.event
        if connection is not None and event is not None:
            headers = {"Lambda-Extension-Event-Identifier": str(uuid.uuid4())}
            if connection.respond(200, event, headers):
                extension.event = None
            extension.waiting = None
