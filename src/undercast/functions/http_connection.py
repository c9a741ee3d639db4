"""One HTTP/1.1 connection from inside an environment to its Runtime and Extensions API."""

from __future__ import annotations

import asyncio
import json
from typing import Protocol, cast

import httptools

_STATUS = {
    200: b"200 OK",
    202: b"202 Accepted",
    400: b"400 Bad Request",
    403: b"403 Forbidden",
    404: b"404 Not Found",
    413: b"413 Request Entity Too Large",
    500: b"500 Internal Server Error",
}
_HEAD_LIMIT = 1536 * 1024  # the runtime clients' X-Ray cause header alone may have 1 MB


class BodySink(Protocol):
    """Takes a request's body as it arrives."""

    def feed(self, data: bytes) -> bool: ...


class Api(Protocol):
    """Answers requests."""

    def begin(self, connection: Connection) -> BodySink | None:
        """The head is there: choose who takes the body, None to have it collected."""

    def handle(self, connection: Connection) -> None:
        """The request is complete: answer it now or later with `Connection.respond`."""

    def lost(self, connection: Connection) -> None:
        """The connection closed."""


class Connection(asyncio.Protocol):
    """Parses requests one after the other; a request's fields are valid until it was answered."""

    def __init__(self, api: Api, body_limit: int) -> None:
        self._api = api
        self.body_limit = body_limit  # of a body that is collected; `Api.begin` may change it
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._sink: BodySink | None = None
        self._url = b""
        self._in_body = False
        self._received = 0  # since the request began, while its head is not complete
        self.method = ""
        self.path = ""
        self.headers: dict[str, str] = {}  # lower-case names
        self.trailers: dict[str, str] = {}
        self.body = bytearray()
        self.too_large = False
        self.state: object = None  # the API's own, while the request lasts

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._api.lost(self)

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._received += len(data)
            if self._received > _HEAD_LIMIT:
                self.abort()
                return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.respond(400, error("Bad request", "InvalidRequest"))
            self.close()

    @property
    def closed(self) -> bool:
        """Whether nothing can be received or sent any more."""
        return self._transport is None

    def close(self) -> None:
        """Close the connection after what was written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close the connection now."""
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read no more for now."""
        if self._transport is not None:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        if self._transport is not None:
            self._transport.resume_reading()

    def respond(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> bool:
        """Answer the request; false when the connection is gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n" % (
            _STATUS[status],
            len(body),
        )
        if headers:
            head += "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode()
        if len(body) < 65536:
            transport.write(head + b"\r\n" + body)
        else:
            transport.write(head + b"\r\n")
            transport.write(body)
        return True

    # httptools' callbacks

    def on_message_begin(self) -> None:
        self._url, self._in_body, self._sink = b"", False, None
        self.headers, self.trailers, self.body = {}, {}, bytearray()
        self.too_large = False

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        fields = self.trailers if self._in_body else self.headers
        fields[name.decode("latin-1").lower()] = value.decode("utf-8", "replace")

    def on_headers_complete(self) -> None:
        self._in_body, self._received = True, 0
        self.method = self._parser.get_method().decode("ascii")
        self.path = self._url.split(b"?", 1)[0].decode("ascii", "replace")
        self._sink = self._api.begin(self)

    def on_body(self, data: bytes) -> None:
        if self._sink is not None:
            self.too_large |= not self._sink.feed(data)
        elif self.too_large or len(self.body) + len(data) > self.body_limit:
            self.too_large = True
            self.body.clear()  # the rest is read and thrown away
        else:
            self.body += data

    def on_message_complete(self) -> None:
        self._in_body = False
        self._api.handle(self)


def error(message: str, kind: str) -> bytes:
    """An error body of the Runtime API."""
    return json.dumps({"errorMessage": message, "errorType": kind}).encode()
