"""CBOR, as much of it as Smithy's RPC v2 protocol uses.

Source: RFC 8949 and https://smithy.io/2.0/additional-specs/protocols/smithy-rpc-v2.html
"""

from __future__ import annotations

import datetime as dt
import math
import struct
from typing import Any

_EPOCH_TAG = 1
_MAX_DEPTH = 64


class BadCbor(ValueError):
    """The bytes are not CBOR."""


def _head(major: int, number: int) -> bytes:
    if number < 24:
        return bytes([major << 5 | number])
    for code, form, limit in (
        (24, "!B", 1 << 8),
        (25, "!H", 1 << 16),
        (26, "!I", 1 << 32),
        (27, "!Q", 1 << 64),
    ):
        if number < limit:
            return bytes([major << 5 | code]) + struct.pack(form, number)
    raise ValueError("an integer beyond 64 bits")


def dumps(value: Any) -> bytes:
    """A document as CBOR; datetimes become epoch-tagged numbers."""
    out: list[bytes] = []
    _write(out, value)
    return b"".join(out)


def _write(out: list[bytes], value: Any) -> None:
    if value is None:
        out.append(b"\xf6")
    elif isinstance(value, bool):
        out.append(b"\xf5" if value else b"\xf4")
    elif isinstance(value, int):
        out.append(_head(0, value) if value >= 0 else _head(1, -1 - value))
    elif isinstance(value, float):
        out.append(b"\xfb" + struct.pack("!d", value))
    elif isinstance(value, str):
        encoded = value.encode()
        out += (_head(3, len(encoded)), encoded)
    elif isinstance(value, (bytes, bytearray)):
        out += (_head(2, len(value)), bytes(value))
    elif isinstance(value, dt.datetime):
        out += (_head(6, _EPOCH_TAG), b"\xfb" + struct.pack("!d", value.timestamp()))
    elif isinstance(value, (list, tuple)):
        out.append(_head(4, len(value)))
        for one in value:
            _write(out, one)
    elif isinstance(value, dict):
        out.append(_head(5, len(value)))
        for key, one in value.items():
            _write(out, str(key))
            _write(out, one)
    else:
        raise TypeError(f"CBOR has no form for {type(value).__name__}")


def loads(data: bytes) -> Any:
    """The document in `data`. Raises `BadCbor`."""
    reader = _Reader(data)
    try:
        value = reader.value(0)
    except (IndexError, struct.error, UnicodeDecodeError, OverflowError) as error:
        raise BadCbor(str(error)) from error
    if reader.at != len(data):
        raise BadCbor("bytes after the document")
    return value


_BREAK = object()


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def _take(self, count: int) -> bytes:
        if count > len(self.data) - self.at:
            raise BadCbor("cut short")
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken

    def _number(self, info: int) -> int:
        if info < 24:
            return info
        if info > 27:
            raise BadCbor(f"length code {info}")
        return int.from_bytes(self._take(1 << (info - 24)))

    def value(self, depth: int) -> Any:
        if depth > _MAX_DEPTH:
            raise BadCbor("nested too deep")
        first = self._take(1)[0]
        major, info = first >> 5, first & 31
        if major == 7:
            return self._simple(info)
        if info == 31:
            return self._indefinite(major, depth)
        number = self._number(info)
        match major:
            case 0:
                return number
            case 1:
                return -1 - number
            case 2:
                return self._take(number)
            case 3:
                return self._take(number).decode()
            case 4:
                return [self.value(depth + 1) for _ in range(number)]
            case 5:
                return {self._key(depth): self.value(depth + 1) for _ in range(number)}
        return self._tagged(number, self.value(depth + 1))

    def _key(self, depth: int) -> str:
        key = self.value(depth + 1)
        if not isinstance(key, str):
            raise BadCbor("a map key that is not a text")
        return key

    def _tagged(self, tag: int, value: Any) -> Any:
        if tag == _EPOCH_TAG and isinstance(value, (int, float)) and math.isfinite(value):
            return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=value)
        return value

    def _simple(self, info: int) -> Any:
        match info:
            case 20:
                return False
            case 21:
                return True
            case 22 | 23:
                return None
            case 25:
                return struct.unpack("!e", self._take(2))[0]
            case 26:
                return struct.unpack("!f", self._take(4))[0]
            case 27:
                return struct.unpack("!d", self._take(8))[0]
            case 31:
                return _BREAK
        raise BadCbor(f"simple value {info}")

    def _indefinite(self, major: int, depth: int) -> Any:
        parts = []
        while (part := self.value(depth + 1)) is not _BREAK:
            if major == 5:
                part = (part, self.value(depth + 1))
            parts.append(part)
        match major:
            case 2:
                return b"".join(parts)
            case 3:
                return "".join(parts)
            case 4:
                return parts
            case 5:
                return dict(parts)
        raise BadCbor(f"indefinite length of major type {major}")
