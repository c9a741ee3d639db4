"""One invocation on its way through an environment: the request, the answer, a streamed answer's bytes."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from undercast.functions.failures import Failure
from undercast.functions.function import Invocation

_HIGH = 256 * 1024  # bytes waiting for a slow reader at which the function is made to wait
_LOW = 64 * 1024
STREAM_LIMIT = 200 * 1024 * 1024  # bytes of a streamed answer


@dataclass(slots=True)
class Request:
    """An event and what comes with it."""

    request_id: str
    event: bytes
    arn: str  # as invoked: with the qualifier the caller used
    client_context: str = ""  # JSON
    trace_id: str = ""
    tail: bool = False  # collect the last 4 KB of the log
    stream: bool = False  # the caller wants the answer in pieces


class BodyStream:
    """Bytes from a runtime's answer to whoever reads it. Holds a bounded amount: the writer is paused."""

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause = pause
        self._resume = resume
        self._chunks: deque[bytes] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._held = 0
        self._paused = False
        self._ended = False
        self._dropped = False
        self.total = 0

    def feed(self, data: bytes) -> bool:
        """Take a piece; false once the limit of a streamed answer is passed."""
        self.total += len(data)
        if self.total > STREAM_LIMIT:
            return False
        if self._dropped or not data:
            return True
        self._chunks.append(data)
        self._held += len(data)
        if self._held >= _HIGH and not self._paused:
            self._paused = True
            self._pause()
        self._wake()
        return True

    def end(self) -> None:
        """No more will come."""
        self._ended = True
        self._wake()

    def drop(self) -> None:
        """Nobody reads any more: what still comes is thrown away, so that the function can finish."""
        self._dropped = True
        self._chunks.clear()
        self._held = 0
        self._unpause()

    async def chunks(self) -> AsyncIterator[bytes]:
        """The pieces, to the end. Leaving the iteration early drops the rest."""
        try:
            while True:
                while self._chunks:
                    chunk = self._chunks.popleft()
                    self._held -= len(chunk)
                    if self._held <= _LOW:
                        self._unpause()
                    yield chunk
                if self._ended:
                    return
                self._waiting = asyncio.get_running_loop().create_future()
                await self._waiting
        finally:
            self.drop()

    async def whole(self, limit: int) -> bytes | None:
        """All of it in one piece; None when it is longer than the limit."""
        parts: list[bytes] = []
        size = 0
        async for chunk in self.chunks():
            size += len(chunk)
            if size <= limit:
                parts.append(chunk)
            else:
                parts.clear()
        return b"".join(parts) if size <= limit else None

    def _unpause(self) -> None:
        if self._paused:
            self._paused = False
            self._resume()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Exchange:
    """A request bound to the environment that serves it."""

    __slots__ = (
        "answered",
        "content_type",
        "delivered",
        "invocation",
        "opened",
        "request",
        "result",
        "started",
        "stream",
    )

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self.request = request
        self.invocation = Invocation(request.request_id)
        self.result: asyncio.Future[Invocation] = loop.create_future()
        # for callers who want a stream: resolves when the first byte or a failure is there
        self.opened: asyncio.Future[None] | None = loop.create_future() if request.stream else None
        self.stream: BodyStream | None = None
        self.content_type = "application/json"
        self.started = 0.0  # perf_counter when the function's time began
        self.delivered = False  # the event was handed to the transport
        self.answered = False  # the runtime has answered

    @property
    def elapsed_ms(self) -> float:
        """Since the function's time began."""
        return (time.perf_counter() - self.started) * 1000 if self.started else 0.0

    def answer(self, body: bytes, content_type: str) -> None:
        """The function returned."""
        self.answered = True
        if self.stream is None:
            self.content_type = content_type
        self.invocation.payload = body
        self.invocation.duration_ms = self.elapsed_ms

    def answer_error(self, body: bytes, error_type: str | None = None, status: str = "success") -> None:
        """The runtime reported an error, as JSON. `status` is what REPORT says: its own errors are none."""
        self.answer(body, "application/json")
        self.invocation.function_error = "Unhandled"
        self.invocation.error_type = error_type
        self.invocation.status = status

    def fail(self, failure: Failure, limit_s: int) -> None:
        """The platform ended it."""
        body = failure.payload(self.invocation.request_id)
        self.answer_error(body, failure.error_type, failure.status)
        if failure.status == "timeout":
            self.invocation.duration_ms = limit_s * 1000.0
        if self.stream is not None:
            self.stream.end()

    def open(self) -> None:
        """The caller of a stream may begin to read."""
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(None)

    def abandon(self, problem: Exception) -> None:
        """There will be no result."""
        for future in (self.result, self.opened):
            if future is not None and not future.done():
                future.set_exception(problem)
                future.exception()  # the caller may be gone

    def resolve(self) -> None:
        """Give the invocation to the caller."""
        if not self.result.done():
            self.result.set_result(self.invocation)
        self.open()
