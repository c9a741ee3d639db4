"""Names of function URLs, made to resolve on this machine."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterable, Mapping
from typing import Any

from undercast.network import endpoints
from undercast.services.lambda_.core import Core

_ALPHABET = string.ascii_lowercase + string.digits


def new_id() -> str:
    """An id as AWS gives function URLs: 32 lower-case letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(32))


def url(core: Core, id: str, region: str) -> str:
    """The URL to print."""
    return endpoints.url(core.cloud, "lambda-url", id, region) + "/"


def announce(core: Core, id: str, region: str) -> None:
    """Let a new URL's name resolve."""
    endpoints.announce(core.cloud, "lambda-url", {id: region})


def announce_all(core: Core) -> None:
    """Let every URL's name resolve, after a start."""
    names = {id: key[1] for id, (key, _) in core.directory.urls.items()}
    if names:
        endpoints.announce(core.cloud, "lambda-url", names)


def withdraw(core: Core, urls: Iterable[Mapping[str, Any]], region: str) -> None:
    """Forget the names of deleted URLs."""
    names = {str(one["id"]): region for one in urls}
    if names:
        endpoints.withdraw(core.cloud, "lambda-url", names)
