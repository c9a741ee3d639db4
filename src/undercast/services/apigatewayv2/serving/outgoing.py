"""The HTTP clients with which APIs reach endpoints and token issuers.

What a person configures may lead anywhere, this machine included: that is how one develops. What a role
configured, that is a function or an instance, leads to public addresses only, as everything does on AWS.
Code that is kept from the host's loopback must not get there by making an API that goes there for it.
"""

from __future__ import annotations

import ipaddress
import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from undercast.services.base import Call

DNS_CACHE_S = 60


class Forbidden(OSError):
    """The address is not public."""


class Clients:
    """Two clients: one that goes anywhere, one that goes to public addresses only."""

    def __init__(self, public_pool: str) -> None:
        self._pool = ipaddress.ip_network(public_pool)
        self._anywhere = _session(None)
        self._public = _session(_PublicResolver(self._pool))

    def pick(self, guarded: bool, host: str | None) -> aiohttp.ClientSession:
        """The client for a host. Raises Forbidden for an address that a guarded request may not reach."""
        if not guarded:
            return self._anywhere
        # Names go through the resolver; addresses do not.
        try:
            address = ipaddress.ip_address(host or "")
        except ValueError:
            return self._public
        if not _is_public(address, self._pool):
            raise Forbidden(f"{host} is not a public address")
        return self._public

    async def close(self) -> None:
        """Close all connections."""
        await self._anywhere.close()
        await self._public.close()


def guarded_for(call: Call) -> bool:
    """Whether what a caller configures leads to public addresses only: whether it is a role's session."""
    return ":assumed-role/" in call.principal_arn


def _session(resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    """No cookies, no proxies of the environment, bodies left as they are."""
    return aiohttp.ClientSession(
        auto_decompress=False,
        connector=aiohttp.TCPConnector(
            limit=0, resolver=resolver or aiohttp.ThreadedResolver(), ttl_dns_cache=DNS_CACHE_S
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


def _is_public(address: IPv4Address | IPv6Address, pool: IPv4Network | IPv6Network) -> bool:
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.version == pool.version and address in pool:
        return True
    return address.is_global and not address.is_multicast


class _PublicResolver(AbstractResolver):
    """Resolves names, and gives their public addresses only."""

    def __init__(self, pool: IPv4Network | IPv6Network) -> None:
        self._pool = pool
        self._inner = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        public = [one for one in found if _is_public(ipaddress.ip_address(one["host"]), self._pool)]
        if not public:
            raise Forbidden(f"{host} has no public address")
        return public

    async def close(self) -> None:
        await self._inner.close()
