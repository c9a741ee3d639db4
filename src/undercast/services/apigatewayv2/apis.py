"""HTTP APIs themselves, also in one call with everything they need (quick create)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from undercast.network import endpoints
from undercast.services.apigatewayv2 import cors, integrations, records, routes, stages, tags
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request, too_many, unsupported
from undercast.services.apigatewayv2.lambda_uri import function_in
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiMapping, HttpApiPart

if TYPE_CHECKING:
    from undercast.cloud import Cloud

_SELECTION = "$request.method $request.path"
_API_KEY = "$request.header.x-api-key"
_MEMBERS = ("Description", "DisableExecuteApiEndpoint", "IpAddressType", "Name", "Version")
_QUOTA = 600  # APIs per Region


class Apis:
    """The operations on APIs."""

    def __init__(self, cloud: Cloud, editing: Editing) -> None:
        self._cloud = cloud
        self._editing = editing

    def create_api(self, call: Call, params: Params) -> Result:
        check(params)
        with self._editing.store.write() as session:
            api = create(session, call, params)
            if params.get("Target"):
                _quick_create(session, api, call, params)
            elif params.get("RouteKey") or params.get("CredentialsArn"):
                raise bad_request("RouteKey and CredentialsArn are only allowed together with Target")
        self.announce(api)
        return self.show(api)

    def get_api(self, call: Call, params: Params) -> Result:
        with self._editing.read(call, params["ApiId"]) as (_, api):
            return self.show(api)

    def get_apis(self, call: Call, params: Params) -> Result:
        with self._editing.store.read() as session:
            query = select(HttpApi).where(HttpApi.account == call.account, HttpApi.region == call.region)
            rows = list(session.scalars(query))
        return records.page(rows, lambda row: f"{row.created:017.6f}/{row.api_id}", params, self.show)

    def update_api(self, call: Call, params: Params) -> Result:
        check(params)
        with self._editing.change(call, params["ApiId"]) as (session, api):
            members = {**api.members, **records.given(params, _MEMBERS)}
            if (configuration := params.get("CorsConfiguration")) is not None:
                members["CorsConfiguration"] = cors.checked(configuration)
            if not members.get("CorsConfiguration"):
                members.pop("CorsConfiguration", None)
            if not members.get("Name"):
                raise bad_request("API name must not be empty")
            api.members = {name: value for name, value in members.items() if value != ""}
            _update_quick_created(session, api, call, params)
            return self.show(api)

    def delete_api(self, call: Call, params: Params) -> Result:
        with self._editing.store.write() as session:
            api = records.api(session, call, params["ApiId"])
            mapped = select(HttpApiMapping).where(HttpApiMapping.api_id == api.api_id)
            if (mapping := session.scalars(mapped).first()) is not None:
                raise bad_request(
                    "Deleting API failed. Please remove all API mappings related to the API in your "
                    f"domains. Mapped in: {mapping.domain_name}"
                )
            session.delete(api)
        endpoints.withdraw(self._cloud, "execute-api", {api.api_id: api.region})
        self._editing.directory.refresh(api.api_id)
        return {}

    def announce(self, api: HttpApi) -> None:
        """Let requests and names find a new API."""
        endpoints.announce(self._cloud, "execute-api", {api.api_id: api.region})
        self._editing.directory.refresh(api.api_id)

    def show(self, api: HttpApi) -> Result:
        """An API as the API shows it."""
        return {
            "ApiEndpoint": endpoints.url(self._cloud, "execute-api", api.api_id, api.region),
            "ApiId": api.api_id,
            "CreatedDate": records.moment(api.created),
            "Tags": api.tags,
            **api.members,
        }


def check(params: Params) -> None:
    """Raise BadRequestException for what an HTTP API cannot have."""
    protocol = params.get("ProtocolType", "HTTP")
    if protocol == "WEBSOCKET":
        raise unsupported("The protocol type WEBSOCKET", "Use HTTP.")
    if protocol != "HTTP":
        raise bad_request("Invalid protocol specified. Must be one of [HTTP, WEBSOCKET]")
    if params.get("DisableSchemaValidation"):
        raise bad_request("DisableSchemaValidation is not supported for HTTP APIs")
    if params.get("RouteSelectionExpression", _SELECTION) not in (
        _SELECTION,
        "${request.method} ${request.path}",
    ):
        raise bad_request(f"Route selection expression must be '{_SELECTION}' for HTTP APIs")
    if params.get("ApiKeySelectionExpression", _API_KEY) != _API_KEY:
        raise bad_request("ApiKeySelectionExpression is not supported for HTTP APIs")
    if params.get("IpAddressType", "ipv4") not in ("ipv4", "dualstack"):
        raise bad_request("IpAddressType must be one of [ipv4, dualstack]")


def create(session: Session, call: Call, params: Params) -> HttpApi:
    """A new API with nothing in it. Raises BadRequestException."""
    if not params.get("Name") or len(params["Name"]) > 128:
        raise bad_request("API name must have between 1 and 128 characters")
    count = select(HttpApi.api_id).where(HttpApi.account == call.account, HttpApi.region == call.region)
    if len(session.scalars(count).all()) >= _QUOTA:
        raise too_many(f"Maximum number of APIs has been reached. Limit: {_QUOTA}")
    members: dict[str, Any] = {
        "ApiKeySelectionExpression": _API_KEY,
        "DisableExecuteApiEndpoint": False,
        "IpAddressType": "ipv4",
        "ProtocolType": "HTTP",
        "RouteSelectionExpression": _SELECTION,
        **{name: value for name, value in records.given(params, _MEMBERS).items() if value != ""},
    }
    if configuration := params.get("CorsConfiguration"):
        members["CorsConfiguration"] = cors.checked(configuration)
    api = HttpApi(
        api_id=records.new_id(10),
        account=call.account,
        region=call.region,
        created=time.time(),
        members=members,
        tags=tags.check(params.get("Tags") or {}),
    )
    session.add(api)
    session.flush()
    return api


def delete_parts(session: Session, api: HttpApi, kinds: tuple[records.Kind, ...]) -> None:
    """Delete all parts of some kinds: what an imported definition replaces."""
    for kind in kinds:
        for row in records.parts(session, api.api_id, kind):
            session.delete(row)
    session.flush()


def _integration_to(target: str) -> dict[str, Any]:
    """The integration quick create makes of a target: a function's ARN or a URL."""
    if function_in(target) is not None:
        return {
            "IntegrationType": "AWS_PROXY",
            "IntegrationMethod": "POST",
            "IntegrationUri": target,
            "PayloadFormatVersion": "2.0",
        }
    return {
        "IntegrationType": "HTTP_PROXY",
        "IntegrationMethod": "ANY",
        "IntegrationUri": target,
        "PayloadFormatVersion": "1.0",
    }


