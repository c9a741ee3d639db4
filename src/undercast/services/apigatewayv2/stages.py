"""Stages: where an API is served, with variables, throttling and access logs."""

from __future__ import annotations

import re
import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import deploying, records
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request, conflict, not_found, unsupported
from undercast.services.apigatewayv2.serving import access_log
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiMapping, HttpApiPart

_NAME = re.compile(r"\$default|[A-Za-z0-9_-]{1,128}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_]+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,]+")
_LOG_GROUP = re.compile(r"arn:aws[a-z-]*:logs:[a-z0-9-]+:\d{12}:log-group:[^:*]+(:\*)?")
_MEMBERS = ("AutoDeploy", "DefaultRouteSettings", "Description")


class Stages:
    """The operations on stages."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def create_stage(self, call: Call, params: Params) -> Result:
        name = params["StageName"]
        if not _NAME.fullmatch(name):
            raise bad_request("Stage name only allows a-zA-Z0-9_- and $default, up to 128 characters")
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            return show(create(session, api, name, params))

    def get_stage(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            return show(records.part(session, api, "stage", params["StageName"]))

    def get_stages(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            return records.page(records.parts(session, api.api_id, "stage"), records.part_key, params, show)

    def update_stage(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            row = records.part(session, api, "stage", params["StageName"])
            _apply(session, api, row, params)
            return show(row)

    def delete_stage(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            row = records.part(session, api, "stage", params["StageName"])
            mapped = select(HttpApiMapping).where(
                HttpApiMapping.api_id == api.api_id, HttpApiMapping.stage == row.id
            )
            if (mapping := session.scalars(mapped).first()) is not None:
                raise bad_request(
                    f"Stage '{row.id}' is used by an API mapping of {mapping.domain_name}; delete that first"
                )
            session.delete(row)
        return {}

    def delete_access_log_settings(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            row = records.part(session, api, "stage", params["StageName"])
            kept = {name: value for name, value in row.members.items() if name != "AccessLogSettings"}
            row.members = {**kept, "LastUpdated": time.time()}
        return {}

    def delete_route_settings(self, call: Call, params: Params) -> Result:
        with self._editing.change(call, params["ApiId"], deploys=False) as (session, api):
            row = records.part(session, api, "stage", params["StageName"])
            settings = dict(row.members.get("RouteSettings", {}))
            if settings.pop(params["RouteKey"], None) is None:
                raise _no_route(params["RouteKey"])
            row.members = {**row.members, "RouteSettings": settings, "LastUpdated": time.time()}
        return {}

    def reset_authorizers_cache(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            records.part(session, api, "stage", params["StageName"])
        # Compiling the API anew drops what its authorizers answered.
        self._editing.directory.refresh(params["ApiId"])
        return {}


def create(session: Session, api: HttpApi, name: str, params: Params) -> HttpApiPart:
    """A new stage. Raises BadRequestException, ConflictException and NotFoundException."""
    if records.named(session, api.api_id, "stage", name):
        raise conflict("Stage already exists")
    members: dict[str, Any] = {
        "AutoDeploy": False,
        "DefaultRouteSettings": {"DetailedMetricsEnabled": False},
        "LastUpdated": time.time(),
        "RouteSettings": {},
        "StageVariables": {},
        "Tags": params.get("Tags") or {},
    }
    if params.get("ApiGatewayManaged"):
        members["ApiGatewayManaged"] = True
    row = records.add_part(session, api, "stage", name, name, members)
    _apply(session, api, row, params)
    return row


def show(row: HttpApiPart) -> Result:
    """A stage as the API shows it."""
    members = dict(row.members)
    updated = members.pop("LastUpdated", row.created)
    if not members.get("AutoDeploy"):
        members.pop("AutoDeploy", None)
    return {
        "StageName": row.id,
        "CreatedDate": records.moment(row.created),
        "LastUpdatedDate": records.moment(updated),
        **members,
    }


def _apply(session: Session, api: HttpApi, row: HttpApiPart, params: Params) -> None:
    if params.get("ClientCertificateId"):
        raise bad_request("Client certificates are not supported for HTTP APIs")
    members = {**row.members, **records.given(params, _MEMBERS), "LastUpdated": time.time()}
    if settings := params.get("DefaultRouteSettings"):
        _check_settings(settings)
        members["DefaultRouteSettings"] = {**row.members["DefaultRouteSettings"], **settings}
    if settings := params.get("RouteSettings"):
        members["RouteSettings"] = _route_settings(session, api, row, settings)
    if variables := params.get("StageVariables"):
        members["StageVariables"] = _variables({**row.members["StageVariables"], **variables})
    if logging := params.get("AccessLogSettings"):
        members["AccessLogSettings"] = _access_log(logging)
    row.members = members
    if deployment := params.get("DeploymentId"):
        if members["AutoDeploy"]:
            raise bad_request("Deployment ID cannot be set on a stage with auto-deploy enabled")
        deploying.point(row, records.part(session, api, "deployment", deployment))
    elif members["AutoDeploy"] and params.get("AutoDeploy"):
        deploying.automatically(session, api)


def _check_settings(settings: dict[str, Any]) -> None:
    if settings.get("LoggingLevel", "OFF") != "OFF" or settings.get("DataTraceEnabled"):
        raise bad_request("Execution logs are not supported on protocol type HTTP")
    if settings.get("ThrottlingBurstLimit", 0) < 0 or settings.get("ThrottlingRateLimit", 0) < 0:
        raise bad_request("Throttling limits must not be negative")


def _route_settings(
    session: Session, api: HttpApi, row: HttpApiPart, given: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    merged = dict(row.members["RouteSettings"])
    for key, settings in given.items():
        if records.named(session, api.api_id, "route", key) is None:
            raise _no_route(key)
        _check_settings(settings)
        merged[key] = {"DetailedMetricsEnabled": False, **merged.get(key, {}), **settings}
    return merged


def _no_route(key: str) -> Exception:
    return not_found(f"Unable to find Route by key {key} within the provided RouteSettings", "Route")


def _variables(variables: dict[str, str]) -> dict[str, str]:
    # A variable is taken away by giving it an empty value.
    kept = {name: value for name, value in variables.items() if value != ""}
    for name, value in kept.items():
        if not _VARIABLE_NAME.fullmatch(name):
            raise bad_request(f"Invalid stage variable name: {name}. Only alphanumeric and _ are allowed")
        if not _VARIABLE_VALUE.fullmatch(value):
            raise bad_request(
                f"Invalid stage variable value: {value}. Please use values with alphanumeric characters "
                "and the symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','."
            )
    return kept


def _access_log(settings: dict[str, Any]) -> dict[str, Any]:
    arn = settings.get("DestinationArn", "")
    if ":firehose:" in arn:
        raise unsupported("An access log destination in Amazon Data Firehose", "Use a CloudWatch Logs group.")
    if not _LOG_GROUP.fullmatch(arn):
        raise bad_request(
            "Invalid ARN specified in the request. ARNs must start with 'arn:aws' and name a log group"
        )
    try:
        access_log.check(settings.get("Format", ""))
    except ValueError as error:
        raise bad_request(str(error)) from error
    return {"DestinationArn": arn.removesuffix(":*"), "Format": settings["Format"]}
