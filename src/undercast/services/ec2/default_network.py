"""What every VPC begins with, and the default VPC that every account has in every region."""

from __future__ import annotations

import ipaddress
import threading
from typing import TYPE_CHECKING, Any

from undercast.services.base import Call
from undercast.services.ec2 import ids
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.zones import Zone, zones

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

DEFAULT_CIDR = "172.31.0.0/16"
ANYWHERE = "0.0.0.0/0"
DENY_ALL = 32767  # the number of the entry every network ACL ends with

_MARK = ("network-account", "default")


class DefaultNetwork:
    """Makes the default VPC of an account in a region, the first time somebody looks."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate
        self._guard = threading.Lock()

    def view(self, call: Call) -> Change:
        """A view for reading, with the default VPC in it."""
        self.ensure(call.account, call.region)
        return Change(self._estate, call.account, call.region)

    def changing(self, call: Call, params: dict[str, Any]) -> Any:
        """The change of an operation, with the default VPC in it."""
        self.ensure(call.account, call.region)
        return self._estate.changing(call, params)

    def ensure(self, account: str, region: str) -> None:
        """Make the default VPC, unless that was done before (and perhaps undone by its owner)."""
        if self._estate.get(account, region, *_MARK) is not None:
            return
        with self._guard:
            if self._estate.get(account, region, *_MARK) is not None:
                return
            with self._estate.change(account, region) as change:
                change.put(*_MARK, {"Made": True})
                make_default_vpc(change)


def make_default_vpc(change: Change) -> Record:
    """The default VPC with a subnet per zone and a way out."""
    vpc = make_vpc(change, ipaddress.IPv4Network(DEFAULT_CIDR), default=True)
    for zone in zones(change.region):
        make_default_subnet(change, vpc, zone)
    gateway_id = ids.new_id("igw")
    change.put(
        "internet-gateway",
        gateway_id,
        {
            "InternetGatewayId": gateway_id,
            "OwnerId": change.account,
            "Attachments": [{"State": "available", "VpcId": vpc["VpcId"]}],
            "Tags": [],
        },
    )
    table = main_route_table(change, vpc["VpcId"])
    way_out = {
        "DestinationCidrBlock": ANYWHERE,
        "GatewayId": gateway_id,
        "Origin": "CreateRoute",
        "State": "active",
    }
    change.update("route-table", table["RouteTableId"], Routes=[*table["Routes"], way_out])
    return vpc


def make_default_subnet(change: Change, vpc: Record, zone: Zone) -> Record:
    """The default subnet of a zone: the first /20 of the VPC that is free."""
    taken = [
        ipaddress.IPv4Network(s["CidrBlock"]) for s in change.all("subnet") if s["VpcId"] == vpc["VpcId"]
    ]
    whole = ipaddress.IPv4Network(vpc["CidrBlock"])
    free = next(b for b in whole.subnets(new_prefix=20) if not any(b.overlaps(t) for t in taken))
    return make_subnet(change, vpc, free, zone, default=True)


def make_subnet(
    change: Change,
    vpc: Record,
    block: ipaddress.IPv4Network,
    zone: Zone,
    *,
    default: bool = False,
    tags: list[dict[str, str]] | None = None,
) -> Record:
    """A subnet under the VPC's default network ACL."""
    subnet_id = ids.new_id("subnet")
    acl = next(a for a in change.all("network-acl") if a["VpcId"] == vpc["VpcId"] and a["IsDefault"])
    association = {
        "NetworkAclAssociationId": ids.new_id("aclassoc"),
        "NetworkAclId": acl["NetworkAclId"],
        "SubnetId": subnet_id,
    }
    change.update("network-acl", acl["NetworkAclId"], Associations=[*acl["Associations"], association])
    return change.put(
        "subnet",
        subnet_id,
        {
            "SubnetId": subnet_id,
            "SubnetArn": f"arn:aws:ec2:{change.region}:{change.account}:subnet/{subnet_id}",
            "VpcId": vpc["VpcId"],
            "CidrBlock": str(block),
            "AvailabilityZone": zone.name,
            "AvailabilityZoneId": zone.id,
            "State": "available",
            "OwnerId": change.account,
            "DefaultForAz": default,
            "MapPublicIpOnLaunch": default,
            "MapCustomerOwnedIpOnLaunch": False,
            "AssignIpv6AddressOnCreation": False,
            "Ipv6CidrBlockAssociationSet": [],
            "Ipv6Native": False,
            "EnableDns64": False,
            "PrivateDnsNameOptionsOnLaunch": {
                "HostnameType": "ip-name",
                "EnableResourceNameDnsARecord": False,
                "EnableResourceNameDnsAAAARecord": False,
            },
            "Tags": tags or [],
        },
    )


def make_vpc(
    change: Change,
    block: ipaddress.IPv4Network,
    *,
    default: bool = False,
    tenancy: str = "default",
    tags: list[dict[str, str]] | None = None,
) -> Record:
    """A VPC with its main route table, its default network ACL and its default security group."""
    vpc_id = ids.new_id("vpc")
    association = {
        "AssociationId": ids.new_id("vpc-cidr-assoc"),
        "CidrBlock": str(block),
        "CidrBlockState": {"State": "associated"},
    }
    vpc = change.put(
        "vpc",
        vpc_id,
        {
            "VpcId": vpc_id,
            "CidrBlock": str(block),
            "CidrBlockAssociationSet": [association],
            "DhcpOptionsId": _dhcp_options(change),
            "InstanceTenancy": tenancy,
            "IsDefault": default,
            "OwnerId": change.account,
            "State": "available",
            "Tags": tags or [],
            "_EnableDnsSupport": True,
            "_EnableDnsHostnames": default,
            "_EnableNetworkAddressUsageMetrics": False,
        },
    )
    make_route_table(change, vpc, main=True)
    make_network_acl(change, vpc, default=True)
    make_group(change, vpc_id, "default", "default VPC security group")
    return vpc


