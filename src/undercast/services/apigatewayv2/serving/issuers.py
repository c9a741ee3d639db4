"""The public keys of token issuers: found by OpenID Connect discovery, kept for a while."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import aiohttp
import orjson

from undercast.services.apigatewayv2.serving.outgoing import Clients

if TYPE_CHECKING:
    import jwt

_KEEP_S = 2 * 3600.0  # as long as AWS keeps keys
_RETRY_S = 5.0  # between two looks for a key that is not there, and after a failure
_TIMEOUT_S = 5.0
_MAX_DOCUMENT = 1024 * 1024
_UNREACHABLE = "OIDC discovery endpoint communication error"


class IssuerUnreachable(Exception):
    """The issuer's keys cannot be read. The text is AWS's."""


@dataclass(slots=True)
class _Keys:
    by_id: dict[str, jwt.PyJWK]
    read_at: float


@dataclass(slots=True)
class _Issuer:
    keys: _Keys | None = None
    tried_at: float = -_RETRY_S
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Issuers:
    """The keys of all issuers."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients
        self._issuers: dict[tuple[str, bool], _Issuer] = {}

    async def key(self, issuer: str, key_id: str, *, guarded: bool) -> jwt.PyJWK | None:
        """An issuer's key, or None when it has no such key. Raises IssuerUnreachable."""
        known = self._issuers.setdefault((issuer, guarded), _Issuer())
        if (found := _fresh(known, key_id)) is not None:
            return found
        async with known.lock:
            if (found := _fresh(known, key_id)) is not None:
                return found
            now = time.monotonic()
            if now - known.tried_at >= _RETRY_S:
                known.tried_at = now
                known.keys = _Keys(await self._read(issuer, guarded), now)
            if known.keys is None:
                # It did not answer a moment ago: not every request waits to see that again.
                raise IssuerUnreachable(_UNREACHABLE)
            return known.keys.by_id.get(key_id)

    async def _read(self, issuer: str, guarded: bool) -> dict[str, jwt.PyJWK]:
        import jwt  # here, for start-up counts: only JWT authorizers need it

        discovery = await self._document(f"{issuer.rstrip('/')}/.well-known/openid-configuration", guarded)
        location = discovery.get("jwks_uri")
        if not isinstance(location, str) or not location.startswith(("http://", "https://")):
            raise IssuerUnreachable(_UNREACHABLE)
        document = await self._document(location, guarded)
        keys: dict[str, jwt.PyJWK] = {}
        for one in document.get("keys", []):
            if isinstance(one, dict) and one.get("kty") == "RSA" and isinstance(one.get("kid"), str):
                try:
                    keys[one["kid"]] = jwt.PyJWK(one, algorithm=one.get("alg") or "RS256")
                except jwt.PyJWTError:
                    continue  # a key we cannot use is as good as none: its tokens are refused
        return keys

    async def _document(self, url: str, guarded: bool) -> dict[str, Any]:
        try:
            client = self._clients.pick(guarded, urlsplit(url).hostname)
            async with asyncio.timeout(_TIMEOUT_S), client.get(url, allow_redirects=False) as response:
                raw = await response.content.read(_MAX_DOCUMENT)
                while more := await response.content.read(_MAX_DOCUMENT):
                    raw += more
                    if len(raw) > _MAX_DOCUMENT:
                        raise ValueError("too large")
                document = orjson.loads(raw) if response.status == 200 else None
        except (TimeoutError, OSError, ValueError, aiohttp.ClientError) as error:
            raise IssuerUnreachable(_UNREACHABLE) from error
        if not isinstance(document, dict):
            raise IssuerUnreachable(_UNREACHABLE)
        return document


def _fresh(issuer: _Issuer, key_id: str) -> jwt.PyJWK | None:
    keys = issuer.keys
    if keys is None or time.monotonic() - keys.read_at > _KEEP_S:
        return None
    return keys.by_id.get(key_id)
