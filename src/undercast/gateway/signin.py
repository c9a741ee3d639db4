"""One-time links into the console: a token in the link is changed for temporary keys, once and soon.

The token stands behind the `#` of the link, so browsers send it to nobody but the page itself.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable

TOKEN_BYTES = 32
LIFE_S = 600.0
KEYS_LIFE_S = 12 * 3600
MAX_LINKS = 32  # outstanding at once; the oldest gives way
MAX_FAILURES = 20  # of one address within `FAILURES_S`
FAILURES_S = 60.0
_MAX_SOURCES = 1024


class Rejected(Exception):
    """The token is unknown, used or too old."""


class TooMany(Exception):
    """The address tried wrong tokens again and again."""


class SignIn:
    """The links that were given out. Only a hash of each token is kept, and only in memory."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: dict[bytes, float] = {}  # hash of a token → when it ends
        self._failures: dict[str, list[float]] = {}  # address → when it failed

    def token(self) -> str:
        """A new token, good once and for `LIFE_S` seconds."""
        token = secrets.token_urlsafe(TOKEN_BYTES)
        while len(self._ends) >= MAX_LINKS:
            del self._ends[next(iter(self._ends))]
        self._ends[_hash(token)] = self._clock() + LIFE_S
        return token

    def redeem(self, token: str, source: str) -> None:
        """Use a token up. Raises `Rejected` and `TooMany`."""
        now = self._clock()
        recent = [moment for moment in self._failures.get(source, ()) if moment > now - FAILURES_S]
        if len(recent) >= MAX_FAILURES:
            raise TooMany
        given, found = _hash(token), None
        for known in self._ends:  # all of them: how long this takes tells nothing
            if hmac.compare_digest(known, given):
                found = known
        if found is not None and self._ends.pop(found) > now:
            return
        self._failures.pop(source, None)
        while len(self._failures) >= _MAX_SOURCES:
            del self._failures[next(iter(self._failures))]
        self._failures[source] = [*recent, now]
        raise Rejected


def link(url: str, token: str) -> str:
    """The address that signs in."""
    return f"{url}/console/#token={token}"


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
