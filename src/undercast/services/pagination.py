"""Pages of a sorted list, with opaque tokens that name where the next page begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

import orjson

T = TypeVar("T")


class BadToken(ValueError):
    """The token was not made by `page`."""


def page(
    items: Sequence[T], key: Callable[[T], str], token: str | None, limit: int
) -> tuple[list[T], str | None]:
    """Up to `limit` of `items` (sorted ascending by `key`) after `token`, and the next page's token.

    A token holds the last key shown, so items made or deleted between two pages shift nothing.
    Raises `BadToken`, which the service answers with its own AWS error.
    """
    if token is not None:
        last = decode(token)
        items = [item for item in items if key(item) > last]
    shown = list(items[:limit])
    more = len(items) > limit
    return shown, encode(key(shown[-1])) if more else None


def encode(last: str) -> str:
    """The opaque token of a key."""
    return base64.urlsafe_b64encode(orjson.dumps({"after": last})).decode().rstrip("=")


def decode(token: str) -> str:
    """The key in a token. Raises `BadToken`."""
    try:
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        last = orjson.loads(raw)["after"]
    except (binascii.Error, ValueError, KeyError, TypeError) as error:
        raise BadToken(token) from error
    if not isinstance(last, str):
        raise BadToken(token)
    return last
