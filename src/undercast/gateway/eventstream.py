"""The vnd.amazon.eventstream encoding: how AWS sends a stream of events in one answer.

Source: https://smithy.io/2.0/aws/amazon-eventstream.html
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import orjson
from botocore.model import Shape, StructureShape

from undercast.services.base import AwsError

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_STRING = 7  # the header value type "string"


def encode(headers: Mapping[str, str], payload: bytes) -> bytes:
    """One message: prelude, headers, payload, each with its CRC."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + struct.pack("!BH", _STRING, len(text.encode())) + text.encode()
        for name, text in headers.items()
    )
    prelude = struct.pack("!II", 16 + len(packed) + len(payload), len(packed))
    head = prelude + struct.pack("!I", zlib.crc32(prelude)) + packed + payload
    return head + struct.pack("!I", zlib.crc32(head))


class EventWriter:
    """Encodes the events of one event stream shape. `writer` makes a document writer for a structure."""

    def __init__(
        self, stream: StructureShape, writer: Callable[[Shape], Callable[[Any], Any]], json_type: str
    ) -> None:
        self._json_type = json_type
        self._events: dict[str, tuple[str | None, Shape | None, Callable[[Any], Any]]] = {}
        for name, event in stream.members.items():
            payload = next(
                (m for m, part in event.members.items() if part.serialization.get("eventpayload")), None
            )
            shape = event.members[payload] if payload else None
            self._events[name] = (payload, shape, writer(shape if shape is not None else event))

    def event(self, name: str, value: Mapping[str, Any]) -> bytes:
        """One event as a message."""
        payload, shape, write = self._events[name]
        headers = {":message-type": "event", ":event-type": name}
        if payload is not None and shape is not None and shape.type_name in ("blob", "string"):
            content = value.get(payload) or b""
            headers[":content-type"] = (
                "application/octet-stream" if shape.type_name == "blob" else "text/plain"
            )
            return encode(headers, content.encode() if isinstance(content, str) else bytes(content))
        document = write(value[payload] if payload is not None else value)
        headers[":content-type"] = self._json_type
        return encode(headers, orjson.dumps(document))

    async def stream(self, events: AsyncIterator[Mapping[str, Any]]) -> AsyncIterator[bytes]:
        """The messages of a stream of `{event name: event}`. An error ends it as an exception message."""
        try:
            async for one in events:
                for name, value in one.items():
                    yield self.event(name, value)
        except AwsError as error:
            yield encode(
                {
                    ":message-type": "exception",
                    ":exception-type": error.code,
                    ":content-type": self._json_type,
                },
                orjson.dumps({"message": error.message}),
            )
