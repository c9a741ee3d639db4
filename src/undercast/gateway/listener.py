"""Listening sockets of the HTTP application."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import resource
import socket
import time
from typing import TYPE_CHECKING

import uvicorn

from undercast.gateway.connection import Connection, Shared
from undercast.gateway.terminal import MAX_FRAME

if TYPE_CHECKING:
    from undercast.gateway.app import Gateway

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 8192  # fewer where the process may not open so many files
GRACE_S = 3.0  # for requests under way when the server stops


class Listener:
    """Serves the application on any number of sockets."""

    def __init__(self, app: Gateway) -> None:
        config = uvicorn.Config(  # for WebSockets
            app,
            ws="none",  # imported with the first one
            ws_max_size=MAX_FRAME,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
        )
        config.load()
        # Half of the files for connections; functions, the database and the log need some too.
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limit = MAX_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, files // 2)
        self._shared = Shared(app.respond, config, limit)
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.TimerHandle | None = None

    def connection(self) -> asyncio.Protocol:
        """A protocol for one accepted connection: for sockets that others accept on."""
        return Connection(self._shared)

    def start(self) -> None:
        """Begin to keep the Date header and the connections' limits. Called on the loop, before the first."""
        self._shared.date = f"date: {email.utils.formatdate(time.time(), usegmt=True)}\r\n".encode()
        loop = asyncio.get_running_loop()
        now = loop.time()
        for connection in list(self._shared.connections):
            connection.expire(now)
        self._ticking = loop.call_later(1.0, self.start)

    async def listen(self, host: str, port: int) -> int:
        """Listen on an address; returns the port, a free one for 0. Raises OSError when it is taken."""
        server = await asyncio.get_running_loop().create_server(
            self.connection, host, port, backlog=2048, reuse_address=True
        )
        self._servers.append(server)
        return int(server.sockets[0].getsockname()[1])

    async def serve(self, sock: socket.socket) -> None:
        """Accept on a socket that listens already: the server's own, or one of another network namespace."""
        self._servers.append(
            await asyncio.get_running_loop().create_server(self.connection, sock=sock, backlog=2048)
        )

    async def close(self) -> None:
        """Stop listening, let requests under way finish within `GRACE_S`, then cut them off."""
        for server in self._servers:
            server.close()
        shared = self._shared
        open_ones = [*shared.connections, *shared.websockets.connections]
        for connection in open_ones:
            connection.shutdown()
        tasks = [*shared.tasks, *shared.websockets.tasks]
        if tasks:
            await asyncio.wait(tasks, timeout=GRACE_S)
        for task in tasks:
            task.cancel()
        for connection in open_ones:
            connection.transport.abort()
        if self._ticking is not None:
            self._ticking.cancel()
