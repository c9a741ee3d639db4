"""Integrations that are Lambda functions."""

from __future__ import annotations

import time
from urllib.parse import urlencode

import orjson

from undercast.services.apigatewayv2.serving import answers, events, parameter_mapping, responses
from undercast.services.apigatewayv2.serving.answers import Reply
from undercast.services.apigatewayv2.serving.compiled import Integration, Route
from undercast.services.apigatewayv2.serving.exchange import Exchange
from undercast.services.apigatewayv2.serving.invoking import Functions


async def call(functions: Functions, exchange: Exchange, route: Route, integration: Integration) -> Reply:
    """Send the request to the function. Raises Refused."""
    if integration.request_changes:
        _map(exchange, integration)
    version = integration.version
    event = events.version_2(exchange) if version == "2.0" else events.version_1(exchange)
    api = exchange.stage.api
    started = time.monotonic()
    try:
        invoked = await functions.invoke(
            api.account,
            api.region,
            integration.function,
            orjson.dumps(event),
            source_arn=source_arn(exchange, route),
            trace_id=exchange.trace_id,
            credentials=integration.credentials,
            timeout_s=integration.timeout_s,
        )
    finally:
        exchange.integration_latency_ms = int((time.monotonic() - started) * 1000)
    exchange.integration_request_id = invoked.request_id
    exchange.integration_status = 200
    if invoked.function_error:
        raise answers.internal_error(invoked.payload[:1024].decode(errors="replace"))
    try:
        return Reply(*responses.from_payload(invoked.payload, version))
    except responses.WrongShape as error:
        raise answers.internal_error(str(error)) from error


def source_arn(exchange: Exchange, route: Route) -> str:
    """What a function's resource policy names: the API, stage, method and the route's path."""
    api = exchange.stage.api
    prefix = f"arn:aws:execute-api:{api.region}:{api.account}:{api.id}/{exchange.stage.name}"
    if route.key == "$default":
        return f"{prefix}/$default"
    return f"{prefix}/{exchange.method}{route.path}"


def _map(exchange: Exchange, integration: Integration) -> None:
    headers, query, path = parameter_mapping.apply_request(exchange, integration.request_changes)
    exchange.headers = headers
    if query != exchange.query:
        exchange.query = query
        exchange.raw_query = urlencode(query)
    if path is not None:
        exchange.raw_path = exchange.sent_path = path