def make_route_table(
    change: Change, vpc: Record, *, main: bool = False, tags: list[dict[str, str]] | None = None
) -> Record:
    """A route table that knows the VPC's own blocks."""
    table_id = ids.new_id("rtb")
    local = [
        {
            "DestinationCidrBlock": a["CidrBlock"],
            "GatewayId": "local",
            "Origin": "CreateRouteTable",
            "State": "active",
        }
        for a in vpc["CidrBlockAssociationSet"]
    ]
    association = {
        "Main": True,
        "RouteTableAssociationId": ids.new_id("rtbassoc"),
        "RouteTableId": table_id,
        "AssociationState": {"State": "associated"},
    }
    return change.put(
        "route-table",
        table_id,
        {
            "RouteTableId": table_id,
            "VpcId": vpc["VpcId"],
            "OwnerId": change.account,
            "Routes": local,
            "Associations": [association] if main else [],
            "PropagatingVgws": [],
            "Tags": tags or [],
        },
    )


def make_network_acl(
    change: Change, vpc: Record, *, default: bool = False, tags: list[dict[str, str]] | None = None
) -> Record:
    """A network ACL: the default one lets everything pass, others nothing."""
    acl_id = ids.new_id("acl")
    numbers = [(100, "allow"), (DENY_ALL, "deny")] if default else [(DENY_ALL, "deny")]
    entries = [
        {
            "CidrBlock": ANYWHERE,
            "Egress": egress,
            "Protocol": "-1",
            "RuleAction": action,
            "RuleNumber": number,
        }
        for egress in (True, False)
        for number, action in numbers
    ]
    return change.put(
        "network-acl",
        acl_id,
        {
            "NetworkAclId": acl_id,
            "VpcId": vpc["VpcId"],
            "OwnerId": change.account,
            "IsDefault": default,
            "Entries": entries,
            "Associations": [],
            "Tags": tags or [],
        },
    )


def make_group(
    change: Change,
    vpc_id: str,
    name: str,
    description: str,
    tags: list[dict[str, str]] | None = None,
) -> Record:
    """A security group: everything out, nothing in (but from itself, in a default group)."""
    group_id = ids.new_id("sg")
    group = change.put(
        "security-group",
        group_id,
        {
            "GroupId": group_id,
            "GroupName": name,
            "Description": description,
            "OwnerId": change.account,
            "VpcId": vpc_id,
            "SecurityGroupArn": _arn(change, "security-group", group_id),
            "Tags": tags or [],
        },
    )
    put_rule(change, group_id, egress=True, protocol="-1", CidrIpv4=ANYWHERE)
    if name == "default":
        itself = {"GroupId": group_id, "UserId": change.account}
        put_rule(change, group_id, egress=False, protocol="-1", ReferencedGroupInfo=itself)
    return group


def put_rule(
    change: Change,
    group_id: str,
    *,
    egress: bool,
    protocol: str,
    ports: tuple[int, int] = (-1, -1),
    tags: list[dict[str, str]] | None = None,
    **other_side: Any,
) -> Record:
    """One rule of a security group; `other_side` is the CIDR, prefix list or group, and a Description."""
    rule_id = ids.new_id("sgr")
    return change.put(
        "security-group-rule",
        rule_id,
        {
            "SecurityGroupRuleId": rule_id,
            "SecurityGroupRuleArn": _arn(change, "security-group-rule", rule_id),
            "GroupId": group_id,
            "GroupOwnerId": change.account,
            "IsEgress": egress,
            "IpProtocol": protocol,
            "FromPort": ports[0],
            "ToPort": ports[1],
            **other_side,
            "Tags": tags or [],
        },
    )


def main_route_table(view: Change, vpc_id: str) -> Record:
    """The route table of every subnet that has none of its own."""
    return next(
        table
        for table in view.all("route-table")
        if table["VpcId"] == vpc_id and any(a["Main"] for a in table["Associations"])
    )


def route_table_of(view: Change, subnet: Record) -> Record:
    """The route table in force in a subnet."""
    for table in view.all("route-table"):
        if any(a.get("SubnetId") == subnet["SubnetId"] for a in table["Associations"]):
            return table
    return main_route_table(view, subnet["VpcId"])


def default_group(view: Change, vpc_id: str) -> Record:
    """The default security group of a VPC."""
    return next(g for g in view.all("security-group") if g["VpcId"] == vpc_id and g["GroupName"] == "default")


def default_vpc(view: Change) -> Record | None:
    """The default VPC, unless its owner deleted it."""
    return next((vpc for vpc in view.all("vpc") if vpc["IsDefault"]), None)


def private_domain(region: str) -> str:
    """What private DNS names end in."""
    return "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"


def _dhcp_options(change: Change) -> str:
    """The DHCP options a VPC begins with: one set per account and region."""
    for options in change.all("dhcp-options"):
        if options.get("_Default"):
            return str(options["DhcpOptionsId"])
    options_id = ids.new_id("dopt")
    configurations = [
        {"Key": "domain-name", "Values": [{"Value": private_domain(change.region)}]},
        {"Key": "domain-name-servers", "Values": [{"Value": "AmazonProvidedDNS"}]},
    ]
    change.put(
        "dhcp-options",
        options_id,
        {
            "DhcpOptionsId": options_id,
            "DhcpConfigurations": configurations,
            "OwnerId": change.account,
            "Tags": [],
            "_Default": True,
        },
    )
    return options_id


def _arn(change: Change, kind: str, id: str) -> str:
    return f"arn:aws:ec2:{change.region}:{change.account}:{kind}/{id}"
