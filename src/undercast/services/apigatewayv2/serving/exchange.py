"""One request on its way through an API: what was asked, what is known about it, what came of it."""

from __future__ import annotations

import base64
import os
import secrets
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from undercast.services.base import HttpRequest

if TYPE_CHECKING:
    from undercast.services.apigatewayv2.serving.compiled import Route, Stage

_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
# RFC 9110 7.6.1: these are between the caller and us.
_HOP = frozenset({"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"})
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class Exchange:
    """The state of one request. Made per request, so it holds slots and computes only what is asked for."""

    __slots__ = (
        "_body",
        "authorizer",
        "authorizer_error",
        "authorizer_status",
        "base_path",
        "cookies",
        "domain_name",
        "domain_prefix",
        "error",
        "error_type",
        "headers",
        "iam",
        "integration_error",
        "integration_latency_ms",
        "integration_request_id",
        "integration_status",
        "jwt_claims",
        "jwt_scopes",
        "method",
        "path",
        "path_parameters",
        "query",
        "raw_path",
        "raw_query",
        "request",
        "request_id",
        "route",
        "sent_path",
        "source_ip",
        "stage",
        "started",
        "trace_id",
        "user_agent",
    )

    def __init__(self, request: HttpRequest, stage: Stage, path: str, host: str) -> None:
        self.request = request
        self.stage = stage
        self.path = path  # as sent, without stage or mapping: what routes are matched with
        self.method = request.method
        self.started = time.time()
        self.request_id = new_request_id()
        self.source_ip = request.source_ip
        self.domain_name = host
        self.domain_prefix = host.partition(".")[0]
        self.base_path = ""  # the API mapping's key, on a custom domain name
        self.raw_query = request.query_string
        self.query = parse_qsl(request.query_string, keep_blank_values=True) if request.query_string else []
        self.headers, self.cookies = _joined(request.headers)
        self.user_agent = self.headers.get("user-agent", "")
        self.route: Route | None = None
        self.path_parameters: dict[str, str] = {}
        self.authorizer: dict[str, Any] | None = None  # a Lambda authorizer's context
        self.jwt_claims: dict[str, str] | None = None
        self.jwt_scopes: list[str] | None = None
        self.iam: dict[str, Any] | None = None
        self.authorizer_error: str | None = None
        self.authorizer_status: int | None = None
        self.error: str | None = None
        self.error_type: str | None = None
        self.integration_error: str | None = None
        self.integration_status: int | None = None
        self.integration_latency_ms: int | None = None
        self.integration_request_id: str | None = None
        self._body: tuple[str | None, bool] | None = None
        decoded = unquote(path) if "%" in path else path
        self.raw_path = decoded if stage.name == "$default" else f"/{stage.name}{decoded}"
        self.sent_path = self.raw_path  # with an API mapping's key in place of the stage
        self._add_headers()

    def _add_headers(self) -> None:
        """What API Gateway adds to every request (headers are lower-case)."""
        headers = self.headers
        headers.setdefault("content-length", str(len(self.request.body)))
        if "x-amzn-trace-id" not in headers:
            headers["x-amzn-trace-id"] = f"Root=1-{int(self.started):08x}-{secrets.token_hex(12)}"
        self.trace_id = headers["x-amzn-trace-id"]
        before = headers.get("x-forwarded-for")
        headers["x-forwarded-for"] = f"{before}, {self.source_ip}" if before else self.source_ip
        port = self.request.host.rpartition(":")[2] if ":" in self.request.host else ""
        headers["x-forwarded-port"] = port if port.isdecimal() else "80"
        headers["x-forwarded-proto"] = self.request.scheme

    @property
    def route_key(self) -> str | None:
        """The key of the matched route."""
        return self.route.key if self.route else None

    @property
    def epoch_ms(self) -> int:
        """When the request came, in milliseconds."""
        return int(self.started * 1000)

    @property
    def time(self) -> str:
        """When the request came, in the Common Log Format."""
        t = time.gmtime(self.started)
        return (
            f"{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year}:"
            f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"
        )

    @property
    def body(self) -> tuple[str | None, bool]:
        """The body as an event carries it, and whether it is base64-encoded. None when there is none."""
        if self._body is None:
            self._body = _encoded(self.request.body, self.headers)
        return self._body

    def joined_query(self) -> dict[str, str]:
        """The query string with the values of a repeated name joined by commas."""
        joined: dict[str, str] = {}
        for name, value in self.query:
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        return joined


def new_request_id() -> str:
    """An identifier as the header `apigw-requestid` carries it."""
    return base64.urlsafe_b64encode(os.urandom(11)).decode()


def _joined(pairs: list[tuple[str, str]]) -> tuple[dict[str, str], list[str]]:
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, value in pairs:
        if name in _HOP:
            continue
        if name == "cookie":
            cookies += [one.strip() for one in value.split(";") if one.strip()]
        elif name in headers:
            headers[name] = f"{headers[name]},{value}"
        else:
            headers[name] = value
    return headers, cookies


def _encoded(body: bytes, headers: dict[str, str]) -> tuple[str | None, bool]:
    if not body:
        return None, False
    kind = headers.get("content-type", "").lower()
    media = kind.partition(";")[0].strip()
    text = (not kind or media.startswith(_TEXT_TYPES) or media.endswith(("+json", "+xml"))) and (
        headers.get("content-encoding", "identity") == "identity"
    )
    if text:
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # not the text it says it is: carried as what it is
    return base64.b64encode(body).decode(), True
