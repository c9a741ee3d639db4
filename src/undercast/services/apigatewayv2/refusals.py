"""What belongs to WebSocket APIs, private integrations or portals: refused by name, listed as empty."""

from __future__ import annotations

from typing import NoReturn

from undercast.services.apigatewayv2 import records
from undercast.services.apigatewayv2.editing import Editing
from undercast.services.apigatewayv2.errors import bad_request, not_found, unsupported
from undercast.services.base import Call, Params, Result


class Refusals:
    """The operations on models, route responses, VPC links and routing rules."""

    def __init__(self, editing: Editing) -> None:
        self._editing = editing

    def create_model(self, call: Call, params: Params) -> Result:
        self._check(call, params)
        raise bad_request("Models are not supported for HTTP APIs")

    def get_models(self, call: Call, params: Params) -> Result:
        self._check(call, params)
        return {"Items": []}

    def get_model(self, call: Call, params: Params) -> Result:
        self._check(call, params)
        raise not_found("Invalid Model identifier specified", "Model")

    def create_route_response(self, call: Call, params: Params) -> Result:
        self._check(call, params)
        raise bad_request("Route responses are not supported for HTTP APIs")

    def get_route_responses(self, call: Call, params: Params) -> Result:
        self._check(call, params)
        return {"Items": []}

    def create_vpc_link(self, call: Call, params: Params) -> NoReturn:
        raise unsupported("A VPC link (CreateVpcLink)", "Use integrations with ConnectionType INTERNET.")

    def get_vpc_links(self, call: Call, params: Params) -> Result:
        return {"Items": []}

    def get_vpc_link(self, call: Call, params: Params) -> NoReturn:
        raise not_found(f"Unable to find VpcLink by id {params['VpcLinkId']}.", "VpcLink")

    def create_routing_rule(self, call: Call, params: Params) -> NoReturn:
        raise unsupported("A routing rule (CreateRoutingRule)", "Use API mappings.")

    def _check(self, call: Call, params: Params) -> None:
        with self._editing.read(call, params["ApiId"]) as (session, api):
            if identifier := params.get("RouteId"):
                records.part(session, api, "route", identifier)
