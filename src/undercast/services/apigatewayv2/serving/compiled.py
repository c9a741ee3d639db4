"""What is served, taken apart once so that requests only look things up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from undercast.services.apigatewayv2.lambda_uri import function_in, substituted
from undercast.services.apigatewayv2.serving import parameter_mapping, throttling
from undercast.services.apigatewayv2.serving.access_log import AccessLog
from undercast.services.apigatewayv2.serving.cross_origin import CorsRules
from undercast.services.apigatewayv2.serving.matching import RouteTable

Members = dict[str, Any]


@dataclass(slots=True)
class Integration:
    """Where requests go. `function` is set for Lambda functions, `uri` for HTTP endpoints."""

    function: str
    uri: str
    method: str
    version: str
    timeout_s: float
    credentials: str | None
    guarded: bool  # leads to public addresses only
    request_changes: tuple[parameter_mapping.Change, ...]
    response_changes: dict[int, tuple[parameter_mapping.Change, ...]]


@dataclass(slots=True)
class JwtAuthorizer:
    """Tokens of one issuer for some audiences."""

    id: str
    source: tuple[str, str]  # ("header", "authorization") or ("querystring", "token")
    issuer: str
    audiences: frozenset[str]
    guarded: bool


@dataclass(slots=True)
class LambdaAuthorizer:
    """A function that is asked. `cache` holds what it answered: identity to (when it ends, the answer)."""

    id: str
    function: str
    version: str
    simple: bool
    sources: tuple[str, ...]
    ttl_s: int
    credentials: str | None
    cache: dict[tuple[str, ...], tuple[float, Any]] = field(default_factory=dict)


@dataclass(slots=True)
class Route:
    """A route of a stage."""

    key: str
    path: str  # the resource path, "$default" for the default route
    integration: Integration | None
    authorization: str
    authorizer: JwtAuthorizer | LambdaAuthorizer | None
    scopes: tuple[str, ...]
    bucket: throttling.Bucket | None


@dataclass(slots=True)
class Stage:
    """A stage and what it serves. Without a deployment it has no routes."""

    api: Api
    name: str
    variables: dict[str, str]
    routes: RouteTable[Route]
    cors: CorsRules | None
    access_log: AccessLog | None
    endpoint_disabled: bool


@dataclass(slots=True)
class Api:
    """An API and its stages."""

    id: str
    account: str
    region: str
    stages: dict[str, Stage] = field(default_factory=dict)


def stage(api: Api, name: str, members: Members, snapshot: Members | None) -> Stage:
    """A stage as its settings and its deployment make it."""
    variables: dict[str, str] = members.get("StageVariables", {})
    content = snapshot or {"routes": [], "integrations": {}, "authorizers": {}}
    integrations = {
        identifier: _integration(one, variables) for identifier, one in content["integrations"].items()
    }
    authorizers = {
        identifier: _authorizer(identifier, one, variables)
        for identifier, one in content["authorizers"].items()
    }
    defaults = members.get("DefaultRouteSettings", {})
    # One bucket for the stage: routes without limits of their own share it.
    shared = throttling.bucket(defaults)
    routes = []
    for one in content["routes"]:
        key = one["RouteKey"]
        own = members.get("RouteSettings", {}).get(key)
        limit = throttling.bucket({**defaults, **own}) if own else None
        route = Route(
            key=key,
            path=key.partition(" ")[2] or key,
            integration=integrations.get(one.get("Target", "").removeprefix("integrations/")),
            authorization=one.get("AuthorizationType", "NONE"),
            authorizer=authorizers.get(one.get("AuthorizerId", "")),
            scopes=tuple(one.get("AuthorizationScopes", ())),
            bucket=limit or shared,
        )
        routes.append((key, route))
    logging = members.get("AccessLogSettings")
    return Stage(
        api=api,
        name=name,
        variables=variables,
        routes=RouteTable(routes),
        cors=CorsRules(content["cors"]) if content.get("cors") else None,
        access_log=AccessLog(logging["DestinationArn"], logging["Format"], f"{api.id}/{name}")
        if logging
        else None,
        endpoint_disabled=content.get("endpoint_disabled", False),
    )


def _integration(members: Members, variables: dict[str, str]) -> Integration:
    uri = substituted(members.get("IntegrationUri", ""), variables)
    return Integration(
        function=(function_in(uri) or uri) if members["IntegrationType"] == "AWS_PROXY" else "",
        uri=uri,
        method=members["IntegrationMethod"],
        version=members["PayloadFormatVersion"],
        timeout_s=members["TimeoutInMillis"] / 1000,
        credentials=members.get("CredentialsArn"),
        guarded=members.get("_Guarded", False),
        request_changes=parameter_mapping.compile_request(members.get("RequestParameters", {})),
        response_changes=parameter_mapping.compile_responses(members.get("ResponseParameters", {})),
    )


def _authorizer(
    identifier: str, members: Members, variables: dict[str, str]
) -> JwtAuthorizer | LambdaAuthorizer:
    sources = members.get("IdentitySource", [])
    if members["AuthorizerType"] == "JWT":
        place, _, name = sources[0].removeprefix("$request.").partition(".")
        configuration = members["JwtConfiguration"]
        return JwtAuthorizer(
            id=identifier,
            source=(place, name.lower() if place == "header" else name),
            issuer=configuration["Issuer"],
            audiences=frozenset(configuration["Audience"]),
            guarded=members.get("_Guarded", False),
        )
    uri = substituted(members["AuthorizerUri"], variables)
    return LambdaAuthorizer(
        id=identifier,
        function=function_in(uri) or uri,
        version=members["AuthorizerPayloadFormatVersion"],
        simple=members.get("EnableSimpleResponses", False),
        sources=tuple(sources),
        ttl_s=members["AuthorizerResultTtlInSeconds"],
        credentials=members.get("AuthorizerCredentialsArn"),
    )
