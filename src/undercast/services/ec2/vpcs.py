"""VPCs: their blocks, attributes and DHCP options."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.cidrs import sized
from undercast.services.ec2.default_network import default_vpc, make_default_vpc, make_vpc
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import dependent, describe, need
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "cidr": "CidrBlock",
        "cidr-block-association.association-id": "CidrBlockAssociationSet.AssociationId",
        "cidr-block-association.cidr-block": "CidrBlockAssociationSet.CidrBlock",
        "cidr-block-association.state": "CidrBlockAssociationSet.CidrBlockState.State",
        "dhcp-options-id": "DhcpOptionsId",
        "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet.AssociationId",
        "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
        "ipv6-cidr-block-association.ipv6-pool": "Ipv6CidrBlockAssociationSet.Ipv6Pool",
        "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State",
        "is-default": "IsDefault",
        "isDefault": "IsDefault",
        "owner-id": "OwnerId",
        "state": "State",
        "vpc-id": "VpcId",
    }
)

# Parameters of CreateVpc for what is not here, and what they ask for.
_ABSENT = {
    "AmazonProvidedIpv6CidrBlock": "IPv6",
    "Ipv6Pool": "IPv6",
    "Ipv6CidrBlock": "IPv6",
    "Ipv6IpamPoolId": "IPv6",
    "Ipv4IpamPoolId": "IPAM",
}

_ATTRIBUTES = {
    "enableDnsSupport": "EnableDnsSupport",
    "enableDnsHostnames": "EnableDnsHostnames",
    "enableNetworkAddressUsageMetrics": "EnableNetworkAddressUsageMetrics",
}

# Kinds that must be gone before their VPC goes.
_DEPENDENTS = ("subnet", "network-interface", "natgateway")


class Vpcs:
    """The operations on VPCs."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network
        self._public = ec2.public_addresses

    def create_vpc(self, call: Call, params: Params) -> Result:
        refuse_absent(params, _ABSENT)
        if not params.get("CidrBlock"):
            raise AwsError("MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
        block = sized(params["CidrBlock"], "cidrBlock", "InvalidVpc.Range")
        tenancy = params.get("InstanceTenancy") or "default"
        if tenancy != "default":
            raise AwsError("UnsupportedOperation", f"The tenancy '{tenancy}' is not available here.")
        wanted = from_specifications(params, "vpc")
        with self._network.changing(call, params) as change:
            vpc = make_vpc(change, block, tenancy=tenancy, tags=wanted)
        return {"Vpc": {**visible(vpc), "State": "pending"}}

    def create_default_vpc(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            if default_vpc(change) is not None:
                raise AwsError(
                    "DefaultVpcAlreadyExists",
                    "A Default VPC already exists for this account in this region.",
                )
            vpc = make_default_vpc(change)
        return {"Vpc": {**visible(vpc), "State": "pending"}}

    def describe_vpcs(self, call: Call, params: Params) -> Result:
        view = self._network.view(call)
        return describe(view, params, "vpc", ids_in="VpcIds", answer_in="Vpcs", id="VpcId", filters=_FILTERS)

    def delete_vpc(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            vpc_id = need(change, "vpc", params["VpcId"])["VpcId"]
            _check_deletable(change, vpc_id)
            for kind, member in (
                ("route-table", "RouteTableId"),
                ("network-acl", "NetworkAclId"),
                ("security-group", "GroupId"),
            ):
                for record in _of(change, kind, vpc_id):
                    change.delete(kind, record[member])
                    if kind == "security-group":
                        _delete_rules(change, record[member])
            change.delete("vpc", vpc_id)
        return {}

    def describe_vpc_attribute(self, call: Call, params: Params) -> Result:
        dry_run(params)
        vpc = need(self._network.view(call), "vpc", params["VpcId"])
        name = _ATTRIBUTES.get(params["Attribute"])
        if name is None:
            raise AwsError(
                "InvalidParameterValue", f"Value ({params['Attribute']}) for attribute is invalid."
            )
        return {"VpcId": vpc["VpcId"], name: {"Value": vpc[f"_{name}"]}}

    def modify_vpc_attribute(self, call: Call, params: Params) -> Result:
        given = {name: params[name]["Value"] for name in _ATTRIBUTES.values() if params.get(name)}
        if len(given) != 1:
            raise AwsError(
                "InvalidParameterCombination" if given else "MissingParameter",
                "Fields for multiple attribute types specified: only one attribute can be modified at a time"
                if given
                else "The request must contain an attribute to modify",
            )
        with self._network.changing(call, params) as change:
            vpc = need(change, "vpc", params["VpcId"])
            name, value = next(iter(given.items()))
            change.update("vpc", vpc["VpcId"], **{f"_{name}": bool(value)})
            self._public.rename(change, vpc["VpcId"])
        return {}

    def associate_vpc_cidr_block(self, call: Call, params: Params) -> Result:
        refuse_absent(params, _ABSENT)
        block = sized(params.get("CidrBlock") or "", "cidrBlock", "InvalidVpc.Range")
        with self._network.changing(call, params) as change:
            vpc = need(change, "vpc", params["VpcId"])
            present = vpc["CidrBlockAssociationSet"]
            if any(ipaddress.IPv4Network(a["CidrBlock"]).overlaps(block) for a in present):
                raise AwsError(
                    "CidrConflict", f"The CIDR '{block}' conflicts with another CIDR associated with this VPC"
                )
            association = {
                "AssociationId": ids.new_id("vpc-cidr-assoc"),
                "CidrBlock": str(block),
                "CidrBlockState": {"State": "associated"},
            }
            change.update("vpc", vpc["VpcId"], CidrBlockAssociationSet=[*present, association])
            for table in _of(change, "route-table", vpc["VpcId"]):
                local = {
                    "DestinationCidrBlock": str(block),
                    "GatewayId": "local",
                    "Origin": "CreateRouteTable",
                    "State": "active",
                }
                change.update("route-table", table["RouteTableId"], Routes=[*table["Routes"], local])
        shown = {**association, "CidrBlockState": {"State": "associating"}}
        return {"VpcId": vpc["VpcId"], "CidrBlockAssociation": shown}

    def disassociate_vpc_cidr_block(self, call: Call, params: Params) -> Result:
        id = params["AssociationId"]
        ids.check("vpc-cidr-association", id)
        with self._network.changing(call, params) as change:
            vpc, association = _find_association(change, id)
            block = association["CidrBlock"]
            if block == vpc["CidrBlock"]:
                raise AwsError(
                    "OperationNotPermitted",
                    f"The vpc CIDR block with association ID {id} may not be disassociated. It is the "
                    "primary IPv4 CIDR block of the VPC",
                )
            network = ipaddress.IPv4Network(block)
            if any(
                ipaddress.IPv4Network(s["CidrBlock"]).subnet_of(network)
                for s in _of(change, "subnet", vpc["VpcId"])
            ):
                raise dependent("vpc CIDR block", id)
            kept = [a for a in vpc["CidrBlockAssociationSet"] if a is not association]
            change.update("vpc", vpc["VpcId"], CidrBlockAssociationSet=kept)
            for table in _of(change, "route-table", vpc["VpcId"]):
                routes = [
                    r
                    for r in table["Routes"]
                    if (r.get("DestinationCidrBlock"), r.get("GatewayId")) != (block, "local")
                ]
                change.update("route-table", table["RouteTableId"], Routes=routes)
        shown = {**association, "CidrBlockState": {"State": "disassociating"}}
        return {"VpcId": vpc["VpcId"], "CidrBlockAssociation": shown}


def refuse_absent(params: Params, absent: dict[str, str]) -> None:
    """Refuse, by name, a parameter that asks for something that is not here."""
    for name, what in absent.items():
        if params.get(name):
            raise AwsError("UnsupportedOperation", f"The parameter {name} needs {what}, which is not here.")


def _of(view: Change, kind: str, vpc_id: str) -> list[Record]:
    return [record for record in view.all(kind) if record["VpcId"] == vpc_id]


def _delete_rules(change: Change, group_id: str) -> None:
    for rule in change.all("security-group-rule"):
        if rule["GroupId"] == group_id:
            change.delete("security-group-rule", rule["SecurityGroupRuleId"])


def _check_deletable(change: Change, vpc_id: str) -> None:
    depends: list[Any] = [
        record
        for kind in _DEPENDENTS
        for record in _of(change, kind, vpc_id)
        if record.get("State") != "deleted"
    ]
    depends += [g for g in _of(change, "security-group", vpc_id) if g["GroupName"] != "default"]
    depends += [a for a in _of(change, "network-acl", vpc_id) if not a["IsDefault"]]
    depends += [
        t for t in _of(change, "route-table", vpc_id) if not any(a["Main"] for a in t["Associations"])
    ]
    depends += [
        gateway
        for gateway in change.all("internet-gateway")
        if any(a["VpcId"] == vpc_id for a in gateway["Attachments"])
    ]
    if depends:
        raise dependent("vpc", vpc_id)


def _find_association(change: Change, id: str) -> tuple[Record, Record]:
    for vpc in change.all("vpc"):
        for association in vpc["CidrBlockAssociationSet"]:
            if association["AssociationId"] == id:
                return vpc, association
    raise ids.not_found("vpc-cidr-association", id)
