"""Route tables: associations with subnets, and the routes in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.default_network import make_route_table
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import dependent, describe, need
from undercast.services.ec2.routes import alive
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "association.gateway-id": "Associations.GatewayId",
        "association.main": "Associations.Main",
        "association.route-table-association-id": "Associations.RouteTableAssociationId",
        "association.route-table-id": "Associations.RouteTableId",
        "association.subnet-id": "Associations.SubnetId",
        "owner-id": "OwnerId",
        "route-table-id": "RouteTableId",
        "route.destination-cidr-block": "Routes.DestinationCidrBlock",
        "route.destination-ipv6-cidr-block": "Routes.DestinationIpv6CidrBlock",
        "route.destination-prefix-list-id": "Routes.DestinationPrefixListId",
        "route.egress-only-internet-gateway-id": "Routes.EgressOnlyInternetGatewayId",
        "route.gateway-id": "Routes.GatewayId",
        "route.instance-id": "Routes.InstanceId",
        "route.nat-gateway-id": "Routes.NatGatewayId",
        "route.origin": "Routes.Origin",
        "route.state": "Routes.State",
        "route.transit-gateway-id": "Routes.TransitGatewayId",
        "route.vpc-peering-connection-id": "Routes.VpcPeeringConnectionId",
        "vpc-id": "VpcId",
    }
)


class RouteTables:
    """The operations on route tables and their associations."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_route_table(self, call: Call, params: Params) -> Result:
        wanted = from_specifications(params, "route-table")
        with self._network.changing(call, params) as change:
            table = make_route_table(change, need(change, "vpc", params["VpcId"]), tags=wanted)
        return {"RouteTable": visible(table)}

    def describe_route_tables(self, call: Call, params: Params) -> Result:
        view = self._network.view(call)
        return describe(
            view,
            params,
            "route-table",
            ids_in="RouteTableIds",
            answer_in="RouteTables",
            id="RouteTableId",
            filters=_FILTERS,
            show=lambda table: _show(view, table),
        )

    def delete_route_table(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            table = need(change, "route-table", params["RouteTableId"])
            if table["Associations"]:
                raise dependent("routeTable", table["RouteTableId"])
            change.delete("route-table", table["RouteTableId"])
        return {}

    def associate_route_table(self, call: Call, params: Params) -> Result:
        if params.get("GatewayId"):
            raise AwsError("UnsupportedOperation", "Gateway route tables are not here.")
        with self._network.changing(call, params) as change:
            table = need(change, "route-table", params["RouteTableId"])
            subnet = need(change, "subnet", params.get("SubnetId"))
            _same_network(table, subnet)
            for other in change.all("route-table"):
                for association in other["Associations"]:
                    if association.get("SubnetId") != subnet["SubnetId"]:
                        continue
                    if other["RouteTableId"] == table["RouteTableId"]:
                        return _associated(association)
                    raise AwsError(
                        "Resource.AlreadyAssociated",
                        f"the specified association for route table {table['RouteTableId']} conflicts with "
                        "an existing association",
                    )
            new = _associate(change, table, subnet["SubnetId"])
        return _associated(new)

    def disassociate_route_table(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            table, association = _association(change, params["AssociationId"])
            if association["Main"]:
                raise AwsError(
                    "InvalidParameterValue",
                    "cannot disassociate the main route table association "
                    f"{association['RouteTableAssociationId']}",
                )
            _dissociate(change, table, association)
        return {}

    def replace_route_table_association(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            old, association = _association(change, params["AssociationId"])
            table = need(change, "route-table", params["RouteTableId"])
            _same_network(table, old)
            _dissociate(change, old, association)
            table = need(change, "route-table", table["RouteTableId"])
            new = _associate(change, table, association.get("SubnetId"))
        return {
            "NewAssociationId": new["RouteTableAssociationId"],
            "AssociationState": new["AssociationState"],
        }


def _show(view: Change, table: Record) -> Record:
    routes = [
        {**route, "State": "active" if alive(view, table["VpcId"], route) else "blackhole"}
        for route in table["Routes"]
    ]
    return {**visible(table), "Routes": routes}


def _associate(change: Change, table: Record, subnet_id: str | None) -> Record:
    """Associate with a subnet, or (None) make it the VPC's main table."""
    association: Record = {
        "Main": subnet_id is None,
        "RouteTableAssociationId": ids.new_id("rtbassoc"),
        "RouteTableId": table["RouteTableId"],
        "AssociationState": {"State": "associated"},
    }
    if subnet_id is not None:
        association["SubnetId"] = subnet_id
    change.update("route-table", table["RouteTableId"], Associations=[*table["Associations"], association])
    return association


def _dissociate(change: Change, table: Record, association: Record) -> None:
    kept = [a for a in table["Associations"] if a is not association]
    change.update("route-table", table["RouteTableId"], Associations=kept)


def _associated(association: Record) -> Result:
    return {
        "AssociationId": association["RouteTableAssociationId"],
        "AssociationState": association["AssociationState"],
    }


def _association(view: Change, id: str) -> tuple[Record, Record]:
    ids.check("route-table-association", id)
    for table in view.all("route-table"):
        for association in table["Associations"]:
            if association["RouteTableAssociationId"] == id:
                return table, association
    raise ids.not_found("route-table-association", id)


def _same_network(table: Record, other: Record) -> None:
    if table["VpcId"] != other["VpcId"]:
        its = other.get("SubnetId") or other["RouteTableId"]
        kind = "subnet" if "SubnetId" in other else "route table"
        raise AwsError(
            "InvalidParameterValue",
            f"route table {table['RouteTableId']} and {kind} {its} belong to different networks",
        )
