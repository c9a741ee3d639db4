"""Function URLs: requests to them are served here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from undercast.network import endpoints
from undercast.services.base import AwsError, Caller, HttpRequest, HttpResponse
from undercast.services.lambda_ import limits, policy, running, url_cors, url_events
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST

_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)
_INTEGRATION = "application/vnd.awslambda.http-integration-response"
_SEPARATOR = b"\0" * 8  # between the prelude and the body of a streamed HTTP answer
_MOST_PRELUDE = 1024 * 1024  # bytes


class UrlPlane:
    """Answers requests to function URLs."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def handle(self, request: HttpRequest) -> HttpResponse | None:
        """The answer, or None when the request is not for a function URL."""
        found = _locate(request)
        if found is None:
            return None
        url_id, path = found
        known = self._core.directory.urls.get(url_id)
        function = self._core.directory.functions.get(known[0]) if known else None
        if known is None or function is None:
            return url_events.error(404, "ResourceNotFoundException", {"Message": None})
        qualifier = known[1]
        config = function.urls[qualifier]
        if (answer := url_cors.preflight(request, config["cors"])) is not None:
            return answer
        response = await self._serve(request, function, qualifier, path)
        response.headers.append(("x-amzn-requestid", request.request_id))
        return url_cors.decorate(request, config["cors"], response)

    async def _serve(
        self, request: HttpRequest, function: Function, qualifier: str, path: str
    ) -> HttpResponse:
        config = function.urls[qualifier]
        alias = None if qualifier == LATEST else qualifier
        if alias is not None and alias not in function.aliases:
            return _forbidden()
        try:
            caller = self._admit(request, function, qualifier)
            if len(request.body) > limits.SYNC_PAYLOAD:
                return url_events.error(
                    413, "RequestTooLargeException", {"Message": "Request Entity Too Large"}
                )
            trace = (
                next((t for n, t in request.headers if n == "x-amzn-trace-id"), None) or running.new_trace()
            )
            event = url_events.event(request, config["id"], function.region, path, trace, caller)
            arguments: dict[str, Any] = {
                "request_id": request.request_id,
                "invoked_arn": f"{function.arn}:{alias}" if alias else function.arn,
                "trace_id": trace,
            }
            version = function.serving(alias)
            payload = orjson.dumps(event)
            if config["mode"] == "RESPONSE_STREAM":
                held = await running.stream(self._core, function, version, payload, **arguments)
                return await _streamed(held)
            invocation = await running.run(self._core, function, version, payload, **arguments)
        except AwsError as error:
            document = {"Message": error.message} | {
                key: value for key, value in error.members.items() if key in ("Type", "Reason")
            }
            return url_events.error(error.status, error.code, document)
        if invocation.function_error:
            return url_events.internal_error()
        return url_events.response(invocation.payload)

    def _admit(self, request: HttpRequest, function: Function, qualifier: str) -> Caller | None:
        """Who asks, if they may. Raises 403."""
        config = function.urls[qualifier]
        context = {"lambda:functionurlauthtype": config["auth"], "lambda:invokedviafunctionurl": "true"}
        if config["auth"] == "NONE":
            _check(function.policies.get(qualifier), policy.Asker(context=context))
            return None
        try:
            caller = self._core.cloud.authenticate(request)
        except AwsError as error:
            # Missing and wrong signatures alike; AWS tells apart only what helps a client in good faith.
            raise (_refused() if error.code.startswith("Missing") else error) from error
        # Principals of the account itself need no statement: their own policies decide, and root's may.
        if caller.account != function.account:
            asker = policy.Asker(principal_arn=caller.principal_arn, account=caller.account, context=context)
            _check(function.policies.get(qualifier), asker)
        return caller


def _locate(request: HttpRequest) -> tuple[str, str] | None:
    """The URL's id and the path the function sees."""
    by_host = endpoints.split_host("lambda-url", request.host)
    if by_host is not None:
        return by_host, request.raw_path
    return endpoints.split_path("lambda-url", request.raw_path)


def _check(found: Mapping[str, Any] | None, asker: policy.Asker) -> None:
    """Raise 403 unless a policy allows both: calling the URL, and invoking the function through it.

    https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html (since October 2025)
    """
    if not all(policy.allows(found, action, asker) for action in (policy.INVOKE_URL, policy.INVOKE)):
        raise _refused()


def _refused() -> AwsError:
    return AwsError("AccessDeniedException", _FORBIDDEN, 403)


def _forbidden() -> HttpResponse:
    return url_events.error(403, "AccessDeniedException", {"Message": _FORBIDDEN})


async def _streamed(held: running.HeldStream) -> HttpResponse:
    """The answer of a function URL that streams, with the status and headers the function says."""
    streaming = held.streaming
    if streaming.failed:
        await held.aclose()
        return url_events.internal_error()
    if streaming.content_type != _INTEGRATION:
        headers = [("content-type", streaming.content_type or "application/octet-stream")]
        return HttpResponse(200, headers, held)
    beginning = b""
    async for chunk in held:
        beginning += chunk
        if _SEPARATOR in beginning or len(beginning) > _MOST_PRELUDE:
            break
    document, separator, rest = beginning.partition(_SEPARATOR)
    try:
        if not separator:
            raise ValueError("the prelude does not end")
        response = url_events.prelude(document)
    except ValueError:
        await held.aclose()
        return url_events.internal_error()
    response.body = Rest(rest, held)
    return response


class Rest:
    """The body of a streamed answer: what was read along with the prelude, then the rest."""

    def __init__(self, first: bytes, held: running.HeldStream) -> None:
        self._first = first
        self._held = held

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._first:
            first, self._first = self._first, b""
            return first
        return await anext(self._held)

    async def aclose(self) -> None:
        """Stop reading."""
        await self._held.aclose()
