"""Serves a listening socket that lives in an environment's network, from outside."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable

_OPEN_LIMIT = 64  # connections of one environment at a time
_PAUSE_S = 0.5  # when this process has no descriptor left


class Listener:
    """Accepts connections and gives each a protocol, until closed. The socket itself is the sandbox's."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, sock: socket.socket, protocol: Callable[[], asyncio.Protocol]
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._fd = sock.fileno()
        self._protocol = protocol
        self._open: set[asyncio.BaseTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        loop.add_reader(self._fd, self._accept)

    def close(self) -> None:
        """Accept no more and drop what is open."""
        if self._fd < 0:
            return
        self._loop.remove_reader(self._fd)
        self._fd = -1
        for task in self._tasks:
            task.cancel()
        for transport in self._open:
            if isinstance(transport, asyncio.Transport) or hasattr(transport, "abort"):
                transport.abort()
        self._open.clear()

    async def accept_rest(self) -> None:
        """Take the connections that wait already."""
        for _ in range(_OPEN_LIMIT):
            if self._fd < 0 or not self._accept():
                break
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _accept(self) -> bool:
        """Take one connection; false when none waits."""
        try:
            connection, _ = self._sock.accept()
        except OSError as problem:
            if problem.errno in (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS):
                self._loop.remove_reader(self._fd)
                self._loop.call_later(_PAUSE_S, self._accept_again)
            return False
        connection.setblocking(False)
        if len(self._open) >= _OPEN_LIMIT:
            self._open = {transport for transport in self._open if not transport.is_closing()}
            if len(self._open) >= _OPEN_LIMIT:
                connection.close()
                return True
        task = self._loop.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    def _accept_again(self) -> None:
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._accept)

    async def _serve(self, connection: socket.socket) -> None:
        try:
            transport, _ = await self._loop.connect_accepted_socket(self._protocol, connection)
        except OSError:
            connection.close()
            return
        self._open.add(transport)
