"""ImportApi and ReimportApi: an API from an OpenAPI 3.0 document."""

from __future__ import annotations

from typing import Any

import orjson
import yaml
from sqlalchemy.orm import Session

from undercast.services.apigatewayv2 import apis, authorizers, cors, integrations, openapi, routes, tags
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request
from undercast.services.base import AwsError, Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi

_MAX_BODY = 6 * 1024 * 1024
_MAX_NODES = 200_000
# libyaml's where it is there: the one in Python takes a minute for the largest definition.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Document = dict[str, Any]


class Imports:
    """The operations that read OpenAPI documents."""

    def __init__(self, owner: apis.Apis, editing: Editing) -> None:
        self._apis = owner
        self._editing = editing

    def import_api(self, call: Call, params: Params) -> Result:
        document = read(params["Body"])
        with self._editing.store.write() as session:
            api = apis.create(session, call, _api_members(document))
            warnings = _Import(session, api, call, document).run(params)
        self._apis.announce(api)
        return _with_warnings(self._apis.show(api), warnings)

    def reimport_api(self, call: Call, params: Params) -> Result:
        document = read(params["Body"])
        with self._editing.change(call, params["ApiId"]) as (session, api):
            given = _api_members(document)
            api.tags = {**api.tags, **given.pop("Tags", {})}
            kept = {name: value for name, value in api.members.items() if name != "CorsConfiguration"}
            api.members = {**kept, **given}
            apis.delete_parts(session, api, ("route", "integration", "authorizer"))
            warnings = _Import(session, api, call, document).run(params)
        return _with_warnings(self._apis.show(api), warnings)


def read(body: str) -> Document:
    """The document in JSON or YAML. Raises BadRequestException."""
    if len(body) > _MAX_BODY:
        raise bad_request("The OpenAPI definition must not be larger than 6 MB")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        try:
            document = _bounded(yaml.load(body, Loader=_LOADER))  # noqa: S506 - a safe loader
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise bad_request("Invalid OpenAPI input.") from error
    if not isinstance(document, dict):
        raise bad_request("Invalid OpenAPI input.")
    version = str(document.get("openapi", ""))
    if not version.startswith("3.0"):
        raise bad_request("Unsupported version of OpenAPI. HTTP APIs are imported from OpenAPI 3.0.x only.")
    if not isinstance(document.get("info"), dict) or not document["info"].get("title"):
        raise bad_request("Invalid OpenAPI input. The definition must have info.title.")
    if not isinstance(document.get("paths", {}), dict):
        raise bad_request("Invalid OpenAPI input. The definition's paths must be an object.")
    return document


def _bounded(document: Any) -> Any:
    """The document. Raises ValueError when its aliases make it larger than it looks."""
    waiting, seen = [document], 0
    while waiting:
        node = waiting.pop()
        seen += 1
        if seen > _MAX_NODES:
            raise ValueError("too large")
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    return document


def _api_members(document: Document) -> Document:
    info = document["info"]
    members: Document = {"Name": str(info["title"])}
    if info.get("description"):
        members["Description"] = str(info["description"])
    if info.get("version"):
        members["Version"] = str(info["version"])
    if given := _mapping(document, openapi.CORS):
        configuration = {name: given[key] for name, key in openapi.CORS_MEMBERS.items() if key in given}
        members["CorsConfiguration"] = cors.checked(configuration)
    servers = document.get("servers") or [{}]
    endpoint = _mapping(document, openapi.ENDPOINT) or _mapping(servers[0], openapi.ENDPOINT)
    if "disableExecuteApiEndpoint" in endpoint:
        members["DisableExecuteApiEndpoint"] = bool(endpoint["disableExecuteApiEndpoint"])
    named = [tag for tag in document.get("tags") or [] if isinstance(tag, dict) and openapi.TAG_VALUE in tag]
    if named:
        members["Tags"] = tags.check({str(tag["name"]): str(tag[openapi.TAG_VALUE]) for tag in named})
    return members


def _mapping(holder: Document, key: str) -> Document:
    found = holder.get(key)
    if found is not None and not isinstance(found, dict):
        raise bad_request(f"Invalid OpenAPI input. {key} must be an object.")
    return found or {}


def _with_warnings(result: Result, warnings: list[str]) -> Result:
    return {**result, "Warnings": warnings} if warnings else result


