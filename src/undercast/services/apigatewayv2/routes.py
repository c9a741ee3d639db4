"""Routes: which requests go to which integration, and who may send them."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request, conflict, not_found
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiPart

METHODS = frozenset({"ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
_BAD_KEY = (
    "The provided route key is not formatted properly for HTTP protocol. "
    'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
)
_SEGMENT = re.compile(r"\{[A-Za-z0-9._-]+\+?\}|[A-Za-z0-9._~$@!*'(),;:=&%+-]*")
_MEMBERS = ("AuthorizationScopes", "AuthorizationType", "AuthorizerId", "OperationName", "Target")
_WEBSOCKET_ONLY = (
    "ModelSelectionExpression",
    "RequestModels",
    "RequestParameters",
    "RouteResponseSelectionExpression",
)


class Routes:
    """The operations on routes."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def create_route(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (session, api):
            members = {"AuthorizationType": "NONE", **records.given(params, _MEMBERS)}
            _refuse(params)
            return show(create(session, api, params["RouteKey"], members))

    def get_route(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            return show(records.part(session, api, "route", params["RouteId"]))

    def get_routes(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            return records.page(records.parts(session, api.api_id, "route"), records.part_key, params, show)

    def update_route(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (session, api):
            row = records.part(session, api, "route", params["RouteId"])
            _refuse(params)
            members = {**row.members, **records.given(params, _MEMBERS)}
            key = params.get("RouteKey") or row.name
            if key != row.name:
                check_key(key)
                if records.named(session, api.api_id, "route", key):
                    raise conflict(f"Route with key {key} already exists for this API")
                row.name = members["RouteKey"] = key
            row.members = _checked(session, api, members)
            return show(row)

    def delete_route(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"]) as (session, api):
            session.delete(records.part(session, api, "route", params["RouteId"]))
        return {}

    def delete_route_request_parameter(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            records.part(session, api, "route", params["RouteId"])
        # Only routes of WebSocket APIs have them.
        key = params["RequestParameterKey"]
        raise not_found(f"Unable to find request parameter {key}", "RequestParameter")


def create(session: Session, api: HttpApi, key: str, members: dict[str, Any]) -> HttpApiPart:
    """A new route. Raises BadRequestException, ConflictException and NotFoundException."""
    check_key(key)
    if records.named(session, api.api_id, "route", key):
        raise conflict(f"Route with key {key} already exists for this API")
    checked = _checked(session, api, {"ApiKeyRequired": False, **members, "RouteKey": key})
    return records.add_part(session, api, "route", records.new_id(7), key, checked)


def show(row: HttpApiPart) -> Result:
    """A route as the API shows it."""
    return {"RouteId": row.id, **row.members}


def check_key(key: str) -> None:
    """Raise BadRequestException unless the key is `$default` or a method and a path."""
    if key == "$default":
        return
    method, space, path = key.partition(" ")
    if not space or method not in METHODS or not path.startswith("/"):
        raise bad_request(_BAD_KEY)
    segments = path[1:].split("/")
    if any(not _SEGMENT.fullmatch(segment) for segment in segments):
        raise bad_request(_BAD_KEY)
    if any(segment.endswith("+}") for segment in segments[:-1]):
        raise bad_request("Greedy path variables must be the last segment of the route's path")
    names = [segment.strip("{+}") for segment in segments if segment.startswith("{")]
    if len(set(names)) != len(names):
        raise bad_request("Path parameter names must be unique within a route")


def target_id(target: str) -> str:
    """The integration in a route's target `integrations/ID`. Raises BadRequestException."""
    prefix, _, identifier = target.partition("/")
    if prefix != "integrations" or not identifier:
        raise bad_request(f"Invalid target: {target}. Format should be integrations/<INTEGRATION ID>")
    return identifier


def _refuse(params: Params) -> None:
    if params.get("ApiKeyRequired"):
        raise bad_request("API keys are not supported for HTTP APIs")
    for name in _WEBSOCKET_ONLY:
        if params.get(name):
            raise bad_request(f"{name} is not supported for HTTP APIs")


def _checked(session: Session, api: HttpApi, members: dict[str, Any]) -> dict[str, Any]:
    members = {name: value for name, value in members.items() if value != ""}
    if (target := members.get("Target")) is not None:
        identifier = target_id(target)
        if session.get(HttpApiPart, (api.api_id, "integration", identifier)) is None:
            raise not_found(f"Invalid Integration identifier specified: {identifier}", "Integration")
    kind = members.setdefault("AuthorizationType", "NONE")
    if kind not in ("NONE", "AWS_IAM", "CUSTOM", "JWT"):
        raise bad_request("Invalid authorization type. Must be one of [NONE, AWS_IAM, CUSTOM, JWT]")
    if kind in ("NONE", "AWS_IAM"):
        members.pop("AuthorizerId", None)
    else:
        _check_authorizer(session, api, kind, members.get("AuthorizerId"))
    if kind != "JWT":
        members.pop("AuthorizationScopes", None)
    return members


def _check_authorizer(session: Session, api: HttpApi, kind: str, identifier: str | None) -> None:
    if not identifier:
        raise bad_request(f"AuthorizerId is required for authorization type {kind}")
    authorizer = session.get(HttpApiPart, (api.api_id, "authorizer", identifier))
    if authorizer is None:
        raise not_found("Invalid Authorizer identifier specified", "Authorizer")
    expected = "JWT" if kind == "JWT" else "REQUEST"
    if authorizer.members["AuthorizerType"] != expected:
        raise bad_request(f"Authorizer {identifier} cannot be used with authorization type {kind}")
