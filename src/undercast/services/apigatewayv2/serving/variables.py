"""`$context` variables, for access logs, parameter mapping and identity sources.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import orjson

from undercast.services.apigatewayv2.serving.exchange import Exchange

_PLAIN: dict[str, Callable[[Exchange], Any]] = {
    "accountId": lambda e: e.stage.api.account,
    "apiId": lambda e: e.stage.api.id,
    "authorizer.error": lambda e: e.authorizer_error,
    "authorizer.integrationStatus": lambda e: e.authorizer_status,
    "authorizer.principalId": lambda e: (e.authorizer or {}).get("principalId"),
    "authorizer.status": lambda e: e.authorizer_status,
    "customDomain.basePathMatched": lambda e: e.base_path or None,
    "dataProcessed": lambda e: len(e.request.body),
    "domainName": lambda e: e.domain_name,
    "domainPrefix": lambda e: e.domain_prefix,
    "error.message": lambda e: e.error,
    "error.messageString": lambda e: None if e.error is None else orjson.dumps(e.error).decode(),
    "error.responseType": lambda e: e.error_type,
    "extendedRequestId": lambda e: e.request_id,
    "httpMethod": lambda e: e.method,
    "identity.accountId": lambda e: (e.iam or {}).get("accountId"),
    "identity.caller": lambda e: (e.iam or {}).get("callerId"),
    "identity.sourceIp": lambda e: e.source_ip,
    "identity.user": lambda e: (e.iam or {}).get("userId"),
    "identity.userAgent": lambda e: e.user_agent,
    "identity.userArn": lambda e: (e.iam or {}).get("userArn"),
    "integration.error": lambda e: e.integration_error,
    "integration.integrationStatus": lambda e: e.integration_status,
    "integration.latency": lambda e: e.integration_latency_ms,
    "integration.requestId": lambda e: e.integration_request_id,
    "integration.status": lambda e: e.integration_status,
    "integrationErrorMessage": lambda e: e.integration_error,
    "integrationLatency": lambda e: e.integration_latency_ms,
    "integrationStatus": lambda e: e.integration_status,
    "path": lambda e: e.raw_path,
    "protocol": lambda _: "HTTP/1.1",
    "requestId": lambda e: e.request_id,
    "requestTime": lambda e: e.time,
    "requestTimeEpoch": lambda e: int(e.started),
    "responseLatency": lambda e: int((time.time() - e.started) * 1000),
    "routeKey": lambda e: e.route_key,
    "stage": lambda e: e.stage.name,
}


def lookup(exchange: Exchange, name: str) -> str | None:
    """The value of `$context.NAME`, or None when it has none."""
    if (plain := _PLAIN.get(name)) is not None:
        value = plain(exchange)
    elif name.startswith("authorizer.claims."):
        value = (exchange.jwt_claims or {}).get(name.removeprefix("authorizer.claims."))
    elif name.startswith("authorizer."):
        value = (exchange.authorizer or {}).get(name.removeprefix("authorizer."))
    else:
        return None
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value).decode()
