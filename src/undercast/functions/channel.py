"""The fast transport: frames to and from the runtime client in a forked Python environment."""

from __future__ import annotations

import asyncio
import socket
from typing import Protocol

from undercast.functions.answers import PAYLOAD_LIMIT, Answers
from undercast.functions.inside import wire

_FRAME_LIMIT = PAYLOAD_LIMIT + 1024
_READ = 65536
_LEFT_READS = 64


class RuntimeEvents(Protocol):
    """What a runtime tells its environment, over whichever transport."""

    def runtime_ready(self) -> None:
        """It finished its initialisation and asks for the first event."""

    def runtime_idle(self) -> None:
        """It asks for the next event."""

    def runtime_init_failed(self, error_type: str, body: bytes) -> None:
        """Its initialisation raised an error, and it is about to exit."""

    def runtime_at_snapshot(self) -> None:
        """It is initialised, its hooks ran, and it waits to be restored (SnapStart)."""

    def runtime_restore_failed(self, error_type: str, body: bytes) -> None:
        """A hook after the restore raised an error."""


class Channel:
    """One environment's socket. Frames from inside are untrusted: lengths are bounded, any order is borne."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        events: RuntimeEvents,
        answers: Answers,
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._events = events
        self._answers = answers
        self._rest = b""
        self._body: bytearray | None = None  # of a frame larger than one read
        self._filled = 0
        self._skip = 0  # bytes still to come of a frame that is too large to keep
        self._head = (0, 0)  # type and detail of the frame in `_body` or skipped
        self._out: list[memoryview] = []
        loop.add_reader(self._fd, self._readable)

    def close(self) -> None:
        """Stop listening; the socket itself belongs to the sandbox."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            if self._out:
                self._loop.remove_writer(self._fd)
                self._out.clear()
            self._fd = -1

    def drain(self) -> None:
        """Read what is there already. Bounded: more than a socket holds comes from somebody alive."""
        for _ in range(_LEFT_READS):
            if self._fd < 0 or not self._readable():
                return

    def invoke(
        self, request_id: str, arn: str, trace: str, client_context: str, event: bytes, limit_ms: int
    ) -> None:
        """Send an event. Never blocks: what the socket does not take at once follows when it can."""
        meta = f"{request_id}\0{arn}\0{trace}\0{client_context}".encode()
        head = wire.TO_INSIDE.pack(wire.INVOKE, len(meta), len(event), limit_ms)
        if len(event) < _READ:
            self._send(head + meta + event)
        else:
            self._send(head + meta)
            self._send(event)

    def proceed(self) -> None:
        """Let a waiting runtime go on."""
        self._send(wire.TO_INSIDE.pack(wire.PROCEED, 0, 0, 0))

    def _send(self, data: bytes) -> None:
        if self._fd < 0:
            return
        if self._out:
            self._out.append(memoryview(data))
            return
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:  # the process is gone; its end is reported by the sandbox
            return
        if sent < len(data):
            self._out.append(memoryview(data)[sent:])
            self._loop.add_writer(self._fd, self._writable)

    def _writable(self) -> None:
        try:
            while self._out:
                sent = self._sock.send(self._out[0])
                if sent < len(self._out[0]):
                    self._out[0] = self._out[0][sent:]
                else:
                    del self._out[0]
        except BlockingIOError:
            return
        except OSError:
            self._out.clear()
        self._loop.remove_writer(self._fd)

    def _readable(self) -> bool:
        """Read once; false when nothing was there."""
        try:
            if self._body is not None:
                self._fill(self._body)
                return True
            data = self._sock.recv(_READ)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self.close()
            return False
        if self._skip:
            data = self._skipped(data)
        if self._rest:
            data = self._rest + data
            self._rest = b""
        self._frames(data)
        return True

    def _frames(self, data: bytes) -> None:
        at, length = 0, len(data)
        while length - at >= 8:
            kind, detail, size = wire.TO_ENGINE.unpack_from(data, at)
            at += 8
            if length - at >= size:
                self._emit(kind, detail, data[at : at + size])
                at += size
                continue
            self._head = (kind, detail)
            if size > _FRAME_LIMIT:
                self._skip = size - (length - at)
            else:
                self._body = bytearray(size)
                self._filled = length - at
                self._body[: self._filled] = data[at:]
            return
        self._rest = data[at:]

    def _fill(self, body: bytearray) -> None:
        with memoryview(body) as view:
            count = self._sock.recv_into(view[self._filled :])
        if not count:
            self.close()
            return
        self._filled += count
        if self._filled == len(body):
            self._body = None
            self._emit(*self._head, bytes(body))

    def _skipped(self, data: bytes) -> bytes:
        """What follows the frame that is being thrown away."""
        if len(data) < self._skip:
            self._skip -= len(data)
            return b""
        rest, self._skip = data[self._skip :], 0
        self._emit(*self._head, None)
        return rest

    def _emit(self, kind: int, detail: int, body: bytes | None) -> None:
        events = self._events
        if kind == wire.RESPONSE:
            if body is not None and len(body) > PAYLOAD_LIMIT:
                body = None
            events.runtime_idle()  # this runtime client waits for the next event as soon as it has answered
            content_type = "application/json" if detail == wire.JSON else "application/octet-stream"
            self._answers.answered(body, content_type)
        elif kind == wire.ERROR:
            events.runtime_idle()
            if body is None or len(body) > PAYLOAD_LIMIT:
                self._answers.answered(None, "application/json")
            else:
                self._answers.failed(body)
        elif kind == wire.READY:
            events.runtime_ready()
        elif kind == wire.SNAPSHOT_READY:
            events.runtime_at_snapshot()
        elif kind in (wire.INIT_ERROR, wire.RESTORE_ERROR):
            error_type, _, text = (body or b"").partition(b"\0")
            report = events.runtime_init_failed if kind == wire.INIT_ERROR else events.runtime_restore_failed
            report(error_type.decode("utf-8", "replace"), text)
