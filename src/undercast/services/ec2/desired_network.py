"""From EC2's records to the network as it should be on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from undercast.network.model import (
    Acl,
    AclEntry,
    Address,
    Cidr,
    Desired,
    Group,
    Interface,
    Names,
    Route,
    Rule,
    Subnet,
    Via,
    vif_name,
)
from undercast.services.ec2.default_network import route_table_of
from undercast.services.ec2.estate import Change, Estate, Key, Record
from undercast.services.ec2.interfaces import KIND, private_name
from undercast.services.ec2.prefix_lists import blocks
from undercast.services.ec2.protocols import ICMP, ICMPV6, number
from undercast.services.ec2.routes import alive

# Kinds whose changes may change the network.
RELEVANT = frozenset(
    {
        "instance", "internet-gateway", "natgateway", "network-acl", KIND, "prefix-list", "route-table",
        "security-group", "security-group-rule", "subnet", "vpc",
    }
)  # fmt: skip

# While an instance is in one of these states its interfaces are on the wire.
ON_THE_WIRE = frozenset({"pending", "running", "stopping", "shutting-down"})

Holder = tuple[str, str, str]  # account, region, instance id


@dataclass(frozen=True, slots=True)
class Picture:
    """The desired network, and who has which private address in it."""

    desired: Desired
    holders: Mapping[str, Holder]


def picture(estate: Estate, host_id: str) -> Picture:
    """All accounts' and regions' networks that have instances on this machine."""
    interfaces: list[Interface] = []
    holders: dict[str, Holder] = {}
    views: dict[tuple[str, str], Change] = {}
    groups: dict[str, Group] = {}
    subnets: dict[str, Subnet] = {}
    acls: dict[str, Acl] = {}
    members: dict[str, list[Record]] = {}
    vpcs: dict[str, Change] = {}
    for key, record in estate.everywhere(KIND):
        if not _on_the_wire(estate, key, record):
            continue
        view = views.setdefault((key.account, key.region), Change(estate, key.account, key.region))
        interface = _interface(host_id, key, record)
        if any(str(address) in holders for address in interface.addresses):
            continue  # refused at launch already; two routes for one address would serve neither
        interfaces.append(interface)
        holders |= {str(a): (key.account, key.region, interface.instance) for a in interface.addresses}
        members.setdefault(record["VpcId"], []).append(record)
        vpcs[record["VpcId"]] = view
    for (account, region), view in views.items():
        mine = [i for i in interfaces if holders[str(i.addresses[0])][:2] == (account, region)]
        groups |= _groups(view, {g for i in mine for g in i.groups})
        here = {i.subnet: _subnet(view, i.subnet) for i in mine}
        subnets |= here
        acls |= {s.acl: _acl(view, s.acl) for s in here.values()}
    names = {vpc_id: _names(view, vpc_id, members[vpc_id]) for vpc_id, view in vpcs.items()}
    host_names = {
        a["Association"]["PublicDnsName"]: a["Association"]["PublicIp"]
        for records in members.values()
        for record in records
        for a in record["PrivateIpAddresses"]
        if (a.get("Association") or {}).get("PublicDnsName")
    }
    desired = Desired(tuple(interfaces), groups, subnets, acls, names, host_names)
    return Picture(desired, holders)


def _on_the_wire(estate: Estate, key: Key, interface: Record) -> bool:
    instance_id = (interface.get("Attachment") or {}).get("InstanceId")
    if not instance_id:
        return False
    instance = estate.get(key.account, key.region, "instance", instance_id)
    return instance is not None and instance["State"]["Name"] in ON_THE_WIRE


def _interface(host_id: str, key: Key, record: Record) -> Interface:
    addresses = record["PrivateIpAddresses"]
    return Interface(
        id=record["NetworkInterfaceId"],
        account=key.account,
        instance=record["Attachment"]["InstanceId"],
        vif=vif_name(host_id, record["NetworkInterfaceId"]),
        mac=record["MacAddress"],
        addresses=tuple(Address(a["PrivateIpAddress"]) for a in addresses),
        subnet=record["SubnetId"],
        groups=tuple(g["GroupId"] for g in record["Groups"]),
        public={
            Address(a["PrivateIpAddress"]): Address(a["Association"]["PublicIp"])
            for a in addresses
            if "Association" in a
        },
    )


def _groups(view: Change, wanted: set[str]) -> dict[str, Group]:
    rules: dict[tuple[str, bool], list[Rule]] = {}
    for record in view.all("security-group-rule"):
        if record["GroupId"] in wanted and (rule := _rule(view, record)) is not None:
            rules.setdefault((record["GroupId"], record["IsEgress"]), []).append(rule)
    return {
        group_id: Group(
            group_id, tuple(rules.get((group_id, False), ())), tuple(rules.get((group_id, True), ()))
        )
        for group_id in wanted
    }


def _rule(view: Change, record: Record) -> Rule | None:
    """The rule as the filter takes it. Rules for IPv6 have nothing to allow: instances have no IPv6."""
    protocol = number(record["IpProtocol"])
    if protocol == ICMPV6 or "CidrIpv6" in record:
        return None
    cidrs: tuple[Cidr, ...] = ()
    groups: tuple[str, ...] = ()
    if "CidrIpv4" in record:
        cidrs = (Cidr(record["CidrIpv4"]),)
    elif "PrefixListId" in record:
        cidrs = tuple(Cidr(block) for block in blocks(view, record["PrefixListId"]))
    else:
        groups = (record["ReferencedGroupInfo"]["GroupId"],)
    if not cidrs and not groups:
        return None
    return Rule(
        None if protocol == -1 else protocol,
        *_range(protocol, record["FromPort"], record["ToPort"]),
        cidrs=cidrs,
        groups=groups,
    )


def _range(protocol: int, low: int, high: int) -> tuple[int | None, int | None]:
    if protocol == ICMP:
        return (None if low == -1 else low), (None if low == -1 or high == -1 else high)
    return (None, None) if low == -1 else (low, high)


def _subnet(view: Change, subnet_id: str) -> Subnet:
    subnet = view.get("subnet", subnet_id)
    assert subnet is not None
    acl = next(
        acl["NetworkAclId"]
        for acl in view.all("network-acl")
        if any(a["SubnetId"] == subnet_id for a in acl["Associations"])
    )
    table = route_table_of(view, subnet)
    routes = tuple(route for record in table["Routes"] for route in _routes(view, table["VpcId"], record))
    return Subnet(subnet_id, subnet["VpcId"], Cidr(subnet["CidrBlock"]), acl, routes)


def _routes(view: Change, vpc_id: str, record: Record) -> list[Route]:
    via, nat_address = Via.NOWHERE, None
    if alive(view, vpc_id, record):
        if record.get("GatewayId") == "local":
            via = Via.LOCAL
        elif record.get("GatewayId"):
            via = Via.INTERNET
        else:
            gateway = view.get("natgateway", record["NatGatewayId"])
            assert gateway is not None
            if _leads_out(view, gateway):
                via = Via.NAT
                nat_address = ipaddress.IPv4Address(gateway["NatGatewayAddresses"][0]["PublicIp"])
    if "DestinationPrefixListId" in record:
        destinations = blocks(view, record["DestinationPrefixListId"])
    else:
        destinations = [record["DestinationCidrBlock"]]
    return [Route(Cidr(destination), via, nat_address) for destination in destinations]


def _leads_out(view: Change, gateway: Record) -> bool:
    """Whether the NAT gateway itself has a way out: its subnet's routes lead to an internet gateway."""
    subnet = view.get("subnet", gateway["SubnetId"])
    if subnet is None:
        return False
    table = route_table_of(view, subnet)
    return any(
        str(route.get("GatewayId") or "").startswith("igw-") and alive(view, table["VpcId"], route)
        for route in table["Routes"]
    )


