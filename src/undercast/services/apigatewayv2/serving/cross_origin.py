"""Answering preflight requests and putting CORS headers on responses."""

from __future__ import annotations

from typing import Any

Headers = list[tuple[str, str]]


class CorsRules:
    """A CORS configuration, ready to be applied."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        origins = configuration.get("AllowOrigins", [])
        self._any = "*" in origins
        self._schemes = tuple(origin[:-1].lower() for origin in origins if origin.endswith("://*"))
        self._origins = frozenset(origin.lower() for origin in origins)
        credentials = [("access-control-allow-credentials", "true")]
        self._always: Headers = credentials if configuration.get("AllowCredentials") else []
        self._exposed = _joined("access-control-expose-headers", configuration.get("ExposeHeaders"))
        self._preflight: Headers = [
            *_joined("access-control-allow-methods", configuration.get("AllowMethods")),
            *_joined("access-control-allow-headers", configuration.get("AllowHeaders")),
        ]
        if "MaxAge" in configuration:
            self._preflight.append(("access-control-max-age", str(configuration["MaxAge"])))

    def _allowed(self, origin: str | None) -> str | None:
        """What `access-control-allow-origin` says to an origin; None when nothing."""
        if origin is None:
            return None
        if self._any:
            return "*"
        lower = origin.lower()
        return origin if lower in self._origins or lower.startswith(self._schemes or ("\0",)) else None

    def preflight(self, origin: str | None) -> Headers:
        """The headers of the answer to an OPTIONS request."""
        allowed = self._allowed(origin)
        if allowed is None:
            return []
        return [("access-control-allow-origin", allowed), *self._preflight, *self._always, *self._exposed]

    def apply(self, headers: Headers, origin: str | None) -> Headers:
        """A response's headers with the API's own CORS headers in place of those the integration set."""
        kept = [pair for pair in headers if not pair[0].lower().startswith("access-control-")]
        if (allowed := self._allowed(origin)) is not None:
            kept += [("access-control-allow-origin", allowed), *self._always, *self._exposed]
        return kept


def _joined(name: str, values: list[str] | None) -> Headers:
    return [(name, ",".join(values))] if values else []
