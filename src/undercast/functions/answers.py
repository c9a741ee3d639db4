"""How a runtime's answers reach the request that is being served: whole, in pieces, or as an error."""

from __future__ import annotations

from typing import Protocol

from undercast.functions import failures
from undercast.functions.exchange import BodyStream, Exchange
from undercast.functions.failures import Failure
from undercast.functions.ground import Ground

PAYLOAD_LIMIT = 6291556  # bytes of an answer: AWS's 6 MB and the 100 bytes it adds


class Served(Protocol):
    """Who serves requests, one at a time."""

    def unanswered(self) -> Exchange | None:
        """The exchange that an answer is for; None for an answer that nobody asked for."""

    def responded(self, exchange: Exchange) -> None:
        """The answer is there."""

    def fail(self, exchange: Exchange, failure: Failure) -> None:
        """Answer with a failure of the platform's."""


class Answers:
    """Takes the answers of one environment's runtime, over whichever transport. They are untrusted: one that
    nobody asked for is dropped."""

    def __init__(self, served: Served, ground: Ground) -> None:
        self._served = served
        self._ground = ground

    def answered(self, body: bytes | None, content_type: str) -> None:
        """It answered the event; None when the answer was larger than allowed."""
        exchange = self._served.unanswered()
        if exchange is None:
            return
        if body is None:
            self._served.fail(exchange, failures.response_too_large(PAYLOAD_LIMIT))
        else:
            exchange.answer(body, content_type)
        self._served.responded(exchange)

    def failed(self, body: bytes) -> None:
        """The function raised an error; the body is its JSON."""
        exchange = self._served.unanswered()
        if exchange is not None:
            exchange.answer_error(body)
            self._served.responded(exchange)

    def stream_opened(self, stream: BodyStream, content_type: str) -> None:
        """An answer in pieces begins."""
        exchange = self._served.unanswered()
        if exchange is None:
            stream.drop()
            return
        exchange.stream = stream
        exchange.content_type = content_type
        if exchange.opened is None:  # the caller wants it whole
            self._ground.run(self._collect(exchange, stream))
        exchange.open()

    def stream_closed(self, error_type: str | None, body: bytes) -> None:
        """It ended; with an error's type and JSON when the function failed on the way."""
        exchange = self._served.unanswered()
        if exchange is None or exchange.stream is None:
            return
        if error_type is not None:
            exchange.answer_error(body, error_type)
        elif exchange.opened is not None:
            exchange.answer(b"", exchange.content_type)
        exchange.stream.end()
        if exchange.answered:
            self._served.responded(exchange)

    async def _collect(self, exchange: Exchange, stream: BodyStream) -> None:
        """Gather a streamed answer for a caller who wants it whole."""
        body = await stream.whole(PAYLOAD_LIMIT)
        if exchange is self._served.unanswered():
            self.answered(body, exchange.content_type)
