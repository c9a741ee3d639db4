"""CORS of function URLs: answered for the function when it is configured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from undercast.services.base import HttpRequest, HttpResponse


def _header(request: HttpRequest, name: str) -> str | None:
    return next((text for key, text in request.headers if key == name), None)


def preflight(request: HttpRequest, cors: Mapping[str, Any] | None) -> HttpResponse | None:
    """The answer to a browser's question before the request, or None when this is none."""
    if not cors or request.method != "OPTIONS" or _header(request, "access-control-request-method") is None:
        return None
    headers = [("content-type", "application/json")]
    origin = _allowed(request, cors)
    if origin is not None:
        headers += _common(origin, cors)
        methods = cors.get("AllowMethods") or []
        if methods:
            headers.append(("access-control-allow-methods", ",".join(methods)))
        if cors.get("AllowHeaders"):
            headers.append(("access-control-allow-headers", ",".join(cors["AllowHeaders"])))
        if cors.get("MaxAge"):
            headers.append(("access-control-max-age", str(cors["MaxAge"])))
    return HttpResponse(200, headers)


def decorate(request: HttpRequest, cors: Mapping[str, Any] | None, response: HttpResponse) -> HttpResponse:
    """Put the configured headers on an answer, in place of what the function said about them."""
    if not cors:
        return response
    response.headers = [(n, v) for n, v in response.headers if not n.lower().startswith("access-control-")]
    origin = _allowed(request, cors)
    if origin is not None:
        response.headers += _common(origin, cors)
        if cors.get("ExposeHeaders"):
            response.headers.append(("access-control-expose-headers", ",".join(cors["ExposeHeaders"])))
    return response


def _allowed(request: HttpRequest, cors: Mapping[str, Any]) -> str | None:
    """What to say about the request's origin: nothing, itself, or `*`."""
    origin = _header(request, "origin")
    allowed = cors.get("AllowOrigins") or []
    if origin is None:
        return None
    if "*" in allowed:
        return origin if cors.get("AllowCredentials") else "*"
    return origin if origin in allowed else None


def _common(origin: str, cors: Mapping[str, Any]) -> list[tuple[str, str]]:
    headers = [("access-control-allow-origin", origin)]
    if origin != "*":
        headers.append(("vary", "Origin"))
    if cors.get("AllowCredentials"):
        headers.append(("access-control-allow-credentials", "true"))
    return headers
