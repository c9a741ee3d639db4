"""ExportApi: an API, or what one of its stages serves, as an OpenAPI 3.0 document."""

from __future__ import annotations

from typing import Any

import orjson
import yaml
from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import deploying, openapi, records
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiPart

Document = dict[str, Any]


class Exports:
    """The operation that writes OpenAPI documents."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def export_api(self, call: Call, params: Params) -> Result:
        if params["Specification"] != "OAS30":
            raise bad_request("Invalid specification. Must be OAS30")
        output = params["OutputType"]
        if output not in ("JSON", "YAML"):
            raise bad_request("Invalid output type. Must be one of [JSON, YAML]")
        if params.get("ExportVersion", "1.0") != "1.0":
            raise bad_request("Invalid export version. Must be 1.0")
        stage = params.get("StageName")
        with self._editing.read(call, params["ApiId"]) as (session, api):
            content = _content(session, api, stage)
            document = build(api, stage, content, extensions=params.get("IncludeExtensions", True))
        if output == "JSON":
            return {"body": orjson.dumps(document, option=orjson.OPT_INDENT_2)}
        return {"body": yaml.safe_dump(document, sort_keys=False).encode()}


def build(api: HttpApi, stage: str | None, content: Document, *, extensions: bool) -> Document:
    """The document of an API with the content of a snapshot."""
    members = api.members
    info: Document = {
        "title": members["Name"],
        "version": members.get("Version") or records.moment(api.created).strftime("%Y-%m-%d %H:%M:%SUTC"),
    }
    if "Description" in members:
        info["description"] = members["Description"]
    base = "" if stage in (None, "$default") else str(stage)
    document: Document = {
        "openapi": "3.0.1",
        "info": info,
        "servers": [
            {
                "url": f"https://{api.api_id}.execute-api.{api.region}.amazonaws.com/{{basePath}}",
                "variables": {"basePath": {"default": base}},
            }
        ],
        "paths": _paths(content, extensions),
    }
    if api.tags:
        document["tags"] = [{"name": name, openapi.TAG_VALUE: value} for name, value in api.tags.items()]
    if schemes := _schemes(content, extensions):
        document["components"] = {"securitySchemes": schemes}
    if extensions:
        if content.get("cors"):
            document[openapi.CORS] = _renamed(content["cors"], openapi.CORS_MEMBERS)
        if content.get("endpoint_disabled"):
            document[openapi.ENDPOINT] = {"disableExecuteApiEndpoint": True}
        document[openapi.VERSION] = "1.0"
    return document


def _content(session: Session, api: HttpApi, stage: str | None) -> Document:
    if stage is None:
        return deploying.snapshot(session, api)
    row = records.part(session, api, "stage", stage)
    deployment = session.get(HttpApiPart, (api.api_id, "deployment", row.members.get("DeploymentId", "")))
    if deployment is None or deployment.snapshot is None:
        raise bad_request("The stage has no deployment to export")
    return deployment.snapshot


def _renamed(members: Document, names: dict[str, str]) -> Document:
    return {key: members[name] for name, key in names.items() if name in members}


def _paths(content: Document, extensions: bool) -> Document:
    paths: Document = {}
    for route in content["routes"]:
        key = route["RouteKey"]
        method, _, path = key.partition(" ")
        operation = _operation(route, content, extensions)
        if key == "$default":
            path, method = "/$default", "ANY"
            operation["isDefaultRoute"] = True
        item = paths.setdefault(path, {})
        item[openapi.ANY_METHOD if method == "ANY" else method.lower()] = operation
        # As it is in the path, which is what OpenAPI wants: `{proxy+}` has the parameter `proxy+`.
        if names := [part[1:-1] for part in path.split("/") if part.startswith("{")]:
            item["parameters"] = [_parameter(name) for name in names]
    return paths


def _parameter(name: str) -> Document:
    return {
        "name": name,
        "in": "path",
        "description": f"Generated path parameter for {name}",
        "required": True,
        "schema": {"type": "string"},
    }


def _operation(route: Document, content: Document, extensions: bool) -> Document:
    operation: Document = {
        "responses": {"default": {"description": f"Default response for {route['RouteKey']}"}}
    }
    if "OperationName" in route:
        operation["operationId"] = route["OperationName"]
    if route["AuthorizationType"] == "AWS_IAM":
        operation["security"] = [{"sigv4": []}]
    elif identifier := route.get("AuthorizerId"):
        name = content["authorizers"][identifier]["Name"]
        operation["security"] = [{name: route.get("AuthorizationScopes", [])}]
    target = route.get("Target", "").removeprefix("integrations/")
    if extensions and target in content["integrations"]:
        members = content["integrations"][target]
        integration = _renamed(members, openapi.INTEGRATION_MEMBERS)
        integration["type"] = members["IntegrationType"].lower()
        if integration["httpMethod"] == "ANY":
            integration["httpMethod"] = openapi.ANY_METHOD
        operation[openapi.INTEGRATION] = integration
    return operation


def _schemes(content: Document, extensions: bool) -> Document:
    schemes: Document = {}
    for members in content["authorizers"].values():
        schemes[members["Name"]] = _scheme(members, extensions)
    if any(route["AuthorizationType"] == "AWS_IAM" for route in content["routes"]):
        schemes["sigv4"] = {"type": "apiKey", "name": "Authorization", "in": "header"}
        if extensions:
            schemes["sigv4"][openapi.AUTH_TYPE] = "awsSigv4"
    return schemes


def _scheme(members: Document, extensions: bool) -> Document:
    sources = members.get("IdentitySource", [])
    if members["AuthorizerType"] == "JWT":
        scheme: Document = {"type": "oauth2", "flows": {}}
        configuration = members["JwtConfiguration"]
        extension: Document = {
            "type": "jwt",
            "identitySource": sources[0],
            "jwtConfiguration": {"audience": configuration["Audience"], "issuer": configuration["Issuer"]},
        }
    else:
        scheme = {"type": "apiKey", "name": "Authorization", "in": "header"}
        extension = {"type": "request", **_renamed(members, openapi.AUTHORIZER_MEMBERS)}
        if sources:
            extension["identitySource"] = ",".join(sources)
    if extensions:
        scheme[openapi.AUTHORIZER] = extension
    return scheme
