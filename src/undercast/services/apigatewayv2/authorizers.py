"""Authorizers: JWT ones and Lambda functions that are asked."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request, conflict
from undercast.services.apigatewayv2.lambda_uri import function_in
from undercast.services.apigatewayv2.serving.outgoing import guarded_for
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiPart

_MEMBERS = (
    "AuthorizerCredentialsArn",
    "AuthorizerPayloadFormatVersion",
    "AuthorizerResultTtlInSeconds",
    "AuthorizerType",
    "AuthorizerUri",
    "EnableSimpleResponses",
    "IdentitySource",
    "IdentityValidationExpression",
    "JwtConfiguration",
    "Name",
)
_SOURCE = re.compile(r"\$(request\.(header|querystring)|context|stageVariables)\.[^\s,]+")
_JWT_SOURCE = re.compile(r"\$request\.(header|querystring)\.[^\s,]+")
_DEFAULT_TTL_S = 300
_MAX_TTL_S = 3600


class Authorizers:
    """The operations on authorizers."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def create_authorizer(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (session, api):
            return show(create(session, api, call, records.given(params, _MEMBERS)))

    def get_authorizer(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            return show(records.part(session, api, "authorizer", params["AuthorizerId"]))

    def get_authorizers(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            rows = records.parts(session, api.api_id, "authorizer")
            return records.page(rows, records.part_key, params, show)

    def update_authorizer(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (session, api):
            row = records.part(session, api, "authorizer", params["AuthorizerId"])
            members = checked(call, {**row.members, **records.given(params, _MEMBERS)})
            _check_name(session, api, members["Name"], row)
            row.members = members
            row.name = members["Name"]
            return show(row)

    def delete_authorizer(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (session, api):
            row = records.part(session, api, "authorizer", params["AuthorizerId"])
            for route in records.parts(session, api.api_id, "route"):
                if route.members.get("AuthorizerId") == row.id:
                    raise conflict(
                        f"Cannot delete authorizer '{row.name}', is referenced in route: {route.name}"
                    )
            session.delete(row)
        return {}


def create(session: Session, api: HttpApi, call: Call, members: dict[str, Any]) -> HttpApiPart:
    """A new authorizer. Raises BadRequestException."""
    members = checked(call, members)
    _check_name(session, api, members["Name"], None)
    return records.add_part(session, api, "authorizer", records.new_id(6), members["Name"], members)


def show(row: HttpApiPart) -> Result:
    """An authorizer as the API shows it."""
    return {"AuthorizerId": row.id, **records.shown(row.members)}


def checked(call: Call, members: dict[str, Any]) -> dict[str, Any]:
    """The members with their defaults. Raises BadRequestException."""
    members = {name: value for name, value in records.shown(members).items() if value != ""}
    if guarded_for(call):
        members["_Guarded"] = True
    if not members.get("Name"):
        raise bad_request("Authorizer name is required")
    kind = members.get("AuthorizerType")
    if kind == "JWT":
        _check_jwt(members)
    elif kind == "REQUEST":
        _check_request(members)
    else:
        raise bad_request("Authorizer type must be one of [REQUEST, JWT] for HTTP APIs")
    return members


def _check_name(session: Session, api: HttpApi, name: str, row: HttpApiPart | None) -> None:
    other = records.named(session, api.api_id, "authorizer", name)
    if other is not None and (row is None or other.id != row.id):
        raise bad_request("Authorizer name must be unique")


def _check_jwt(members: dict[str, Any]) -> None:
    configuration = members.get("JwtConfiguration") or {}
    issuer = configuration.get("Issuer")
    if not issuer or not configuration.get("Audience"):
        raise bad_request("JWT authorizer requires an issuer and at least one audience in JwtConfiguration")
    parts = urlsplit(issuer)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_request(f"Invalid issuer: {issuer}. Issuer must be a URL")
    sources = members.get("IdentitySource") or []
    if len(sources) != 1 or not _JWT_SOURCE.fullmatch(sources[0]):
        raise bad_request("JWT authorizer requires exactly one header or query string identity source")


def _check_request(members: dict[str, Any]) -> None:
    uri = members.get("AuthorizerUri")
    if not uri or function_in(uri) is None:
        raise bad_request("Invalid Authorizer URI: must be the invocation URI of a Lambda function")
    version = members.get("AuthorizerPayloadFormatVersion")
    if version is None:
        raise bad_request("AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer")
    if version not in ("1.0", "2.0"):
        raise bad_request("AuthorizerPayloadFormatVersion must be one of [1.0, 2.0]")
    if members.get("EnableSimpleResponses") and version != "2.0":
        raise bad_request("Simple responses are only supported for AuthorizerPayloadFormatVersion 2.0")
    members.setdefault("EnableSimpleResponses", False)
    sources = members.get("IdentitySource") or []
    for source in sources:
        if not _SOURCE.fullmatch(source):
            raise bad_request(f"Invalid identity source: {source}")
    ttl = members.setdefault("AuthorizerResultTtlInSeconds", _DEFAULT_TTL_S if sources else 0)
    if not 0 <= ttl <= _MAX_TTL_S:
        raise bad_request(f"Authorizer result TTL must be between 0 and {_MAX_TTL_S} seconds")
    if ttl and not sources:
        raise bad_request("Identity sources are required when authorizer caching is enabled")
