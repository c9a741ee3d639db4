"""The instance metadata service, versions 1 and 2 (EC2 User Guide, "Use the Instance Metadata Service").

Who asks is known by the source address: the packet filter lets an instance send from its own alone.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import logging
import secrets
import socket
import struct
import time
from collections.abc import Callable

from aiohttp import web

from undercast.network import metadata_tree
from undercast.network.metadata_model import MachineMetadata

log = logging.getLogger(__name__)

TTL_HEADER = "X-aws-ec2-metadata-token-ttl-seconds"
TOKEN_HEADER = "X-aws-ec2-metadata-token"  # noqa: S105 - a header's name
LONGEST_S = 21600
CONNECTIONS = 128  # per instance: more than cloud-init and agents need, less than would hurt the others

_COMMON = {"Server": "EC2ws", "Connection": "close"}

_ERROR = (
    '<?xml version="1.0" encoding="iso-8859-1"?>\n'
    '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN"\n'
    '\t"http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\n'
    '<html xmlns="http://www.w3.org/1999/xhtml" xml:lang="en" lang="en">\n'
    " <head>\n  <title>{status} - {reason}</title>\n </head>\n"
    " <body>\n  <h1>{status} - {reason}</h1>\n </body>\n</html>\n"
)
_REASONS = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Not Allowed",
            503: "Service Unavailable"}  # fmt: skip


class Tokens:
    """Session tokens of version 2: worth something to the instance they were given to, until they expire."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self, instance_id: str, seconds: int) -> str:
        """A token for `seconds` from now."""
        until = struct.pack(">Q", int((time.time() + seconds) * 1000))
        return base64.urlsafe_b64encode(until + self._sign(instance_id, until)).decode()

    def remaining(self, instance_id: str, token: str) -> float:
        """For how many seconds the token still holds; 0 for one that does not."""
        try:
            raw = base64.urlsafe_b64decode(token)
        except ValueError:
            return 0.0
        if len(raw) != 40 or not hmac.compare_digest(self._sign(instance_id, raw[:8]), raw[8:]):
            return 0.0
        (until,) = struct.unpack(">Q", raw[:8])
        return float(max(0.0, until / 1000 - time.time()))

    def _sign(self, instance_id: str, until: bytes) -> bytes:
        return hmac.digest(self._key, until + instance_id.encode(), "sha256")


class MetadataService:
    """Serves HTTP on one address; `describe` tells who has a source address (None: nobody).

    `describe` is called on the event loop and must not block; credentials are worked out in a thread.
    """

    def __init__(self, describe: Callable[[str], MachineMetadata | None]) -> None:
        self._describe = describe
        self._tokens = Tokens()
        self._runner: web.ServerRunner | None = None
        self._open: dict[str, int] = {}

    async def start(self, host: str) -> int:
        """Listen on a free port of `host`, and return it."""
        server = web.Server(self._handle, access_log=None, keepalive_timeout=15)
        self._runner = web.ServerRunner(server, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, 0, backlog=256)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening and end what is open."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        address = request.remote or ""
        if self._open.get(address, 0) >= CONNECTIONS:
            return _error(503)
        self._open[address] = self._open.get(address, 0) + 1
        try:
            return await self._answer(request, address)
        finally:
            self._open[address] -= 1
            if not self._open[address]:
                del self._open[address]

    async def _answer(self, request: web.BaseRequest, address: str) -> web.StreamResponse:
        machine = self._describe(address)
        if machine is None:
            return _error(404)
        if not machine.options.enabled:
            return _error(403)
        if request.path.rstrip("/") == "/latest/api/token":
            return self._token(request, machine)
        if request.method not in ("GET", "HEAD"):
            return _error(405)
        _set_ttl(request, 64)
        headers = {"Content-Type": "text/plain", **_COMMON}
        token = request.headers.get(TOKEN_HEADER)
        if token is not None:
            remaining = self._tokens.remaining(machine.instance_id, token)
            if remaining <= 0:
                return _error(401)
            headers[TTL_HEADER] = str(int(remaining))
        elif machine.options.tokens_required:
            return _error(401)
        try:
            if "/security-credentials/" in request.path:
                body = await asyncio.to_thread(metadata_tree.read, machine, request.path)
            else:
                body = metadata_tree.read(machine, request.path)
        except metadata_tree.Missing:
            return _error(404)
        if request.path.rstrip("/").endswith("user-data"):
            headers["Content-Type"] = "application/octet-stream"
        return web.Response(body=body, headers=headers)

    def _token(self, request: web.BaseRequest, machine: MachineMetadata) -> web.StreamResponse:
        if request.method != "PUT":
            return _error(405)
        # A request that came through a proxy is not the instance's own.
        if "X-Forwarded-For" in request.headers:
            return _error(403)
        wanted = request.headers.get(TTL_HEADER, "")
        if not wanted.isascii() or not wanted.isdigit() or not 1 <= int(wanted[:9]) <= LONGEST_S:
            return _error(400)
        # The hop limit: the answer dies before it gets further from the instance than that.
        _set_ttl(request, machine.options.hop_limit)
        headers = {TTL_HEADER: wanted, "Content-Type": "text/plain", **_COMMON}
        return web.Response(text=self._tokens.issue(machine.instance_id, int(wanted)), headers=headers)


def _set_ttl(request: web.BaseRequest, ttl: int) -> None:
    transport = request.transport
    connection = transport.get_extra_info("socket") if transport is not None else None
    if connection is not None:
        connection.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)


def _error(status: int) -> web.Response:
    text = _ERROR.format(status=status, reason=_REASONS[status])
    return web.Response(status=status, body=text.encode(), headers={"Content-Type": "text/html", **_COMMON})
