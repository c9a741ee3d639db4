"""The HTTP application: finds who answers a request."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from undercast.gateway import cors, sigv4
from undercast.gateway.api import Api
from undercast.gateway.auth import Authenticator, Refused, refusal
from undercast.gateway.connection import request_id
from undercast.gateway.internal import Internal
from undercast.gateway.request import Request, Response
from undercast.gateway.terminal import TerminalDoor
from undercast.services.base import Caller, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from undercast.cloud import Cloud

log = logging.getLogger(__name__)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

Plane = Callable[[HttpRequest], Awaitable[HttpResponse | None]]


class Gateway:
    """Answers requests; as an ASGI application, WebSockets."""

    def __init__(self, cloud: Cloud) -> None:
        settings = cloud.settings
        self._auth_on = settings.auth == "on"
        self.authenticator = Authenticator(cloud.iam.credential, self._auth_on, settings.account)
        self._api = Api(cloud, self.authenticator)
        self._internal = Internal(cloud, self.authenticator)
        self._terminals = TerminalDoor(cloud, self.authenticator)
        self._planes: list[Plane] = [
            plane for service in cloud.services.values() if (plane := getattr(service, "handle_http", None))
        ]

    def authenticate(self, asked: HttpRequest) -> Caller:
        """Who signed a request to a data plane. Raises `AwsError` (403)."""
        headers: dict[str, str] = {}
        for name, text in asked.headers:
            headers[name] = f"{headers[name]},{text}" if name in headers else text
        request = Request(
            asked.method,
            asked.raw_path,
            asked.query_string,
            headers,
            asked.headers,
            asked.body,
            asked.scheme,
            asked.source_ip,
            asked.request_id,
        )
        try:
            return self.authenticator.caller(request, sigv4.read(request))
        except sigv4.Incomplete as error:
            raise refusal("incomplete", "execute-api", "rest-json", str(error)) from error
        except Refused as refused:
            raise refusal(refused.case, "execute-api", "rest-json", refused.detail) from refused

    def sign_in_link(self, url: str) -> str:
        """A link that signs the first account's root in to the console, once."""
        return self._internal.sign_in_link(url)

    def close(self) -> None:
        """Release threads."""
        self._api.close()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve a WebSocket, as an ASGI application."""
        await self._terminals.answer(_opening(scope), receive, send)

    async def respond(self, request: Request) -> Response:
        """The answer to an HTTP request."""
        if self._planes and (request.path.startswith("/_aws/") or cors.is_name(request.host)):
            answered = await self._from_plane(request)
            if answered is not None:
                return answered
        if not cors.origin_allowed(request, self._auth_on):
            return Response(403, [("content-type", "text/plain")], b"This origin may not call the API.\n")
        if (preflight := cors.preflight(request)) is not None:
            return preflight
        if request.path.startswith(("/_undercast", "/console")) or request.path == "/":
            internal = await self._internal.answer(request)
            if internal is not None:
                return internal
        response = await self._api.answer(request)
        if "origin" in request.headers:
            cors.allow(response)
        return response

    async def _from_plane(self, request: Request) -> Response | None:
        asked = HttpRequest(
            method=request.method,
            path=unquote(request.path),
            raw_path=request.path,
            query_string=request.query,
            headers=request.header_list,
            body=request.body,
            source_ip=request.source_ip,
            scheme=request.scheme,
            host=request.host,
            request_id=request.request_id,
        )
        for plane in self._planes:
            try:
                answer = await plane(asked)
            except Exception:
                log.exception("%s %s%s failed", request.method, request.host, request.path)
                return Response(
                    500, [("content-type", "application/json")], b'{"message":"Internal Server Error"}'
                )
            if answer is not None:
                apart = _APART if request.path.startswith("/_aws/") else []
                return Response(answer.status, [*answer.headers, *apart], answer.body)
        return None


# What functions answer under the API's own address gets an origin of its own in a browser: a page there is
# somebody's code and must not reach into the console's storage.
_APART = [
    ("content-security-policy", "sandbox allow-downloads allow-forms allow-modals allow-popups allow-scripts")
]


def _opening(scope: MutableMapping[str, Any]) -> Request:
    """The request that opens a WebSocket."""
    header_list = [(name.decode("latin-1"), text.decode("latin-1")) for name, text in scope["headers"]]
    headers: dict[str, str] = {}
    for name, text in header_list:
        headers[name] = f"{headers[name]},{text}" if name in headers else text
    client = scope.get("client")
    return Request(
        "GET",
        scope["raw_path"].decode("latin-1"),
        scope["query_string"].decode("latin-1"),
        headers,
        header_list,
        b"",
        scope.get("scheme", "http"),
        client[0] if client else "127.0.0.1",
        request_id(),
    )
