"""Lambda authorizers: a function says who may pass, and its answer is kept for a while.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-lambda-authorizer.html
"""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote

import orjson

from undercast.services.apigatewayv2.serving import answers, events, policies, variables
from undercast.services.apigatewayv2.serving.compiled import LambdaAuthorizer, Route
from undercast.services.apigatewayv2.serving.exchange import Exchange
from undercast.services.apigatewayv2.serving.invoking import Functions

_TIMEOUT_S = 10.0
_MAX_CACHED = 10_000


async def authorize(
    functions: Functions, exchange: Exchange, route: Route, authorizer: LambdaAuthorizer
) -> None:
    """Let the request pass and note the authorizer's context. Raises Refused: 401, 403 or 500."""
    identity = _identity(exchange, authorizer)
    resource = _resource(exchange)
    verdict = _cached(authorizer, identity)
    if verdict is None:
        verdict = await _ask(functions, exchange, route, authorizer, identity, resource)
        if authorizer.ttl_s:
            _keep(authorizer, identity, verdict)
    exchange.authorizer_status = 200
    try:
        allowed = verdict["isAuthorized"] if authorizer.simple else _allowed(verdict, resource)
    except policies.BadPolicy as error:
        raise _broken(exchange, "The authorizer returned an invalid policy") from error
    if not allowed:
        exchange.authorizer_status = 403
        raise answers.forbidden()
    exchange.authorizer = _context(verdict, authorizer)


def _resource(exchange: Exchange) -> str:
    """The ARN of what is asked for: the path as requested, not as the route spells it."""
    api = exchange.stage.api
    path = unquote(exchange.path)
    prefix = f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/{exchange.stage.name}"
    return f"{prefix}/{exchange.method}{path}"


def _identity(exchange: Exchange, authorizer: LambdaAuthorizer) -> tuple[str, ...]:
    """The values of the identity sources. Raises Refused (401) when one is missing or empty."""
    values = []
    for source in authorizer.sources:
        place, _, name = source.removeprefix("$").partition(".")
        if place == "request":
            place, _, name = name.partition(".")
            found = exchange.headers if place == "header" else exchange.joined_query()
            value = found.get(name.lower() if place == "header" else name)
        elif place == "context":
            value = variables.lookup(exchange, name)
        else:
            value = exchange.stage.variables.get(name)
        if not value:
            exchange.authorizer_error = f"missing: {source}"
            exchange.authorizer_status = 401
            raise answers.unauthorized()
        values.append(value)
    return tuple(values)


def _cached(authorizer: LambdaAuthorizer, identity: tuple[str, ...]) -> dict[str, Any] | None:
    entry = authorizer.cache.get(identity)
    if entry is None:
        return None
    ends, verdict = entry
    if ends > time.monotonic():
        found: dict[str, Any] = verdict
        return found
    del authorizer.cache[identity]
    return None


def _keep(authorizer: LambdaAuthorizer, identity: tuple[str, ...], verdict: dict[str, Any]) -> None:
    if len(authorizer.cache) >= _MAX_CACHED:
        # The oldest goes: dictionaries keep the order of insertion.
        del authorizer.cache[next(iter(authorizer.cache))]
    authorizer.cache[identity] = (time.monotonic() + authorizer.ttl_s, verdict)


async def _ask(
    functions: Functions,
    exchange: Exchange,
    route: Route,
    authorizer: LambdaAuthorizer,
    identity: tuple[str, ...],
    resource: str,
) -> dict[str, Any]:
    api = exchange.stage.api
    event = _event(exchange, route, authorizer, identity, resource)
    try:
        invoked = await functions.invoke(
            api.account,
            api.region,
            authorizer.function,
            orjson.dumps(event),
            source_arn=f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/authorizers/{authorizer.id}",
            trace_id=exchange.trace_id,
            credentials=authorizer.credentials,
            timeout_s=_TIMEOUT_S,
        )
    except answers.Refused as refused:
        raise _broken(exchange, refused.why or refused.message) from refused
    try:
        verdict = orjson.loads(invoked.payload)
    except orjson.JSONDecodeError as error:
        raise _broken(exchange, "The authorizer returned no JSON") from error
    if invoked.function_error:
        if isinstance(verdict, dict) and verdict.get("errorMessage") == "Unauthorized":
            # The one error a function may raise on purpose.
            exchange.authorizer_status = 401
            raise answers.unauthorized()
        raise _broken(exchange, "The authorizer function failed")
    if not isinstance(verdict, dict):
        raise _broken(exchange, "The authorizer returned a response of the wrong shape")
    if authorizer.simple and not isinstance(verdict.get("isAuthorized"), bool):
        raise _broken(exchange, "The authorizer returned no isAuthorized")
    if not authorizer.simple and not isinstance(verdict.get("principalId"), str):
        raise _broken(exchange, "The authorizer returned no principalId")
    if not isinstance(verdict.get("context") or {}, dict):
        raise _broken(exchange, "The authorizer returned a context of the wrong shape")
    return verdict


def _broken(exchange: Exchange, why: str) -> answers.Refused:
    exchange.authorizer_error = why
    exchange.authorizer_status = 500
    return answers.internal_error(why, "AUTHORIZER_FAILURE")


def _allowed(verdict: dict[str, Any], resource: str) -> bool:
    return policies.allows(verdict.get("policyDocument"), resource)


def _context(verdict: dict[str, Any], authorizer: LambdaAuthorizer) -> dict[str, Any] | None:
    context = dict(verdict.get("context") or {})
    if not authorizer.simple:
        context = {"principalId": verdict["principalId"], **context}
    return context or None


def _event(
    exchange: Exchange, route: Route, authorizer: LambdaAuthorizer, identity: tuple[str, ...], resource: str
) -> dict[str, Any]:
    if authorizer.version == "2.0":
        event = events.version_2(exchange)
        del event["isBase64Encoded"]
        event.pop("body", None)
        return {
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": resource,
            "identitySource": list(identity) or None,
            **event,
        }
    event = events.version_1(exchange)
    joined = ",".join(identity) or None
    kept = (
        "resource",
        "path",
        "httpMethod",
        "headers",
        "queryStringParameters",
        "pathParameters",
        "stageVariables",
        "requestContext",
    )
    return {
        "version": "1.0",
        "type": "REQUEST",
        "methodArn": resource,
        "identitySource": joined,
        "authorizationToken": joined,
        **{name: event[name] for name in kept},
    }
