"""One HTTP connection on a real socket: what clients send in their own ways, and what they are answered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from uvicorn.config import Config

from undercast.gateway import connection as connections
from undercast.gateway.connection import Connection, Respond, Shared
from undercast.gateway.request import Request, Response

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, Connection], Awaitable[None]]


def talk(respond: Respond, conversation: Talk) -> Shared:
    """Hold a conversation with a connection; returns what it shared with others."""

    async def run() -> Shared:
        shared = Shared(
            respond, Config("nothing", ws="none", log_config=None), limit=10, date=b"date: now\r\n"
        )
        ours, theirs = socket.socketpair()
        _, connection = await asyncio.get_running_loop().connect_accepted_socket(
            lambda: Connection(shared), ours
        )
        reader, writer = await asyncio.open_connection(sock=theirs)
        try:
            async with asyncio.timeout(20):
                await conversation(reader, writer, connection)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return shared

    return asyncio.run(run())


def exchange(respond: Respond, sent: bytes) -> bytes:
    """All that comes for what was sent, until the connection is closed."""
    heard = b""

    async def conversation(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Connection) -> None:
        nonlocal heard
        writer.write(sent)
        heard = await reader.read()

    talk(respond, conversation)
    return heard


async def echo(request: Request) -> Response:
    """Says what it was asked."""
    await asyncio.sleep(0)
    told = f"{request.method} {request.path}?{request.query} {request.headers.get('x', '')} ".encode()
    return Response(200, [("X-One", "1")], told + request.body)


LAST = b"GET /last HTTP/1.1\r\nconnection: close\r\n\r\n"


def test_requests_sent_ahead_are_answered_in_order() -> None:
    sent = b"POST /a?b=c HTTP/1.1\r\nx: 1\r\nX: 2\r\ncontent-length: 3\r\n\r\nabc" * 40
    chunked = (
        b"POST /d%20e HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\nx: no\r\n\r\n"
    )
    heard = exchange(echo, sent + chunked + LAST)
    one = b"HTTP/1.1 200 OK\r\nx-one: 1\r\ndate: now\r\ncontent-length: 17\r\n\r\nPOST /a?b=c 1,2 abc"
    assert heard.startswith(one.replace(b"17", b"%d" % len(b"POST /a?b=c 1,2 abc")) * 40)
    assert b"\r\n\r\nPOST /d%20e?  hello" in heard
    assert heard.endswith(b"connection: close\r\ndate: now\r\ncontent-length: 12\r\n\r\nGET /last?  ")


@pytest.mark.parametrize(
    ("sent", "beginning"),
    [
        (b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"GET http://here/p?q HTTP/1.1\r\nconnection: close\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", b"HTTP/1.1 200 OK"),
        (b"no HTTP at all\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (b"GET /\xff HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 Bad Request"),
        (b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", b"HTTP/1.1 400"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70_000, b"HTTP/1.1 431 Request Header Fields Too Large"),
    ],
)
def test_ways_to_ask(sent: bytes, beginning: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = b""

    async def conversation(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: Connection
    ) -> None:
        nonlocal heard
        writer.write(sent)
        heard = await reader.readuntil(b"\r\n\r\n")
        connection.expire(asyncio.get_running_loop().time() + connections.LINGER_S + 1)
        heard += await reader.read()

    talk(echo, conversation)
    assert heard.startswith(beginning)
    assert heard.count(b"HTTP/1.1") == 1
    if sent.startswith(b"HEAD"):
        assert heard.endswith(b"content-length: 9\r\n\r\n")


def test_headers_of_an_answer_cannot_break_it() -> None:
    async def respond(request: Request) -> Response:
        if request.path == "/name":
            return Response(200, [("a: b\r\nc", "d")], b"")
        given = [
            ("a", "b\r\nc: d\x00"),
            ("Transfer-Encoding", "chunked"),
            ("content-length", "99"),
            ("ü", ""),
        ]
        return Response(200, given[:3], "grüße".encode())

    heard = exchange(respond, b"GET / HTTP/1.1\r\n\r\n" + b"GET /name HTTP/1.1\r\n\r\n")
    first, _, second = heard.partition("grüße".encode())
    assert first == b"HTTP/1.1 200 OK\r\na: b  c: d \r\ndate: now\r\ncontent-length: 7\r\n\r\n"
    assert second.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


def test_a_stream_is_chunked_and_ends_with_its_client() -> None:
    closed: list[bool] = []

    async def respond(request: Request) -> Response:
        async def chunks() -> AsyncIterator[bytes]:
            try:
                yield b"one"
                while request.path == "/endless":
                    yield b"x" * 65536
                yield b"three"
            finally:
                closed.append(True)

        return Response(200, [], chunks())

    heard = exchange(respond, b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert heard.endswith(b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n5\r\nthree\r\n0\r\n\r\n")

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: Connection) -> None:
        writer.write(b"GET /endless HTTP/1.1\r\n\r\n")
        await reader.readexactly(200_000)
        writer.close()
        while len(closed) < 2:
            await asyncio.sleep(0.01)

    assert not talk(respond, leave).tasks
    assert closed == [True, True]


def test_a_client_that_reads_nothing_is_cut_off() -> None:
    async def respond(request: Request) -> Response:
        return Response(200, [], b"x" * 8_000_000)

    async def stall(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: Connection) -> None:
        loop = asyncio.get_running_loop()
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        while held.transport.get_write_buffer_size() < 1_000_000:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)  # until the socket holds what it can
        held.expire(loop.time())  # a look at what is unread
        held.expire(loop.time() + connections.BODY_S - 1)
        assert not held.transport.is_closing()
        held.expire(loop.time() + connections.BODY_S + 1)
        assert held.transport.is_closing()

    assert not talk(respond, stall).connections
