"""The CORS configuration of an API, checked as AWS checks it."""

from __future__ import annotations

import re
from typing import Any

from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request
from undercast.services.base import Call, Params, Result

_ORIGIN = re.compile(r"\*|https?://\*|[a-z][a-z0-9+.-]*://[^\s/]+", re.IGNORECASE)
_HEADER = re.compile(r"\*|[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_METHODS = frozenset({"*", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
_MAX_AGE_S = 86_400


class Cors:
    """The operation on CORS alone."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def delete_cors_configuration(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (_, api):
            api.members = {name: value for name, value in api.members.items() if name != "CorsConfiguration"}
        return {}


def checked(cors: dict[str, Any]) -> dict[str, Any]:
    """The configuration. Raises BadRequestException."""
    for origin in cors.get("AllowOrigins", []):
        if not _ORIGIN.fullmatch(origin):
            raise bad_request(f"Invalid format for origin {origin}")
    for method in cors.get("AllowMethods", []):
        if method not in _METHODS:
            raise bad_request(f"Invalid HTTP method {method} in CORS configuration")
    for name in ("AllowHeaders", "ExposeHeaders"):
        for header in cors.get(name, []):
            if not _HEADER.fullmatch(header):
                raise bad_request(f"Invalid header name {header} in CORS configuration")
    if not -1 <= cors.get("MaxAge", 0) <= _MAX_AGE_S:
        raise bad_request(f"CORS max age must be between -1 and {_MAX_AGE_S} seconds")
    if cors.get("AllowCredentials") and "*" in cors.get("AllowOrigins", []):
        raise bad_request("allowCredentials is not supported for origin *")
    return cors
