"""The heads of answers as bytes."""

from __future__ import annotations

import re
from functools import lru_cache
from http import HTTPStatus

from undercast.gateway.request import Response

# A line break in a header would let a value write headers of its own; no other control character may
# stand in one either (RFC 9110, 5.5).
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f]")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})
_WITHOUT_BODY = frozenset({204, 304})


def whole(response: Response, body: bytes, date: bytes, method: str, keep_alive: bool) -> tuple[bytes, bool]:
    """An answer in one piece, and whether the connection lives on. Raises ValueError for a bad name."""
    head, keep_alive, length = _head(response, date, keep_alive)
    if response.status in _WITHOUT_BODY:
        return b"%b\r\n" % head, keep_alive
    if method == "HEAD":
        return b"%bcontent-length: %d\r\n\r\n" % (head, len(body) if length is None else length), keep_alive
    return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body), keep_alive


def beginning(response: Response, date: bytes, keep_alive: bool) -> tuple[bytes, bool]:
    """The head of an answer that comes in chunks, and whether the connection lives on."""
    head, keep_alive, _ = _head(response, date, keep_alive)
    return head + b"transfer-encoding: chunked\r\n\r\n", keep_alive


def _head(response: Response, date: bytes, keep_alive: bool) -> tuple[bytes, bool, int | None]:
    """Status line and headers, whether the connection lives on, and the length the answer itself gives."""
    lines = [_status(response.status)]
    length = None
    for name, text in response.headers:
        name = _name(name)
        if name in _OURS:
            if name == "connection" and "close" in text.lower():
                keep_alive = False
            elif name == "content-length" and text.isdecimal():
                length = int(text)
            continue
        lines.append(f"{name}: {text if text.isprintable() else _CONTROL.sub(' ', text)}\r\n")
    if not keep_alive:
        lines.append("connection: close\r\n")
    return "".join(lines).encode() + date, keep_alive, length


@lru_cache(maxsize=1024)
def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"no name of a header: {name!r}")
    return name.lower()


@lru_cache(maxsize=600)
def _status(status: int) -> str:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n"