def _acl(view: Change, acl_id: str) -> Acl:
    record = view.get("network-acl", acl_id)
    assert record is not None
    entries: dict[bool, list[AclEntry]] = {True: [], False: []}
    for entry in sorted(record["Entries"], key=lambda e: int(e["RuleNumber"])):
        if "CidrBlock" not in entry:
            continue
        protocol = int(entry["Protocol"])
        low = high = None
        if "PortRange" in entry:
            low, high = entry["PortRange"]["From"], entry["PortRange"]["To"]
        elif "IcmpTypeCode" in entry:
            low, high = _range(ICMP, entry["IcmpTypeCode"]["Type"], entry["IcmpTypeCode"]["Code"])
        rule = Rule(None if protocol == -1 else protocol, low, high, (Cidr(entry["CidrBlock"]),))
        entries[entry["Egress"]].append(AclEntry(entry["RuleAction"] == "allow", rule))
    return Acl(acl_id, tuple(entries[False]), tuple(entries[True]))


def _names(view: Change, vpc_id: str, members: list[Record]) -> Names:
    """What the VPC's resolver tells: inside, a public name stands for the private address."""
    vpc = view.get("vpc", vpc_id)
    assert vpc is not None
    private: dict[str, Address] = {}
    public: dict[str, Address] = {}
    for record in members:
        for a in record["PrivateIpAddresses"]:
            address = Address(a["PrivateIpAddress"])
            private[private_name(a["PrivateIpAddress"], view.region)] = address
            if (a.get("Association") or {}).get("PublicDnsName"):
                public[a["Association"]["PublicDnsName"]] = address
    return Names(
        vpc_id, Cidr(vpc["CidrBlock"]).network_address + 2, bool(vpc["_EnableDnsSupport"]), private, public
    )
