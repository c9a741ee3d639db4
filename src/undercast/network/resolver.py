"""The resolver of every VPC (169.254.169.253 and the VPC's base address plus two).

Names of instances are answered from memory, as the asker's own VPC sees them; everything else goes to the
resolvers of this machine. What is in flight is bounded, per instance and in all.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.reversename
import dns.rrset

from undercast.network.model import Names

log = logging.getLogger(__name__)

RESOLV_CONF = Path("/etc/resolv.conf")
TTL_S = 60
FORWARD_TIMEOUT_S = 3.0
PER_INSTANCE = 64
IN_ALL = 512
METADATA = "169.254.169.254"


class Resolver:
    """Serves DNS on UDP and TCP of one address and port.

    `names_of` tells which names the instance at a source address sees; None drops the question. Names under
    `suffix` are never forwarded.
    """

    def __init__(self, names_of: Callable[[str], Names | None], suffix: str) -> None:
        self._names_of = names_of
        self._suffix = dns.name.from_text(suffix)
        self._upstream = _Upstream(RESOLV_CONF)
        self._flying: dict[str, int] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str) -> int:
        """Listen on a port of `host` that is free for both protocols, and return it."""
        loop = asyncio.get_running_loop()
        for _ in range(20):
            self._server = await asyncio.start_server(self._stream, host, 0, limit=1 << 17)
            port = int(self._server.sockets[0].getsockname()[1])
            try:
                self._transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self._datagram), local_addr=(host, port)
                )
                return port
            except OSError:
                self._server.close()
        raise OSError(f"no port of {host} is free for both UDP and TCP")

    async def close(self) -> None:
        """Stop listening and forget what is in flight."""
        if self._transport is not None:
            self._transport.close()
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _datagram(self, data: bytes, peer: tuple[str, int]) -> None:
        async def answer() -> None:
            with self._admitted(peer[0]) as admitted:
                reply = await self.answer(peer[0], data, tcp=False) if admitted else None
            if reply and self._transport is not None and not self._transport.is_closing():
                self._transport.sendto(reply, peer)

        task = asyncio.create_task(answer())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        peer = str(writer.get_extra_info("peername")[0])
        try:
            with self._admitted(peer) as admitted, contextlib.suppress(OSError, EOFError, TimeoutError):
                while admitted:
                    async with asyncio.timeout(15):
                        (size,) = struct.unpack(">H", await reader.readexactly(2))
                        reply = await self.answer(peer, await reader.readexactly(size), tcp=True)
                        if reply is None:
                            break
                        writer.write(struct.pack(">H", len(reply)) + reply)
                        await writer.drain()
        finally:
            self._tasks.discard(task)
            writer.close()

    @contextlib.contextmanager
    def _admitted(self, peer: str) -> Iterator[bool]:
        flying = self._flying.get(peer, 0)
        if flying >= PER_INSTANCE or sum(self._flying.values()) >= IN_ALL:
            yield False
            return
        self._flying[peer] = flying + 1
        try:
            yield True
        finally:
            self._flying[peer] -= 1
            if not self._flying[peer]:
                del self._flying[peer]

    async def answer(self, peer: str, data: bytes, *, tcp: bool) -> bytes | None:
        """The reply to one question from `peer`, or None to stay silent."""
        names = self._names_of(peer)
        if names is None or not names.enabled:
            return None
        try:
            query = dns.message.from_wire(data)
        except dns.exception.DNSException:
            return None
        if query.flags & dns.flags.QR or len(query.question) != 1:
            return None
        local = self._local(query, names)
        if local is not None:
            return local.to_wire()
        try:
            return await self._upstream.ask(data, tcp)
        except (OSError, EOFError, TimeoutError):
            failed = dns.message.make_response(query, recursion_available=True)
            failed.set_rcode(dns.rcode.SERVFAIL)
            return failed.to_wire()

    def _local(self, query: dns.message.Message, names: Names) -> dns.message.Message | None:
        question = query.question[0]
        reply = dns.message.make_response(query, recursion_available=True)
        name = question.name.to_text(omit_final_dot=True).lower()
        if question.rdtype == dns.rdatatype.PTR:
            found = self._reverse(question.name, names)
            if found is None:
                return None
            reply.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "PTR", found + "."))
            return reply
        if name == f"api.{self._suffix.to_text(omit_final_dot=True)}":
            address: str | None = METADATA
        else:
            known = names.private.get(name) or names.public.get(name)
            address = str(known) if known is not None else None
        if address is None:
            if not question.name.is_subdomain(self._suffix) and not _private(name):
                return None
            reply.set_rcode(dns.rcode.NXDOMAIN)
            return reply
        if question.rdtype in (dns.rdatatype.A, dns.rdatatype.ANY):
            reply.answer.append(dns.rrset.from_text(question.name, TTL_S, "IN", "A", address))
        return reply

    @staticmethod
    def _reverse(name: dns.name.Name, names: Names) -> str | None:
        try:
            address = ipaddress.ip_address(dns.reversename.to_address(name))
        except (dns.exception.DNSException, ValueError):
            return None
        return next((known for known, its in names.private.items() if its == address), None)


def _private(name: str) -> bool:
    """Whether the name is of the form AWS gives private addresses: those have no meaning outside."""
    return name.startswith("ip-") and name.endswith((".ec2.internal", ".compute.internal"))


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, received: Callable[[bytes, tuple[str, int]], None]) -> None:
        self._received = received

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received(data, addr[:2])


class _Upstream:
    """The resolvers of this machine, as its resolv.conf names them now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read_at = -1.0
        self._servers: list[str] = []

    def servers(self) -> list[str]:
        try:
            changed = self._path.stat().st_mtime
            if changed != self._read_at:
                lines = [line.split() for line in self._path.read_text().splitlines()]
                self._servers = [words[1] for words in lines if len(words) > 1 and words[0] == "nameserver"][
                    :3
                ]
                self._read_at = changed
        except OSError:
            self._servers = []
        return self._servers

    async def ask(self, data: bytes, tcp: bool) -> bytes:
        """The first answer of any server. Raises OSError, EOFError or TimeoutError when there is none."""
        failure: Exception = OSError("this machine has no resolver")
        for server in self.servers():
            try:
                async with asyncio.timeout(FORWARD_TIMEOUT_S):
                    return await (self._over_tcp(server, data) if tcp else self._over_udp(server, data))
            except (OSError, EOFError, TimeoutError) as error:
                failure = error
        raise failure

    @staticmethod
    async def _over_udp(server: str, data: bytes) -> bytes:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[bytes] = loop.create_future()
        # A question id of our own and a port of the kernel's choice: the asker cannot help a forger.
        own = os.urandom(2)

        def received(reply: bytes, _peer: tuple[str, int]) -> None:
            if reply[:2] == own and not answered.done():
                answered.set_result(data[:2] + reply[2:])

        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(received), remote_addr=(server, 53)
        )
        try:
            transport.sendto(own + data[2:])
            return await answered
        finally:
            transport.close()

    @staticmethod
    async def _over_tcp(server: str, data: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(server, 53)
        try:
            writer.write(struct.pack(">H", len(data)) + data)
            (size,) = struct.unpack(">H", await reader.readexactly(2))
            return await reader.readexactly(size)
        finally:
            writer.close()
