"""The answers API Gateway gives by itself."""

from __future__ import annotations

from dataclasses import dataclass, field

import orjson

Headers = list[tuple[str, str]]


@dataclass(slots=True)
class Answer:
    """What goes back to the caller."""

    status: int
    headers: Headers
    body: bytes


class Refused(Exception):
    """The request ends here, with API Gateway's own answer. `error_type` is `$context.error.responseType`."""

    def __init__(
        self,
        status: int,
        message: str,
        error_type: str,
        headers: Headers | None = None,
        why: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.error_type = error_type
        self.headers = headers or []
        self.why = why  # for the integration's error in the access log

    def answer(self) -> Answer:
        """The answer with AWS's body for it."""
        body = orjson.dumps({"message": self.message})
        return Answer(self.status, [("content-type", "application/json"), *self.headers], body)


def not_found() -> Refused:
    return Refused(404, "Not Found", "ROUTE_NOT_FOUND")


def too_many_requests() -> Refused:
    return Refused(429, "Too Many Requests", "THROTTLED")


def too_large() -> Refused:
    return Refused(413, "Request Entity Too Large", "REQUEST_TOO_LARGE")


def headers_too_large() -> Refused:
    return Refused(431, "Request Header Fields Too Large", "REQUEST_TOO_LARGE")


def unauthorized(headers: Headers | None = None) -> Refused:
    return Refused(401, "Unauthorized", "UNAUTHORIZED", headers)


def forbidden(headers: Headers | None = None) -> Refused:
    return Refused(403, "Forbidden", "ACCESS_DENIED", headers)


def internal_error(why: str, error_type: str = "INTEGRATION_FAILURE") -> Refused:
    return Refused(500, "Internal Server Error", error_type, why=why)


def unavailable(why: str) -> Refused:
    return Refused(503, "Service Unavailable", "INTEGRATION_FAILURE", why=why)


@dataclass(slots=True)
class Reply:
    """What an integration answered, before mapping and CORS."""

    status: int
    headers: Headers = field(default_factory=list)
    body: bytes = b""
