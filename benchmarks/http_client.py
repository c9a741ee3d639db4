"""The leanest HTTP client there is: prepared bytes out, Content-Length bytes in.

It must not be the bottleneck.
"""

from __future__ import annotations

import asyncio
import socket
import time
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


def request_bytes(method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> bytes:
    """A whole HTTP/1.1 request."""
    parts = urlsplit(url)
    path = parts.path or "/"
    if parts.query:
        path += "?" + parts.query
    lines = [f"{method} {path} HTTP/1.1", f"Host: {parts.netloc}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items() if name.lower() != "host"]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def signed(method: str, url: str, body: bytes, service: str, region: str, key: str, secret: str) -> bytes:
    """A request signed with Signature V4 by botocore; good for five minutes."""
    request = AWSRequest(method, url, data=body, headers={"Content-Type": "application/json"})
    SigV4Auth(Credentials(key, secret), service, region).add_auth(request)
    return request_bytes(method, url, body, dict(request.headers.items()))


def latencies(host: str, port: int, request: bytes, count: int) -> list[float]:
    """Seconds of each of `count` requests, one after another on one connection."""
    times: list[float] = []
    with socket.create_connection((host, port), timeout=30) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(count):
            began = time.perf_counter()
            connection.sendall(request)
            _read_answer(connection)
            times.append(time.perf_counter() - began)
    return times


def _read_answer(connection: socket.socket) -> bytes:
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _received(connection)
    head = data[:end].lower()
    if not head.startswith(b"http/1.1 200"):
        raise RuntimeError(data[:500].decode(errors="replace"))
    length = _content_length(head)
    while len(data) < end + 4 + length:
        data += _received(connection)
    return data[end + 4 :]


def _received(connection: socket.socket) -> bytes:
    part = connection.recv(1 << 16)
    if not part:
        raise RuntimeError("the server closed the connection")
    return part


def _content_length(head: bytes) -> int:
    at = head.find(b"content-length:")
    return int(head[at + 15 : head.find(b"\r\n", at) if head.find(b"\r\n", at) > 0 else len(head)])


class _Loader(asyncio.Protocol):
    """Sends the same request again as soon as the answer is there, until the count is used up."""

    def __init__(self, request: bytes, left: list[int], done: asyncio.Future[None]) -> None:
        self._request, self._left, self._done = request, left, done
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if self._left[0] <= 0:
            self._transport.close()
            if not self._done.done():
                self._done.set_result(None)
            return
        self._left[0] -= 1
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self._data[:end].lower()
        if not head.startswith(b"http/1.1 200"):
            self._done.set_exception(RuntimeError(self._data[:500].decode(errors="replace")))
            self._transport.close()
            return
        if len(self._data) >= end + 4 + _content_length(head):
            self._data = b""
            self._send()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or RuntimeError("the server closed the connection"))


async def throughput(host: str, port: int, requests: list[bytes], count: int) -> float:
    """Requests per second: one connection for each of `requests`, `count` requests in all."""
    loop = asyncio.get_running_loop()
    left = [count]
    began = time.perf_counter()
    done = [loop.create_future() for _ in requests]
    for request, future in zip(requests, done, strict=True):
        await loop.create_connection(
            lambda request=request, future=future: _Loader(request, left, future), host, port
        )
    await asyncio.wait_for(asyncio.gather(*done), 120)
    return count / (time.perf_counter() - began)
