"""The URLs of what is served beside the API itself: HTTP APIs and function URLs.

Each has two forms. The host form is AWS's, under `localhost`: `http://ID.execute-api.REGION.localhost:PORT`.
The path form lives under the API's own URL and needs no name: `http://127.0.0.1:PORT/_aws/execute-api/ID`.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from undercast.cloud import Cloud

Kind = Literal["execute-api", "lambda-url"]

SUFFIX = "localhost"


def name(kind: Kind, identifier: str, region: str) -> str:
    """The host name of an endpoint."""
    return f"{identifier}.{kind}.{region}.{SUFFIX}"


def url(cloud: Cloud, kind: Kind, identifier: str, region: str) -> str:
    """The URL to print: the host form where its name resolves for everyone on this machine."""
    if named(cloud):
        return f"http://{name(kind, identifier, region)}:{cloud.port}"
    return f"{cloud.url}/_aws/{kind}/{identifier}"


def named(cloud: Cloud) -> bool:
    """Whether printed host names resolve: the hosts file is ours to write and we listen on loopback."""
    return cloud.hosts.available and address(cloud) is not None


def address(cloud: Cloud) -> str | None:
    """The loopback address names stand for, or None when nobody listens there.

    `*.localhost` must mean loopback (RFC 6761): curl and browsers never ask anyone about it.
    """
    host = urlsplit(cloud.url).hostname or ""
    if host == "localhost":
        return "127.0.0.1"
    try:
        return host if ipaddress.ip_address(host).is_loopback else None
    except ValueError:
        return None


def announce(cloud: Cloud, kind: Kind, endpoints: dict[str, str]) -> None:
    """Make the names of endpoints (identifier to region) resolve on this machine."""
    if (target := address(cloud)) is not None:
        cloud.hosts.add({name(kind, one, region): target for one, region in endpoints.items()})


def withdraw(cloud: Cloud, kind: Kind, endpoints: dict[str, str]) -> None:
    """Forget the names of endpoints (identifier to region)."""
    cloud.hosts.remove(name(kind, one, region) for one, region in endpoints.items())


def split_host(kind: Kind, host: str) -> str | None:
    """The identifier in a Host header of the host form (any region, any port, any suffix), else None."""
    identifier, _, rest = host.partition(".")
    return identifier.lower() if rest.startswith(kind + ".") else None


def split_path(kind: Kind, path: str) -> tuple[str, str] | None:
    """The identifier and the remaining path of a path form, else None."""
    prefix = f"/_aws/{kind}/"
    if not path.startswith(prefix):
        return None
    identifier, slash, rest = path[len(prefix) :].partition("/")
    return (identifier.lower(), slash + rest) if identifier else None