def _quick_create(session: Session, api: HttpApi, call: Call, params: Params) -> None:
    members = {**_integration_to(params["Target"]), "ApiGatewayManaged": True}
    if credentials := params.get("CredentialsArn"):
        members["CredentialsArn"] = credentials
    integration = integrations.create(session, api, call, members)
    route = {
        "ApiGatewayManaged": True,
        "AuthorizationType": "NONE",
        "Target": f"integrations/{integration.id}",
    }
    routes.create(session, api, params.get("RouteKey") or "$default", route)
    stages.create(session, api, "$default", {"AutoDeploy": True, "ApiGatewayManaged": True})


def _update_quick_created(session: Session, api: HttpApi, call: Call, params: Params) -> None:
    """UpdateApi changes what quick create made: its target, credentials and route."""
    if not any(params.get(name) for name in ("Target", "CredentialsArn", "RouteKey")):
        return
    integration = _managed(session, api, "integration")
    route = _managed(session, api, "route")
    members = dict(integration.members)
    if target := params.get("Target"):
        members.update(_integration_to(target))
    if credentials := params.get("CredentialsArn"):
        members["CredentialsArn"] = credentials
    integration.members = integrations.guarded(call, integrations.checked(members))
    if (key := params.get("RouteKey")) and key != route.name:
        routes.check_key(key)
        route.name = key
        route.members = {**route.members, "RouteKey": key}


def _managed(session: Session, api: HttpApi, kind: records.Kind) -> HttpApiPart:
    for row in records.parts(session, api.api_id, kind):
        if row.members.get("ApiGatewayManaged"):
            return row
    raise bad_request("Target, CredentialsArn and RouteKey can only be updated on quick created APIs")


def delete_everything(session: Session, account: str) -> dict[str, str]:
    """Delete all APIs of an account, parts and all. Returns the region of each."""
    rows = session.scalars(select(HttpApi).where(HttpApi.account == account)).all()
    session.execute(delete(HttpApi).where(HttpApi.account == account))
    return {row.api_id: row.region for row in rows}
