"""Token buckets: how many requests per second a stage or a route takes."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic
from typing import Any

# The account's own limits, which hold where a stage sets none:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-throttling.html
ACCOUNT_RATE = 10_000.0
ACCOUNT_BURST = 5_000


class Bucket:
    """A token bucket. `rate` is in requests per second, `burst` how many may come at once."""

    __slots__ = ("_at", "_burst", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._at = monotonic()

    def take(self) -> bool:
        """Take one token, or tell that there is none."""
        now = monotonic()
        tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        if tokens < 1.0:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1.0
        return True


def bucket(settings: Mapping[str, Any]) -> Bucket | None:
    """The bucket that stage or route settings ask for, or None when they set no limit."""
    rate, burst = settings.get("ThrottlingRateLimit"), settings.get("ThrottlingBurstLimit")
    if rate is None and burst is None:
        return None
    return Bucket(ACCOUNT_RATE if rate is None else rate, ACCOUNT_BURST if burst is None else burst)
