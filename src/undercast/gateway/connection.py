"""One HTTP connection, on httptools: requests are read whole, an answer leaves with one write.

With limits for clients that are slow on purpose, too large or too many. WebSockets are handed to uvicorn's
protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus

import httptools
from uvicorn.config import Config
from uvicorn.server import ServerState

from undercast.gateway import heads
from undercast.gateway.request import Request, Response

log = logging.getLogger(__name__)

KEEP_ALIVE_S = 75  # longer than SDKs keep idle connections in their pools
HEADER_S = 15.0  # from a request's first byte to the end of its header
BODY_S = 60.0  # between two pieces of a body, and between two pieces that a client reads of an answer
LINGER_S = 5.0  # for a client that is still sending what was refused
MAX_HEADER = 64 * 1024  # bytes
MAX_BODY = 256 * 1024 * 1024  # bytes; no API of AWS's takes more in one request but S3's uploads

Respond = Callable[[Request], Awaitable[Response]]


@dataclass(slots=True)
class Shared:
    """What all connections of a server have in common."""

    respond: Respond
    config: Config  # of uvicorn, for WebSockets
    limit: int  # of connections
    date: bytes = b""  # the Date header, with its line's end
    connections: set[Connection] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)  # requests being answered
    websockets: ServerState = field(default_factory=ServerState)


class Connection(asyncio.Protocol):
    """A connection. Whoever made it calls `expire` now and then."""

    transport: asyncio.Transport

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        # What follows a request that closes the connection is ignored, not an error.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._deadline = math.inf  # the loop's time, while the client is what we wait for
        self._task: asyncio.Task[None] | None = None  # the request being answered
        self._waiting: deque[tuple[Request, bool]] = deque()  # sent ahead of the answer, with keep-alive
        self._streaming = False
        self._begun_to_answer = False
        self._last = False  # no request is taken after the one being answered
        self._room: asyncio.Future[None] | None = None  # while the client does not read
        self._unread = 0  # bytes, at the last look
        self._stalled_at = 0.0  # loop time since when the client has read nothing
        self._source = "127.0.0.1"
        self._begin()

    def _begin(self) -> None:
        self._url = b""
        self._header_list: list[tuple[str, str]] = []
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._header_bytes = 0
        self._begun = False
        self._in_body = False

    # from the transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as asyncio's
        self.transport = transport
        self._shared.connections.add(self)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._source = str(peer[0])
        self._deadline = self._loop.time() + KEEP_ALIVE_S
        if len(self._shared.connections) + len(self._shared.websockets.connections) > self._shared.limit:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, error: Exception | None) -> None:
        self._shared.connections.discard(self)
        self._waiting.clear()
        self._deadline = math.inf
        self.resume_writing()
        if self._streaming and self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        if self._last or self.transport.is_closing():
            return
        if not self._in_body:
            self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._wants_websocket():
                self._upgrade()
            return  # whoever offers another protocol gets an answer in this one
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        if self._header_bytes > MAX_HEADER:
            self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, lingering=True)

    def pause_writing(self) -> None:
        if self._room is None:
            self._room = self._loop.create_future()
            self._unread = self.transport.get_write_buffer_size()
            self._stalled_at = self._loop.time()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    # from the parser

    def on_message_begin(self) -> None:
        count = self._header_bytes
        self._begin()
        self._header_bytes = count
        self._begun = True
        self._deadline = self._loop.time() + HEADER_S

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, text: bytes) -> None:
        if self._in_body:
            return  # a trailer
        key, value = name.lower().decode("latin-1"), text.decode("latin-1")
        self._header_list.append((key, value))
        self._headers[key] = f"{self._headers[key]},{value}" if key in self._headers else value

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._header_bytes = 0
        self._deadline = self._loop.time() + BODY_S
        if self._task is None and self._headers.get("expect", "").lower() == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)
        self._body_bytes += len(body)
        self._deadline = self._loop.time() + BODY_S
        if self._body_bytes > MAX_BODY:
            self._body.clear()
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, lingering=True)

    def on_message_complete(self) -> None:
        parser = self._parser
        self._begun = self._in_body = False
        upgrade = parser.should_upgrade()
        if self._last or self.transport.is_closing() or (upgrade and self._wants_websocket()):
            return
        self._deadline = math.inf
        request = self._request(parser.get_method().decode("ascii"))
        keep_alive = parser.should_keep_alive() and not upgrade and parser.get_http_version() != "1.0"
        if self._task is None:
            self._start(request, keep_alive)
            return
        self._waiting.append((request, keep_alive))
        self.transport.pause_reading()  # what has been read may hold more requests, but no more is read

    # requests

    def _request(self, method: str) -> Request:
        url = self._url
        if not url.startswith(b"/") or b"#" in url:
            parsed = httptools.parse_url(url)
            url = parsed.path + (b"?" + parsed.query if parsed.query else b"")
        path, _, query = url.decode("ascii").partition("?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        self._body = []
        return Request(
            method, path, query, self._headers, self._header_list, body, "http", self._source, request_id()
        )

    def _start(self, request: Request, keep_alive: bool) -> None:
        self._task = task = self._loop.create_task(self._answer(request, keep_alive))
        self._shared.tasks.add(task)
        task.add_done_callback(self._shared.tasks.discard)

    async def _answer(self, request: Request, keep_alive: bool) -> None:
        self._begun_to_answer = False
        try:
            response = await self._shared.respond(request)
            if self._last:  # the server is stopping
                keep_alive = False
            body = response.body
            if isinstance(body, bytes):
                head, keep_alive = heads.whole(response, body, self._shared.date, request.method, keep_alive)
                if not self.transport.is_closing():
                    self.transport.write(head)
                if self._room is not None:
                    await self._room
            else:
                keep_alive = await self._stream(response, body, keep_alive, request.method)
        except Exception:
            log.exception("%s %s could not be answered", request.method, request.path)
            if not self._begun_to_answer:
                self._write_empty(HTTPStatus.INTERNAL_SERVER_ERROR)
            keep_alive = False
        finally:
            self._task = None
        if not keep_alive:
            self._last = True
            self.transport.close()
        elif not self.transport.is_closing():
            self._next()

    def _next(self) -> None:
        if self._waiting:
            self._start(*self._waiting.popleft())
            if not self._waiting:
                self.transport.resume_reading()
        elif self._deadline == math.inf:  # no next request has begun meanwhile
            self._deadline = self._loop.time() + KEEP_ALIVE_S

    async def _stream(
        self, response: Response, chunks: AsyncIterator[bytes], keep_alive: bool, method: str
    ) -> bool:
        """Send a stream piece by piece, no faster than it is read; a client that leaves ends it."""
        self._streaming = True
        try:
            if self.transport.is_closing():
                return False
            head, keep_alive = heads.beginning(response, self._shared.date, keep_alive)
            self._begun_to_answer = True
            self.transport.write(head)
            async for chunk in chunks:
                if chunk and method != "HEAD":
                    self.transport.writelines((b"%x\r\n" % len(chunk), chunk, b"\r\n"))
                if self._room is not None:
                    await self._room
                # A stream that always has more must not keep everybody else from running.
                await asyncio.sleep(0)
            self.transport.write(b"0\r\n\r\n" if method != "HEAD" else b"")
            return keep_alive
        except asyncio.CancelledError:
            return False  # the client is away, or the server is stopping
        finally:
            self._streaming = False
            if (close := getattr(chunks, "aclose", None)) is not None:
                with contextlib.suppress(asyncio.CancelledError):
                    await close()

    def _wants_websocket(self) -> bool:
        return self._headers.get("upgrade", "").lower() == "websocket"

    def _upgrade(self) -> None:
        """Hand the connection over."""
        if self._task is not None:
            self._refuse(HTTPStatus.BAD_REQUEST)
            return
        # Imported when there is one: start-up counts.
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

        self._shared.connections.discard(self)
        self._deadline = math.inf
        lines = [self._parser.get_method() + b" " + self._url + b" HTTP/1.1\r\n"]
        lines += [f"{name}: {text}\r\n".encode("latin-1") for name, text in self._header_list]
        protocol = WebSocketsSansIOProtocol(self._shared.config, self._shared.websockets, {})
        protocol.connection_made(self.transport)
        protocol.data_received(b"".join((*lines, b"\r\n")))
        self.transport.set_protocol(protocol)

    # limits and the end

    def expire(self, now: float) -> None:
        """Close the connection when its time is over; `now` is the loop's."""
        if now > self._deadline:
            self._deadline = math.inf
            if self._begun and not self._last:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
            else:
                self.transport.close()  # it asked for nothing, so an answer would be for its next request
        elif self._room is not None:
            unread = self.transport.get_write_buffer_size()
            if unread < self._unread:
                self._unread, self._stalled_at = unread, now
            elif now > self._stalled_at + BODY_S:
                self.transport.abort()

    def shutdown(self) -> None:
        """Take no further request, and close when there is none."""
        self._last = True
        if self._task is None:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, lingering: bool = False) -> None:
        """Answer, unless an answer is under way, and close. `lingering`: a client that is still sending
        would find the connection reset, and not read the answer, if it were closed at once."""
        if self._last or self.transport.is_closing():
            return
        if self._task is None:
            self._write_empty(status)
        if lingering:
            self._last = True
            self._deadline = self._loop.time() + LINGER_S
        else:
            self.transport.close()

    def _write_empty(self, status: HTTPStatus) -> None:
        line = f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
        self.transport.write(line.encode())


def request_id() -> str:
    """In the form of a version 4 UUID. It names a request and guards nothing, so it need not be secret."""
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
