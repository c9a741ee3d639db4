"""Pages of a long answer: MaxResults and NextToken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from undercast.services import pagination
from undercast.services.base import AwsError, Params


def page(
    items: list[Any],
    params: Params,
    key: Callable[[Any], str],
    *,
    lowest: int = 5,
    highest: int = 1000,
    default: int | None = None,
) -> tuple[list[Any], str | None]:
    """The items of the page asked for, and the token of the next one (None on the last).

    `key` names an item, and pages are sorted by it.
    """
    size = params.get("MaxResults") or default
    if params.get("MaxResults") is not None:
        _check_size(int(params["MaxResults"]), lowest, highest)
    token = params.get("NextToken") or None
    if size is None and token is None:
        return items, None
    try:
        return pagination.page(sorted(items, key=key), key, token, size or len(items))
    except pagination.BadToken:
        raise AwsError("InvalidParameterValue", "Unable to parse pagination token") from None


def answer(name: str, items: list[Any], token: str | None) -> dict[str, Any]:
    """The members of an answer that carries a page."""
    return {name: items, "NextToken": token} if token else {name: items}


def not_with_ids(params: Params, name: str, shown: str) -> None:
    """Refuse MaxResults beside a list of ids (`name`, which AWS's message shows as `shown`)."""
    if params.get(name) and params.get("MaxResults") is not None:
        raise AwsError(
            "InvalidParameterCombination",
            f"The parameter {shown} cannot be used with the parameter maxResults",
        )


def _check_size(size: int, lowest: int, highest: int) -> None:
    if size < lowest:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value greater than {lowest}.",
        )
    if size > highest:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ( {size} ) for parameter maxResults is invalid. Expecting a value less than {highest}.",
        )
