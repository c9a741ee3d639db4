"""Integrations: Lambda functions and HTTP endpoints behind routes."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request, conflict, not_found, unsupported
from undercast.services.apigatewayv2.lambda_uri import function_in
from undercast.services.apigatewayv2.routes import METHODS
from undercast.services.apigatewayv2.serving import parameter_mapping
from undercast.services.apigatewayv2.serving.outgoing import guarded_for
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiPart

_MEMBERS = (
    "ConnectionType",
    "CredentialsArn",
    "Description",
    "IntegrationMethod",
    "IntegrationType",
    "IntegrationUri",
    "PayloadFormatVersion",
    "TimeoutInMillis",
)
_WEBSOCKET_ONLY = (
    "ContentHandlingStrategy",
    "PassthroughBehavior",
    "RequestTemplates",
    "TemplateSelectionExpression",
)
_ROLE = re.compile(r"arn:aws[a-z-]*:iam::\d{12}:role/.+")
MIN_TIMEOUT_MS, MAX_TIMEOUT_MS = 50, 30_000


class Integrations:
    """The operations on integrations."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def create_integration(self, call: Call, params: Params) -> Result:
        refuse(params)
        with self._editing.change(call, params["ApiId"]) as (session, api):
            return show(create(session, api, call, _members(params, {})))

    def get_integration(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            return show(records.part(session, api, "integration", params["IntegrationId"]))

    def get_integrations(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            rows = records.parts(session, api.api_id, "integration")
            return records.page(rows, records.part_key, params, show)

    def update_integration(self, call: Call, params: Params) -> Result:
        refuse(params)
        with self._editing.change(call, params["ApiId"]) as (session, api):
            row = records.part(session, api, "integration", params["IntegrationId"])
            row.members = guarded(call, checked(_members(params, row.members)))
            return show(row)

    def delete_integration(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (session, api):
            row = records.part(session, api, "integration", params["IntegrationId"])
            for route in records.parts(session, api.api_id, "route"):
                if route.members.get("Target") == f"integrations/{row.id}":
                    raise conflict(
                        f"Cannot delete Integration '{row.id}', is referenced in route: {route.name}"
                    )
            session.delete(row)
        return {}

    def create_integration_response(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            records.part(session, api, "integration", params["IntegrationId"])
        raise bad_request("Integration responses are not supported for HTTP APIs")

    def get_integration_responses(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            records.part(session, api, "integration", params["IntegrationId"])
        return {"Items": []}

    def get_integration_response(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            records.part(session, api, "integration", params["IntegrationId"])
        raise not_found("Invalid Integration Response identifier specified", "IntegrationResponse")


def create(session: Session, api: HttpApi, call: Call, members: dict[str, Any]) -> HttpApiPart:
    """A new integration. Raises BadRequestException."""
    identifier = records.new_id(7)
    made = guarded(call, checked(members))
    return records.add_part(session, api, "integration", identifier, identifier, made)


def guarded(call: Call, members: dict[str, Any]) -> dict[str, Any]:
    """The members, marked when a role's session made them: these lead to public addresses only."""
    return {**records.shown(members), "_Guarded": True} if guarded_for(call) else records.shown(members)


def show(row: HttpApiPart) -> Result:
    """An integration as the API shows it."""
    return {"IntegrationId": row.id, **records.shown(row.members)}


def refuse(params: Params) -> None:
    """Raise BadRequestException for what is not there, by name."""
    if params.get("IntegrationSubtype"):
        raise unsupported(
            f"The AWS service integration {params['IntegrationSubtype']}",
            "Put a Lambda function in between, or use HTTP_PROXY.",
        )
    if params.get("ConnectionType") == "VPC_LINK" or params.get("ConnectionId"):
        raise unsupported("A private integration (ConnectionType VPC_LINK)", "Use ConnectionType INTERNET.")
    if params.get("TlsConfig"):
        raise unsupported("TlsConfig, which belongs to private integrations,")
    for name in _WEBSOCKET_ONLY:
        if params.get(name):
            raise bad_request(f"{name} is not supported for HTTP APIs")


def _members(params: Params, before: dict[str, Any]) -> dict[str, Any]:
    members = {**before, **records.given(params, _MEMBERS)}
    if (given := params.get("RequestParameters")) is not None:
        # A parameter is taken away by giving it an empty value.
        merged = {**before.get("RequestParameters", {}), **given}
        members["RequestParameters"] = {key: value for key, value in merged.items() if value != ""}
    if (given := params.get("ResponseParameters")) is not None:
        responses = {**before.get("ResponseParameters", {}), **given}
        members["ResponseParameters"] = {status: one for status, one in responses.items() if one}
    return {name: value for name, value in members.items() if value not in ("", {})}


def checked(members: dict[str, Any]) -> dict[str, Any]:
    """The members with their defaults. Raises BadRequestException."""
    kind = members.get("IntegrationType")
    if kind == "AWS_PROXY":
        _check_lambda(members)
    elif kind == "HTTP_PROXY":
        _check_http(members)
    elif kind in ("AWS", "HTTP", "MOCK"):
        raise bad_request(
            "Currently, an API with a protocol type of HTTP may only be associated with "
            "proxy integrations (AWS_PROXY, HTTP_PROXY)"
        )
    else:
        raise bad_request("Invalid integration type. Must be one of [AWS_PROXY, HTTP_PROXY]")
    if members.setdefault("ConnectionType", "INTERNET") != "INTERNET":
        raise bad_request("Connection type must be one of [INTERNET, VPC_LINK]")
    timeout = members.setdefault("TimeoutInMillis", MAX_TIMEOUT_MS)
    if not MIN_TIMEOUT_MS <= timeout <= MAX_TIMEOUT_MS:
        raise bad_request(f"Timeout should be between {MIN_TIMEOUT_MS} ms and {MAX_TIMEOUT_MS} ms")
    if (method := members.get("IntegrationMethod")) not in METHODS:
        raise bad_request(f"Invalid HTTP method specified: {method}")
    credentials = members.get("CredentialsArn")
    if credentials is not None and not _ROLE.fullmatch(credentials):
        raise bad_request("Invalid ARN specified in the request")
    try:
        parameter_mapping.compile_request(members.get("RequestParameters", {}))
        parameter_mapping.compile_responses(members.get("ResponseParameters", {}))
    except parameter_mapping.BadMapping as error:
        raise bad_request(str(error)) from error
    return members


def _check_lambda(members: dict[str, Any]) -> None:
    uri = members.get("IntegrationUri")
    if not uri or function_in(uri) is None:
        raise bad_request(
            "Integration URI must be the ARN or the invocation URI of a Lambda function "
            "for AWS_PROXY integrations"
        )
    members.setdefault("IntegrationMethod", "POST")
    if members.setdefault("PayloadFormatVersion", "1.0") not in ("1.0", "2.0"):
        raise bad_request("PayloadFormatVersion must be one of [1.0, 2.0]")


def _check_http(members: dict[str, Any]) -> None:
    parts = urlsplit(members.get("IntegrationUri", ""))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request("Invalid HTTP endpoint specified for URI")
    if "IntegrationMethod" not in members:
        raise bad_request("IntegrationMethod is required for HTTP_PROXY integrations")
    if members.setdefault("PayloadFormatVersion", "1.0") != "1.0":
        raise bad_request("PayloadFormatVersion 1.0 is the only supported value for HTTP_PROXY integrations")
    if "CredentialsArn" in members:
        raise bad_request("Credentials are not supported for HTTP_PROXY integrations")