class _Import:
    """One import: parts are made as operations refer to them."""

    def __init__(self, session: Session, api: HttpApi, call: Call, document: Document) -> None:
        self._session = session
        self._api = api
        self._call = call
        self._document = document
        self._components = _mapping(document, "components")
        self._prefix = ""
        self._warnings: list[str] = []
        self._shared: dict[str, str] = {}  # reference → integration id
        self._authorizers: dict[str, str] = {}  # name → authorizer id

    def run(self, params: Params) -> list[str]:
        """Make all routes and what they need. Returns the warnings."""
        self._prefix = _base_path(self._document, params.get("Basepath"))
        for path, item in self._document.get("paths", {}).items():
            if not isinstance(item, dict):
                raise bad_request(f"Invalid OpenAPI input. Path {path} must be an object.")
            for method in (*openapi.METHODS, openapi.ANY_METHOD):
                if isinstance(operation := item.get(method), dict):
                    self._route(path, method, operation)
        if self._warnings and params.get("FailOnWarnings"):
            raise bad_request("Warnings found during import:\n\t" + "\n\t".join(self._warnings))
        return self._warnings

    def _route(self, path: str, method: str, operation: Document) -> None:
        default = path == "/$default" or operation.get("isDefaultRoute")
        verb = "ANY" if method == openapi.ANY_METHOD else method.upper()
        key = "$default" if default else f"{verb} {self._prefix}{path}"
        members = self._authorization(operation)
        if operation.get("operationId"):
            members["OperationName"] = str(operation["operationId"])
        try:
            if (integration := self._integration(operation)) is not None:
                members["Target"] = f"integrations/{integration}"
            else:
                self._warnings.append(f"Route {key} has no integration")
            routes.create(self._session, self._api, key, members)
        except AwsError as error:
            if error.code == "TooManyRequestsException":
                raise
            raise bad_request(f"Unable to import route {key}: {error.message}") from error

    def _integration(self, operation: Document) -> str | None:
        given = _mapping(operation, openapi.INTEGRATION)
        if not given:
            return None
        reference = given.get("$ref")
        if reference is None:
            return self._create_integration(given)
        if reference not in self._shared:
            name = str(reference).removeprefix(f"#/components/{openapi.INTEGRATIONS}/")
            target = _mapping(self._components, openapi.INTEGRATIONS).get(name)
            if not isinstance(target, dict):
                raise bad_request(f"Unable to resolve reference {reference}")
            self._shared[reference] = self._create_integration(target)
        return self._shared[reference]

    def _create_integration(self, given: Document) -> str:
        integrations.refuse(
            {
                "IntegrationSubtype": given.get("integrationSubtype"),
                "ConnectionType": given.get("connectionType"),
                "ConnectionId": given.get("connectionId"),
                "TlsConfig": given.get("tlsConfig"),
            }
        )
        members = {
            name: given[key]
            for name, key in openapi.INTEGRATION_MEMBERS.items()
            if given.get(key) is not None
        }
        members["IntegrationType"] = str(given.get("type", "")).upper()
        if "PayloadFormatVersion" in members:
            # YAML reads 2.0 as a number.
            members["PayloadFormatVersion"] = str(members["PayloadFormatVersion"])
        if "IntegrationMethod" in members:
            members["IntegrationMethod"] = _method(members["IntegrationMethod"])
        return integrations.create(self._session, self._api, self._call, members).id

    def _authorization(self, operation: Document) -> Document:
        security = operation.get("security", self._document.get("security"))
        if not security:
            return {"AuthorizationType": "NONE"}
        name, scopes = next(iter(security[0].items()), ("", []))
        scheme = _mapping(self._components, "securitySchemes").get(name)
        if not isinstance(scheme, dict):
            raise bad_request(f"Unable to find security scheme {name}")
        if str(scheme.get(openapi.AUTH_TYPE, "")).lower() == "awssigv4":
            return {"AuthorizationType": "AWS_IAM"}
        extension = _mapping(scheme, openapi.AUTHORIZER)
        if not extension:
            self._warnings.append(f"Security scheme {name} has no {openapi.AUTHORIZER}")
            return {"AuthorizationType": "NONE"}
        kind = str(extension.get("type", "")).lower()
        members: Document = {"AuthorizationType": "JWT" if kind == "jwt" else "CUSTOM"}
        members["AuthorizerId"] = self._authorizer(str(name), kind, extension)
        if kind == "jwt" and scopes:
            members["AuthorizationScopes"] = list(scopes)
        return members

    def _authorizer(self, name: str, kind: str, extension: Document) -> str:
        if name not in self._authorizers:
            members = {
                member: extension[key]
                for member, key in openapi.AUTHORIZER_MEMBERS.items()
                if extension.get(key) is not None
            }
            if "AuthorizerPayloadFormatVersion" in members:
                members["AuthorizerPayloadFormatVersion"] = str(members["AuthorizerPayloadFormatVersion"])
            source = extension.get("identitySource") or []
            members["IdentitySource"] = (
                [one.strip() for one in source.split(",")] if isinstance(source, str) else list(source)
            )
            if kind == "jwt":
                configuration = _mapping(extension, "jwtConfiguration")
                audience = configuration.get("audience") or []
                members["JwtConfiguration"] = {
                    "Audience": [audience] if isinstance(audience, str) else list(audience),
                    "Issuer": configuration.get("issuer"),
                }
            members |= {"AuthorizerType": kind.upper(), "Name": name}
            self._authorizers[name] = authorizers.create(self._session, self._api, self._call, members).id
        return self._authorizers[name]


def _method(given: Any) -> str:
    text = str(given)
    return "ANY" if text.lower() == openapi.ANY_METHOD else text.upper()


def _base_path(document: Document, mode: str | None) -> str:
    """What comes before every path: the base path of the first server, as the parameter says."""
    if mode not in (None, "ignore", "prepend", "split"):
        raise bad_request("Invalid basepath. Must be one of [ignore, prepend, split]")
    servers = document.get("servers") or []
    if mode in (None, "ignore") or not servers:
        return ""
    variables = servers[0].get("variables") or {}
    base = str((variables.get("basePath") or {}).get("default", "")).strip("/")
    if mode == "split":
        base = base.partition("/")[2]
    return f"/{base}" if base else ""
