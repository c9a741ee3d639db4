"""A request to an HTTP API, from the Host header to the answer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from undercast.services.apigatewayv2.serving import (
    answers,
    http_proxy,
    lambda_authorizer,
    lambda_proxy,
    parameter_mapping,
    tokens,
)
from undercast.services.apigatewayv2.serving.answers import Answer, Refused, Reply
from undercast.services.apigatewayv2.serving.compiled import (
    Integration,
    JwtAuthorizer,
    LambdaAuthorizer,
    Route,
)
from undercast.services.apigatewayv2.serving.directory import Directory
from undercast.services.apigatewayv2.serving.exchange import Exchange, new_request_id
from undercast.services.apigatewayv2.serving.invoking import Functions
from undercast.services.apigatewayv2.serving.issuers import Issuers
from undercast.services.apigatewayv2.serving.outgoing import Clients
from undercast.services.base import AwsError, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from undercast.cloud import Cloud

log = logging.getLogger(__name__)

MAX_BODY = 10 * 1024 * 1024
MAX_HEADERS = 10_240  # bytes of the request line's and headers' values


class Endpoint:
    """The data plane of all HTTP APIs."""

    def __init__(self, cloud: Cloud, directory: Directory) -> None:
        self._cloud = cloud
        self._directory = directory
        self._functions = Functions(cloud)
        self._clients: Clients | None = None
        self._issuers: Issuers | None = None

    async def start(self) -> None:
        """Open the clients of HTTP integrations and issuers."""
        self._clients = Clients(self._cloud.settings.public_pool)
        self._issuers = Issuers(self._clients)

    async def stop(self) -> None:
        """Close the clients and their connections."""
        if self._clients is not None:
            await self._clients.close()

    async def handle(self, request: HttpRequest) -> HttpResponse | None:
        """The answer to a request, or None when it is for no HTTP API."""
        located = self._directory.locate(request.host, request.raw_path)
        if located is None:
            return None
        if located.stage is None:
            answer = answers.not_found().answer()
            answer.headers.append(("apigw-requestid", new_request_id()))
            return HttpResponse(answer.status, answer.headers, answer.body)
        exchange = Exchange(request, located.stage, located.path, located.host)
        if located.base_path is not None:
            exchange.base_path = located.base_path
            key = f"/{located.base_path}" if located.base_path else ""
            exchange.sent_path = f"{key}{located.path}"
        answer = await self._answer(exchange)
        answer.headers.append(("apigw-requestid", exchange.request_id))
        if located.stage.access_log is not None:
            located.stage.access_log.write(self._cloud.logs, exchange, answer.status, len(answer.body))
        body = b"" if request.method == "HEAD" else answer.body
        if request.method == "HEAD":
            answer.headers.append(("content-length", str(len(answer.body))))
        return HttpResponse(answer.status, answer.headers, body)

    async def _answer(self, exchange: Exchange) -> Answer:
        cors = exchange.stage.cors
        origin = exchange.headers.get("origin")
        try:
            if cors is not None and exchange.method == "OPTIONS":
                return Answer(204, cors.preflight(origin), b"")
            answer = await self._pass(exchange)
        except Refused as refused:
            exchange.error = refused.message
            exchange.error_type = refused.error_type
            if refused.why is not None:
                exchange.integration_error = refused.why
                # The caller is told nothing, as on AWS; whoever runs this cloud should not have to guess.
                api, stage = exchange.stage.api.id, exchange.stage.name
                log.warning(
                    "API %s, stage %s: %s %s: %s", api, stage, exchange.method, exchange.path, refused.why
                )
            answer = refused.answer()
        if cors is not None:
            answer.headers = cors.apply(answer.headers, origin)
        return answer

    async def _pass(self, exchange: Exchange) -> Answer:
        _check_size(exchange)
        route, exchange.path_parameters = exchange.stage.routes.match(exchange.method, exchange.path)
        if route is None:
            raise answers.not_found()
        exchange.route = route
        if route.bucket is not None and not route.bucket.take():
            raise answers.too_many_requests()
        if route.authorization != "NONE":
            await self._authorize(exchange, route)
        if route.integration is None:
            raise answers.internal_error("The route has no integration")
        reply = await self._integrate(exchange, route, route.integration)
        changes = route.integration.response_changes.get(reply.status)
        if changes:
            status, headers = parameter_mapping.apply_response(
                exchange, changes, reply.status, reply.headers, reply.body
            )
            return Answer(status, headers, reply.body)
        return Answer(reply.status, reply.headers, reply.body)

    async def _authorize(self, exchange: Exchange, route: Route) -> None:
        authorizer = route.authorizer
        if route.authorization == "AWS_IAM":
            self._authenticate(exchange)
        elif isinstance(authorizer, JwtAuthorizer):
            assert self._issuers is not None
            await tokens.authorize(self._issuers, exchange, route, authorizer)
        elif isinstance(authorizer, LambdaAuthorizer):
            await lambda_authorizer.authorize(self._functions, exchange, route, authorizer)
        else:
            raise answers.internal_error("The route's authorizer is gone", "AUTHORIZER_FAILURE")

    def _authenticate(self, exchange: Exchange) -> None:
        """AWS_IAM: a valid signature of a principal of the API's account."""
        try:
            caller = self._cloud.authenticate(exchange.request)
        except AwsError as error:
            exchange.authorizer_error = error.message
            exchange.authorizer_status = 403
            raise answers.forbidden() from error
        if caller.account != exchange.stage.api.account:
            exchange.authorizer_error = "The principal belongs to another account"
            exchange.authorizer_status = 403
            raise answers.forbidden()
        exchange.authorizer_status = 200
        exchange.iam = {
            "accessKey": caller.access_key_id,
            "accountId": caller.account,
            "callerId": caller.principal_id,
            "cognitoIdentity": None,
            "principalOrgId": None,
            "userArn": caller.principal_arn,
            "userId": caller.principal_id,
        }

    async def _integrate(self, exchange: Exchange, route: Route, integration: Integration) -> Reply:
        if integration.function:
            return await lambda_proxy.call(self._functions, exchange, route, integration)
        assert self._clients is not None
        return await http_proxy.call(self._clients, exchange, integration)


def _check_size(exchange: Exchange) -> None:
    request = exchange.request
    if len(request.body) > MAX_BODY:
        raise answers.too_large()
    size = len(request.raw_path) + len(request.query_string)
    for name, value in request.headers:
        size += len(name) + len(value)
    if size > MAX_HEADERS:
        raise answers.headers_too_large()
