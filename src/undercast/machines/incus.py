"""Incus's REST API over its unix socket: requests, operations that are waited for, and the event stream.

Reference: https://linuxcontainers.org/incus/docs/main/rest-api/
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp

from undercast.machines.errors import (
    Conflict,
    MachineError,
    NoCapacity,
    NotFound,
    TimedOut,
    Unavailable,
    Unsupported,
)
from undercast.machines.setup.daemon import SOCKET

RECONNECT_S = 10.0


class Incus:
    """A client bound to one Incus project. The daemon may restart underneath."""

    def __init__(self, project: str, socket: Path = SOCKET) -> None:
        self.project = project
        self._socket = socket
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Close all connections."""
        if self._session:
            await self._session.close()
            self._session = None

    def _client(self) -> aiohttp.ClientSession:
        if self._session is None:
            # A new connection each time costs 0.1 ms and is never one whose daemon has died meanwhile.
            connector = aiohttp.UnixConnector(str(self._socket), limit=64, force_close=True)
            self._session = aiohttp.ClientSession("http://incus", connector=connector)
        return self._session

    async def get(self, path: str, *, timeout_s: float = 30.0, **query: str) -> Any:
        """The metadata of a GET, for example `get("/1.0/instances", recursion="2")`."""
        return await self.request("GET", path, query=query, timeout_s=timeout_s)

    async def all(self, path: str, *, project: str | None = None) -> list[dict[str, Any]]:
        """The descriptions of all things below a path, in our project or another one."""
        query = {"recursion": "1", **({"project": project} if project else {})}
        # Incus says null for none.
        return list(await self.request("GET", path, query=query) or ())

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> Any:
        """One request; its metadata, or for a background operation the operation itself.

        A `body` of bytes or an async iterator goes out as it is, anything else as JSON.

        Raises:
            MachineError: of the family in `errors`, by what Incus answered.
        """
        async with self.stream(
            method, path, body, query=query, headers=headers, timeout_s=timeout_s
        ) as response:
            return _metadata(await response.json(content_type=None))

    @contextlib.asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 30.0,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The open response, for raw contents (files, console logs). Errors are raised as for `request`."""
        url = f"{path}?{urlencode({'project': self.project, **(query or {})})}"
        data = body if body is None or not isinstance(body, dict | list) else json.dumps(body)
        limit = aiohttp.ClientTimeout(total=timeout_s)
        try:
            response = await self._connected(method, url, data, headers, limit)
            async with response:
                if response.status >= 400:
                    _metadata(await response.json(content_type=None))
                yield response
        except TimeoutError as error:
            raise TimedOut(f"Incus did not answer {method} {path} within {timeout_s:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"The connection to Incus broke ({error})") from error

    async def _connected(
        self,
        method: str,
        url: str,
        data: Any,
        headers: Mapping[str, str] | None,
        limit: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        """Send once a connection stands. While the daemon restarts, connecting is tried again for a while."""
        deadline = time.monotonic() + min(RECONNECT_S, limit.total or RECONNECT_S)
        while True:
            try:
                return await self._client().request(method, url, data=data, headers=headers, timeout=limit)
            except aiohttp.ClientConnectorError:
                if time.monotonic() > deadline or not self._socket.parent.exists():
                    raise
            except aiohttp.ClientConnectionError:
                # The daemon died with the request in its hands. What we ask for is a state to reach, so
                # asking again does no harm; not so a command to run, or a stream that is used up.
                once = url.split("?")[0].endswith("/exec") or not isinstance(data, str | None)
                if once or time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)

    async def run(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60.0,
    ) -> dict[str, Any]:
        """Start a background operation and wait for its end; the operation's metadata.

        Raises:
            TimedOut: it did not end within the limit (and goes on).
            MachineError: it failed, or Incus refused to begin.
        """
        began = await self.request(method, path, body, query=query, headers=headers, timeout_s=timeout_s)
        if not isinstance(began, dict) or "status_code" not in began:
            return {}
        if began["status_code"] < 200:
            wait = f"/1.0/operations/{began['id']}/wait"
            try:
                began = await self.get(wait, timeout_s=timeout_s + 5, timeout=str(int(timeout_s) or 1))
            except NotFound as error:
                # A failed operation answers with its own error; an unknown one belonged to a dead daemon.
                if str(error).lower() not in ("not found", "operation not found"):
                    raise
                raise Unavailable("Incus restarted while it was at work") from error
        if began["status_code"] < 200:
            raise TimedOut(f"{began.get('description', path)} took longer than {timeout_s:.0f} s")
        if began["status_code"] != 200:
            raise failure(began.get("err", ""), began["status_code"])
        return dict(began.get("metadata") or {})

    async def websocket(self, path: str, **query: str) -> aiohttp.ClientWebSocketResponse:
        """An open websocket, to be closed by the caller."""
        url = f"{path}?{urlencode({'project': self.project, **query})}"
        try:
            return await self._client().ws_connect(url, max_msg_size=0)
        except (aiohttp.ClientError, OSError) as error:
            raise Unavailable(f"The connection to Incus broke ({error})") from error

    async def events(self) -> AsyncIterator[dict[str, Any] | None]:
        """Lifecycle events of the project for ever. None first, and again when some may have been missed."""
        pause = 0.1
        while True:
            url = f"/1.0/events?{urlencode({'project': self.project, 'type': 'lifecycle'})}"
            try:
                async with self._client().ws_connect(url, heartbeat=30.0, max_msg_size=0) as socket:
                    pause = 0.1
                    yield None
                    async for message in socket:
                        if message.type is aiohttp.WSMsgType.TEXT:
                            yield json.loads(message.data)
            except (aiohttp.ClientError, OSError, TimeoutError):
                pause = min(pause * 2, 5.0)
            await asyncio.sleep(pause)


def instance_path(name: str, *rest: str) -> str:
    """The URL path of an instance or of something below it."""
    return "/".join(["/1.0/instances", quote(name, safe=""), *rest])


def _metadata(answer: dict[str, Any]) -> Any:
    if answer.get("type") == "error":
        raise failure(answer.get("error", ""), int(answer.get("error_code", 500)))
    return answer.get("metadata")


def failure(text: str, status: int) -> MachineError:
    """The error of our family for what Incus said."""
    low = text.lower()
    if any(words in low for words in ("no space left", "disk quota exceeded", "cannot allocate memory")):
        return NoCapacity(text)
    if status == 404 or "not found" in low or "couldn't find" in low or "image not provided" in low:
        return NotFound(text or "not found")
    if status in (409, 412) or "already exists" in low or "unique constraint" in low or "is busy" in low:
        return Conflict(text or "conflict")
    if status == 503:
        return Unavailable(text or "Incus is not available")
    if "not supported" in low or "isn't supported" in low:
        return Unsupported(text)
    return MachineError(text or f"Incus answered {status}")
