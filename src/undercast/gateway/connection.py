"""One HTTP connection: uvicorn's, with limits for clients that are slow on purpose or too many."""

from __future__ import annotations

import asyncio
import math
from http import HTTPStatus

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

KEEP_ALIVE_S = 75  # longer than SDKs keep idle connections in their pools
HEADER_S = 15.0  # from a request's first byte to the end of its header
MAX_HEADER = 64 * 1024  # bytes


class Connection(HttpToolsProtocol):
    """A connection. Whoever made it calls `expire` now and then."""

    def __init__(self, config: Config, server_state: ServerState, limit: int) -> None:
        super().__init__(config=config, server_state=server_state, app_state={})
        self._limit = limit
        self._deadline = math.inf  # while nothing has come yet, or half a header; the loop's time
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._deadline = self.loop.time() + KEEP_ALIVE_S
        if len(self.connections) > self._limit:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._deadline != math.inf:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self.cycle is None or self.cycle.response_complete:
            # Line ends between requests begin none, and stop uvicorn's own clock.
            self._deadline = self.loop.time() + KEEP_ALIVE_S

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._deadline = self.loop.time() + HEADER_S
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        self._deadline = math.inf
        self._header_bytes = 0
        super().on_headers_complete()

    def _should_upgrade_to_ws(self) -> bool:
        return True

    def handle_websocket_upgrade(self) -> None:
        # Imported when there is one: start-up counts.
        from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

        self.ws_protocol_class = WebSocketsSansIOProtocol
        super().handle_websocket_upgrade()

    def expire(self, now: float) -> None:
        """Close the connection when its time is over; `now` is the loop's."""
        if now > self._deadline:
            self._deadline = math.inf
            if self._header_bytes:
                self._refuse(HTTPStatus.REQUEST_TIMEOUT)
            else:
                self.transport.close()  # it asked for nothing, so an answer would be for its next request

    def _refuse(self, status: HTTPStatus) -> None:
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            line = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            )
            self.transport.write(line.encode())
        self.transport.close()
