"""Lambda's pages: `Marker` and `MaxItems` in, `NextMarker` out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from undercast.services.base import Params, Result
from undercast.services.lambda_ import errors
from undercast.services.pagination import BadToken, page

T = TypeVar("T")

_MOST = 50  # AWS never shows more at once, whatever MaxItems says


def paged(
    member: str,
    items: Sequence[T],
    key: Callable[[T], str],
    show: Callable[[T], object],
    params: Params,
    most: int = _MOST,
) -> Result:
    """One page of `items`, sorted by `key`, as `member`."""
    limit = min(params.get("MaxItems") or most, most)
    try:
        shown, marker = page(items, key, params.get("Marker"), limit)
    except BadToken as error:
        raise errors.invalid("Invalid Marker") from error
    result: Result = {member: [show(item) for item in shown]}
    if marker:
        result["NextMarker"] = marker
    return result
