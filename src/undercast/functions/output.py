"""The output of one environment: read from its pipe, cut into log events, handed on in batches."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence

from undercast.functions.function import LogLine
from undercast.functions.inside.wire import LOG_HEAD, LOG_INIT_DONE, LOG_MAGIC

TAIL = 4096  # bytes of log that Invoke returns when asked (LogType=Tail)
LINE_LIMIT = 256 * 1024  # a log event's size limit in CloudWatch Logs
_READ = 65536
_PIPE_READS = 17  # a pipe holds at most 1 MB (pipe(7), pipe-max-size)
_BATCH_LINES = 512
_BATCH_BYTES = 512 * 1024


def now_ms() -> int:
    """Epoch milliseconds, as log events carry them."""
    return int(time.time() * 1000)


class Output:
    """Collects what an environment prints and what the platform says about it, in order.

    Plain text becomes one event per line. The runtime client's telemetry frames (type, length, time, text)
    become one event each, however many lines they have.
    """

    def __init__(self, write: Callable[[Sequence[LogLine]], None]) -> None:
        self._write = write
        self._fd = -1
        self._rest = b""  # text without its line's end yet, or a frame that is not whole
        self._lines: list[LogLine] = []
        self._bytes = 0
        self._tail: bytearray | None = None
        self.on_init_done: Callable[[], None] | None = None

    def attach(self, fd: int) -> None:
        """Read from this non-blocking pipe from now on."""
        self._fd = fd

    def detach(self) -> None:
        """Take what is left in the pipe and read it no more."""
        if self._fd >= 0:
            self.drain()
            self.finish_line()
            self._fd = -1

    def begin_tail(self) -> None:
        """Keep the last 4 KB of what is added from now on."""
        self._tail = bytearray()

    def take_tail(self) -> bytes:
        """The last 4 KB since `begin_tail`, which ends."""
        tail, self._tail = self._tail, None
        return b"" if tail is None else bytes(tail[-TAIL:])

    def add(self, text: str, at_ms: int | None = None) -> None:
        """Add one log event."""
        self._lines.append((at_ms or now_ms(), text))
        if self._tail is not None:
            self._extend_tail(text)
        self._bytes += len(text)
        if len(self._lines) >= _BATCH_LINES or self._bytes >= _BATCH_BYTES:
            self.flush()

    def flush(self) -> None:
        """Hand over what was collected."""
        if self._lines:
            lines, self._lines, self._bytes = self._lines, [], 0
            self._write(lines)

    def drain(self) -> None:
        """Read what is in the pipe now."""
        fd = self._fd
        for _ in range(_PIPE_READS if fd >= 0 else 0):  # somebody may go on writing
            try:
                data = os.read(fd, _READ)
            except BlockingIOError:
                return
            if not data:
                return
            self._feed(data)
            if len(data) < _READ:
                return

    def read_some(self) -> int:
        """Read once, when the pipe is readable; the number of bytes, 0 when nobody can write any more."""
        try:
            data = os.read(self._fd, _READ)
        except BlockingIOError:
            return 1
        if data:
            self._feed(data)
        return len(data)

    def finish_line(self) -> None:
        """What was printed without a line's end counts as an event now."""
        if self._rest:
            rest, self._rest = self._rest, b""
            self.add(rest.decode("utf-8", "replace"))

    def _feed(self, data: bytes) -> None:
        buffer = self._rest + data if self._rest else data
        at = 0
        while True:
            start = buffer.find(LOG_MAGIC, at)
            if start < 0:
                break
            end = self._frame_end(buffer, start)
            if end < 0:  # not whole yet
                self._text(buffer[at:start], ended=True, at=self._frame_ms(buffer, start))
                self._rest = buffer[start:]
                return
            if end == start:  # no frame after all
                break
            self._text(buffer[at:start], ended=True, at=self._frame_ms(buffer, start))
            self._frame(buffer, start, end)
            at = end
        self._text(buffer[at:] if at else buffer, ended=False)

    @staticmethod
    def _frame_end(buffer: bytes, start: int) -> int:
        """Where the frame ends; -1 when it is not whole, `start` when it is none."""
        if len(buffer) - start < LOG_HEAD.size:
            return -1
        length = LOG_HEAD.unpack_from(buffer, start)[1]
        if length > 4 * LINE_LIMIT:
            return start
        end = start + LOG_HEAD.size + int(length)
        return end if len(buffer) >= end else -1

    @staticmethod
    def _frame_ms(buffer: bytes, start: int) -> int | None:
        """When the frame was written: text before it is no younger, and must not be sorted behind it."""
        if len(buffer) - start < LOG_HEAD.size:
            return None
        micros: int = LOG_HEAD.unpack_from(buffer, start)[2]
        return min(micros // 1000, now_ms()) or None

    def _frame(self, buffer: bytes, start: int, end: int) -> None:
        if LOG_HEAD.unpack_from(buffer, start)[0] == LOG_INIT_DONE:
            if self.on_init_done is not None:
                self.on_init_done()
            return
        text = buffer[start + LOG_HEAD.size : end].decode("utf-8", "replace")
        for piece in range(0, len(text), LINE_LIMIT):
            self.add(text[piece : piece + LINE_LIMIT], self._frame_ms(buffer, start))

    def _text(self, text: bytes, ended: bool, at: int | None = None) -> None:
        """Whole lines become events of that time, or now; the rest waits, unless the text has `ended`."""
        self._rest = b""
        if not text:
            return
        last = len(text) if ended else text.rfind(b"\n") + 1
        if not ended and len(text) - last > LINE_LIMIT:
            last = len(text)
        self._rest = text[last:]
        if not last:
            return
        at = at or now_ms()
        lines = text[:last].decode("utf-8", "replace").split("\n")  # not splitlines(): only \n ends an event
        unended = lines.pop()
        for line in lines:
            self.add(line + "\n", at)
        if unended:
            self.add(unended, at)

    def _extend_tail(self, text: str) -> None:
        tail = self._tail
        assert tail is not None
        tail += text.encode("utf-8", "replace")
        if not text.endswith("\n"):
            tail += b"\n"
        if len(tail) > 16 * TAIL:
            del tail[:-TAIL]
