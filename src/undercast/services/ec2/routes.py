"""Routes: where a destination leads, and whether the way there is open."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import cidrs
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.lookup import missing, need

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_DESTINATIONS = ("DestinationCidrBlock", "DestinationPrefixListId")

# Targets that are refused by name: this machine has nothing behind them.
_ABSENT_TARGETS = {
    "EgressOnlyInternetGatewayId": "egress-only internet gateways",
    "InstanceId": "routes through an instance",
    "NetworkInterfaceId": "routes through a network interface",
    "TransitGatewayId": "transit gateways",
    "LocalGatewayId": "Outposts",
    "CarrierGatewayId": "Wavelength zones",
    "VpcPeeringConnectionId": "VPC peering",
    "VpcEndpointId": "VPC endpoints",
    "CoreNetworkArn": "Cloud WAN",
}


class Routes:
    """The operations on the routes of a table."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_route(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            table = need(change, "route-table", params["RouteTableId"])
            destination, target = _destination(change, params), _target(change, table, params)
            if _find(table, destination) is not None:
                (shown,) = destination.values()
                raise AwsError("RouteAlreadyExists", f"The route identified by {shown} already exists.")
            route = {**destination, **target, "Origin": "CreateRoute", "State": "active"}
            change.update("route-table", table["RouteTableId"], Routes=[*table["Routes"], route])
        return {"Return": True}

    def replace_route(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            table = need(change, "route-table", params["RouteTableId"])
            destination = _destination(change, params)
            old = _existing(table, destination)
            if params.get("LocalTarget"):
                if old.get("GatewayId") != "local":
                    raise AwsError("InvalidParameterValue", "The local target is for local routes only.")
                return {}
            route = {
                **destination,
                **_target(change, table, params),
                "Origin": "CreateRoute",
                "State": "active",
            }
            if old.get("GatewayId") == "local":
                raise AwsError("UnsupportedOperation", "Replacing the local route is not here.")
            routes = [route if r is old else r for r in table["Routes"]]
            change.update("route-table", table["RouteTableId"], Routes=routes)
        return {}

    def delete_route(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            table = need(change, "route-table", params["RouteTableId"])
            old = _existing(table, _destination(change, params))
            if old.get("GatewayId") == "local":
                raise AwsError(
                    "InvalidParameterValue",
                    f"cannot remove local route {old['DestinationCidrBlock']} in route table "
                    f"{table['RouteTableId']}",
                )
            routes = [r for r in table["Routes"] if r is not old]
            change.update("route-table", table["RouteTableId"], Routes=routes)
        return {}


def alive(view: Change, vpc_id: str, route: Record) -> bool:
    """Whether the route's target is there; without it the route is a black hole."""
    if route.get("GatewayId") == "local":
        return True
    if route.get("GatewayId"):
        gateway = view.get("internet-gateway", route["GatewayId"])
        return gateway is not None and any(a["VpcId"] == vpc_id for a in gateway["Attachments"])
    nat = view.get("natgateway", route.get("NatGatewayId") or "")
    return nat is not None and nat["State"] == "available"


def _destination(view: Change, params: Params) -> dict[str, str]:
    if params.get("DestinationIpv6CidrBlock"):
        raise AwsError("UnsupportedOperation", "Routes for IPv6 need IPv6, which is not here.")
    if params.get("DestinationCidrBlock"):
        block = cidrs.parse(params["DestinationCidrBlock"], "destinationCidrBlock")
        return {"DestinationCidrBlock": str(block)}
    if params.get("DestinationPrefixListId"):
        need(view, "prefix-list", params["DestinationPrefixListId"])
        return {"DestinationPrefixListId": params["DestinationPrefixListId"]}
    raise missing("destinationCidrBlock")


def _target(view: Change, table: Record, params: Params) -> dict[str, str]:
    for name, what in _ABSENT_TARGETS.items():
        if params.get(name):
            raise AwsError("UnsupportedOperation", f"The route target {name} needs {what}: not here.")
    if params.get("NatGatewayId"):
        nat = need(view, "natgateway", params["NatGatewayId"])
        _same_network(table, nat["VpcId"], "nat gateway", nat["NatGatewayId"])
        return {"NatGatewayId": nat["NatGatewayId"]}
    gateway_id = params.get("GatewayId")
    if not gateway_id:
        raise missing("gatewayId")
    if gateway_id == "local":
        _check_local(view, table, params)
        return {"GatewayId": "local"}
    gateway = need(view, "internet-gateway", gateway_id)
    attached = [a["VpcId"] for a in gateway["Attachments"]]
    _same_network(table, attached[0] if attached else "", "network gateway", gateway_id)
    return {"GatewayId": gateway_id}


def _check_local(view: Change, table: Record, params: Params) -> None:
    block = cidrs.parse(params.get("DestinationCidrBlock") or "", "destinationCidrBlock")
    vpc = need(view, "vpc", table["VpcId"])
    if not any(
        block.subnet_of(ipaddress.IPv4Network(a["CidrBlock"])) for a in vpc["CidrBlockAssociationSet"]
    ):
        raise AwsError("InvalidParameterValue", f"The destination {block} is not in the VPC's own blocks.")


def _same_network(table: Record, vpc_id: str, kind: str, id: str) -> None:
    if table["VpcId"] != vpc_id:
        raise AwsError(
            "InvalidParameterValue",
            f"route table {table['RouteTableId']} and {kind} {id} belong to different networks",
        )


def _find(table: Record, destination: dict[str, str]) -> Record | None:
    (name,) = destination
    return next((r for r in table["Routes"] if r.get(name) == destination[name]), None)


def _existing(table: Record, destination: dict[str, str]) -> Record:
    found = _find(table, destination)
    if found is None:
        (shown,) = destination.values()
        raise AwsError(
            "InvalidRoute.NotFound",
            f"no route with destination-cidr-block {shown} in route table {table['RouteTableId']}",
        )
    return found
