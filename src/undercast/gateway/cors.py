"""What browsers need: pages elsewhere may call the API, for every call carries a signature of its own.

With signatures off, only pages of this machine may: any web site could otherwise drive the cloud.
"""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from undercast.gateway.request import Request, Response

_MAX_AGE_S = "3600"


@lru_cache(maxsize=1024)
def is_local(host: str) -> bool:
    """Whether a host name (with or without a port) is this machine's by itself: an address or `localhost`."""
    name = urlsplit(f"//{host}").hostname or ""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@lru_cache(maxsize=1024)
def is_name(host: str) -> bool:
    """Whether a Host header gives a name of its own (of an API, say), not an address or just `localhost`."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name not in ("", "localhost")
    return False


@lru_cache(maxsize=1024)
def _could_be_anybodys(host: str) -> bool:
    """Whether a host name may be that of a web site made to resolve to this machine (DNS rebinding)."""
    name = urlsplit(f"//{host}").hostname or ""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." in name and not name.endswith((".localhost", ".amazonaws.com", ".on.aws"))
    return False


def origin_allowed(request: Request, auth: bool) -> bool:
    """Whether the page a browser sends this from may call the API."""
    if auth:
        return True
    origin = request.headers.get("origin")
    if origin is not None and not is_local(urlsplit(origin).netloc):
        return False
    return not _could_be_anybodys(request.host)


def preflight(request: Request) -> Response | None:
    """The answer to a browser's question before a call, or None when this is no such question."""
    if request.method != "OPTIONS" or "access-control-request-method" not in request.headers:
        return None
    wanted = request.headers.get("access-control-request-headers", "*")
    return Response(
        204,
        [
            ("access-control-allow-origin", "*"),
            ("access-control-allow-methods", "GET,HEAD,POST,PUT,PATCH,DELETE,OPTIONS"),
            ("access-control-allow-headers", wanted),
            ("access-control-max-age", _MAX_AGE_S),
        ],
    )


def allow(response: Response) -> None:
    """Let a page read an answer and all its headers."""
    exposed = ",".join(sorted({name for name, _ in response.headers})) or "*"
    response.headers += [("access-control-allow-origin", "*"), ("access-control-expose-headers", exposed)]
