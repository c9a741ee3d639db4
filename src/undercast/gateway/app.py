"""The HTTP application: reads a request, finds who answers it, writes the answer. Raw ASGI, for speed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from undercast.gateway import cors, sigv4
from undercast.gateway.api import Api
from undercast.gateway.auth import Authenticator, Refused, refusal
from undercast.gateway.internal import Internal
from undercast.gateway.request import Request, Response
from undercast.gateway.terminal import TerminalDoor
from undercast.services.base import Caller, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from undercast.cloud import Cloud

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MAX_BODY = 256 * 1024 * 1024  # bytes; no API of AWS's takes more in one request but S3's uploads
BODY_TIMEOUT_S = 60.0  # between two pieces of a body

Plane = Callable[[HttpRequest], Awaitable[HttpResponse | None]]


class _TooLarge(Exception):
    """The body is larger than any request may be."""


class Gateway:
    """The ASGI application."""

    def __init__(self, cloud: Cloud) -> None:
        settings = cloud.settings
        self._auth_on = settings.auth == "on"
        self.authenticator = Authenticator(cloud.iam.credential, self._auth_on, settings.account)
        self._api = Api(cloud, self.authenticator)
        self._internal = Internal(cloud, self.authenticator)
        self._terminals = TerminalDoor(cloud, self.authenticator)
        self._planes: list[Plane] = [
            plane for service in cloud.services.values() if (plane := getattr(service, "handle_http", None))
        ]

    def authenticate(self, asked: HttpRequest) -> Caller:
        """Who signed a request to a data plane. Raises `AwsError` (403)."""
        headers: dict[str, str] = {}
        for name, text in asked.headers:
            headers[name] = f"{headers[name]},{text}" if name in headers else text
        request = Request(
            asked.method,
            asked.raw_path,
            asked.query_string,
            headers,
            asked.headers,
            asked.body,
            asked.scheme,
            asked.source_ip,
            asked.request_id,
        )
        try:
            return self.authenticator.caller(request, sigv4.read(request))
        except sigv4.Incomplete as error:
            raise refusal("incomplete", "execute-api", "rest-json", str(error)) from error
        except Refused as refused:
            raise refusal(refused.case, "execute-api", "rest-json", refused.detail) from refused

    def sign_in_link(self, url: str) -> str:
        """A link that signs the first account's root in to the console, once."""
        return self._internal.sign_in_link(url)

    def close(self) -> None:
        """Release threads."""
        self._api.close()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._terminals.answer(_request(scope, "GET", b""), receive, send)
            return
        try:
            request = await _read(scope, receive)
        except _TooLarge:
            await _send_body(send, Response(413, [("content-type", "text/plain")], b"Request too large\n"))
            return
        except TimeoutError:
            await _send_body(send, Response(408, [("connection", "close")], b""))
            return
        except ConnectionError:
            return  # the client is away: nobody is there to be answered
        response = await self._respond(request)
        if isinstance(response.body, bytes):
            await _send_body(send, response)
        else:
            await _send_stream(receive, send, response, response.body)

    async def _respond(self, request: Request) -> Response:
        if self._planes and (request.path.startswith("/_aws/") or cors.is_name(request.host)):
            answered = await self._from_plane(request)
            if answered is not None:
                return answered
        if not cors.origin_allowed(request, self._auth_on):
            return Response(403, [("content-type", "text/plain")], b"This origin may not call the API.\n")
        if (preflight := cors.preflight(request)) is not None:
            return preflight
        if request.path.startswith(("/_undercast", "/console")) or request.path == "/":
            internal = await self._internal.answer(request)
            if internal is not None:
                return internal
        response = await self._api.answer(request)
        if "origin" in request.headers:
            cors.allow(response)
        return response

    async def _from_plane(self, request: Request) -> Response | None:
        asked = HttpRequest(
            method=request.method,
            path=unquote(request.path),
            raw_path=request.path,
            query_string=request.query,
            headers=request.header_list,
            body=request.body,
            source_ip=request.source_ip,
            scheme=request.scheme,
            host=request.host,
            request_id=request.request_id,
        )
        for plane in self._planes:
            try:
                answer = await plane(asked)
            except Exception:
                log.exception("%s %s%s failed", request.method, request.host, request.path)
                return Response(
                    500, [("content-type", "application/json")], b'{"message":"Internal Server Error"}'
                )
            if answer is not None:
                return Response(answer.status, answer.headers, answer.body)
        return None


async def _read(scope: MutableMapping[str, Any], receive: Receive) -> Request:
    async with asyncio.timeout(BODY_TIMEOUT_S):
        message = await receive()
    body: bytes = message.get("body", b"")
    if message.get("more_body"):
        body = await _read_rest(body, receive)
    elif message["type"] == "http.disconnect":
        raise ConnectionError
    return _request(scope, scope["method"], body)


def _request(scope: MutableMapping[str, Any], method: str, body: bytes) -> Request:
    header_list = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in scope["headers"]]
    headers: dict[str, str] = {}
    for name, text in header_list:
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    client = scope.get("client")
    return Request(
        method,
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        header_list,
        body,
        scope.get("scheme", "http"),
        client[0] if client else "127.0.0.1",
        _request_id(),
    )


def _request_id() -> str:
    # In the form of a version 4 UUID. It names a request and guards nothing, so it need not be secret.
    digits = f"{random.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


async def _read_rest(body: bytes, receive: Receive) -> bytes:
    pieces, size = [body], len(body)
    while True:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError
        piece = message.get("body", b"")
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BODY:
            raise _TooLarge
        if not message.get("more_body"):
            return b"".join(pieces)


def _start(response: Response) -> Message:
    headers = [(name.lower().encode("latin-1"), _header_text(text)) for name, text in response.headers]
    return {"type": "http.response.start", "status": response.status, "headers": headers}


def _header_text(text: str) -> bytes:
    # A line break in a header would let a value write headers of its own.
    return text.replace("\r", " ").replace("\n", " ").encode("utf-8")


async def _send_body(send: Send, response: Response) -> None:
    body = response.body
    assert isinstance(body, bytes)
    if response.status not in (204, 304) and not any(
        n.lower() == "content-length" for n, _ in response.headers
    ):
        response.headers.append(("content-length", str(len(body))))
    await send(_start(response))
    await send({"type": "http.response.body", "body": body})


async def _send_stream(
    receive: Receive, send: Send, response: Response, chunks: AsyncIterator[bytes]
) -> None:
    """Send a stream piece by piece, no faster than it is read; a client that leaves ends it."""

    async def pump() -> None:
        await send(_start(response))
        async for chunk in chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            # Sending does not wait while there is room, or once the client is gone: a stream that
            # always has more would keep everybody else from running.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b""})

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    pumping, leaving = asyncio.ensure_future(pump()), asyncio.ensure_future(gone())
    try:
        await asyncio.wait({pumping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if pumping.done():
            pumping.result()
    finally:
        for task in (pumping, leaving):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task
        if (close := getattr(chunks, "aclose", None)) is not None:
            await close()
