"""The events Lambda functions are invoked with, payload formats 1.0 and 2.0.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

from __future__ import annotations

from typing import Any

from undercast.services.apigatewayv2.serving.exchange import Exchange

Event = dict[str, Any]


def version_2(exchange: Exchange) -> Event:
    """The event of payload format 2.0. Members without a value are left out, as AWS leaves them out."""
    route_key = exchange.route_key
    event: Event = {
        "version": "2.0",
        "routeKey": route_key,
        "rawPath": exchange.raw_path,
        "rawQueryString": exchange.raw_query,
    }
    if exchange.cookies:
        event["cookies"] = exchange.cookies
    event["headers"] = exchange.headers
    if exchange.query:
        event["queryStringParameters"] = exchange.joined_query()
    event["requestContext"] = context_2(exchange)
    if exchange.path_parameters:
        event["pathParameters"] = exchange.path_parameters
    if exchange.stage.variables:
        event["stageVariables"] = exchange.stage.variables
    body, encoded = exchange.body
    if body is not None:
        event["body"] = body
    event["isBase64Encoded"] = encoded
    return event


def context_2(exchange: Exchange) -> Event:
    """The request context of payload format 2.0, also of an authorizer's event."""
    api = exchange.stage.api
    context: Event = {"accountId": api.account, "apiId": api.id}
    if (authorizer := _authorizer_2(exchange)) is not None:
        context["authorizer"] = authorizer
    context |= {
        "domainName": exchange.domain_name,
        "domainPrefix": exchange.domain_prefix,
        "http": {
            "method": exchange.method,
            "path": exchange.raw_path,
            "protocol": "HTTP/1.1",
            "sourceIp": exchange.source_ip,
            "userAgent": exchange.user_agent,
        },
        "requestId": exchange.request_id,
        "routeKey": exchange.route_key,
        "stage": exchange.stage.name,
        "time": exchange.time,
        "timeEpoch": exchange.epoch_ms,
    }
    return context


def _authorizer_2(exchange: Exchange) -> Event | None:
    if exchange.jwt_claims is not None:
        return {"jwt": {"claims": exchange.jwt_claims, "scopes": exchange.jwt_scopes}}
    if exchange.iam is not None:
        return {"iam": exchange.iam}
    if exchange.authorizer is not None:
        return {"lambda": exchange.authorizer}
    return None


def version_1(exchange: Exchange) -> Event:
    """The event of payload format 1.0: every member is there, null when it has no value."""
    route = exchange.route
    path = exchange.sent_path
    headers = dict(exchange.headers)
    many = _many_headers(exchange)
    if exchange.cookies:
        headers["cookie"] = "; ".join(exchange.cookies)
        many["cookie"] = [headers["cookie"]]
    body, encoded = exchange.body
    return {
        "version": "1.0",
        "resource": route.path if route else "",
        "path": path,
        "httpMethod": exchange.method,
        "headers": headers,
        "multiValueHeaders": many,
        "queryStringParameters": dict(exchange.query) or None,
        "multiValueQueryStringParameters": _many(exchange.query) or None,
        "requestContext": context_1(exchange),
        "pathParameters": exchange.path_parameters or None,
        "stageVariables": exchange.stage.variables or None,
        "body": body,
        "isBase64Encoded": encoded,
    }


def context_1(exchange: Exchange) -> Event:
    """The request context of payload format 1.0, also of an authorizer's event."""
    api = exchange.stage.api
    route = exchange.route
    iam = exchange.iam or {}
    context: Event = {
        "accountId": api.account,
        "apiId": api.id,
        "domainName": exchange.domain_name,
        "domainPrefix": exchange.domain_prefix,
        "extendedRequestId": exchange.request_id,
        "httpMethod": exchange.method,
        "identity": {
            "accessKey": iam.get("accessKey"),
            "accountId": iam.get("accountId"),
            "caller": iam.get("callerId"),
            "cognitoAmr": None,
            "cognitoAuthenticationProvider": None,
            "cognitoAuthenticationType": None,
            "cognitoIdentityId": None,
            "cognitoIdentityPoolId": None,
            "principalOrgId": None,
            "sourceIp": exchange.source_ip,
            "user": iam.get("userId"),
            "userAgent": exchange.user_agent,
            "userArn": iam.get("userArn"),
        },
        "path": exchange.sent_path,
        "protocol": "HTTP/1.1",
        "requestId": exchange.request_id,
        "requestTime": exchange.time,
        "requestTimeEpoch": exchange.epoch_ms,
        "resourceId": exchange.route_key,
        "resourcePath": route.path if route else "",
        "stage": exchange.stage.name,
    }
    if exchange.jwt_claims is not None:
        context["authorizer"] = {"claims": exchange.jwt_claims, "scopes": exchange.jwt_scopes}
    elif exchange.authorizer is not None:
        context["authorizer"] = exchange.authorizer
    return context


def _many(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    many: dict[str, list[str]] = {}
    for name, value in pairs:
        many.setdefault(name, []).append(value)
    return many


def _many_headers(exchange: Exchange) -> dict[str, list[str]]:
    """Every header's values apart. A header that was added or mapped has the one value it was given."""
    sent = _many(exchange.request.headers)
    return {
        name: sent[name] if ",".join(sent.get(name, ())) == value else [value]
        for name, value in exchange.headers.items()
    }
