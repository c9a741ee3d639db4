"""Subnets."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2.cidrs import RESERVED, sized
from undercast.services.ec2.default_network import default_vpc, make_default_subnet, make_subnet
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import dependent, describe, invalid, need
from undercast.services.ec2.tags import from_specifications
from undercast.services.ec2.vpcs import refuse_absent
from undercast.services.ec2.zones import Zone, zones

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "availability-zone": "AvailabilityZone",
        "availabilityZone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "availabilityZoneId": "AvailabilityZoneId",
        "available-ip-address-count": "AvailableIpAddressCount",
        "cidr": "CidrBlock",
        "cidr-block": "CidrBlock",
        "cidrBlock": "CidrBlock",
        "customer-owned-ipv4-pool": "CustomerOwnedIpv4Pool",
        "default-for-az": "DefaultForAz",
        "defaultForAz": "DefaultForAz",
        "enable-dns64": "EnableDns64",
        "enable-lni-at-device-index": "EnableLniAtDeviceIndex",
        "ipv6-cidr-block-association.association-id": "Ipv6CidrBlockAssociationSet.AssociationId",
        "ipv6-cidr-block-association.ipv6-cidr-block": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlock",
        "ipv6-cidr-block-association.state": "Ipv6CidrBlockAssociationSet.Ipv6CidrBlockState.State",
        "ipv6-native": "Ipv6Native",
        "map-customer-owned-ip-on-launch": "MapCustomerOwnedIpOnLaunch",
        "map-public-ip-on-launch": "MapPublicIpOnLaunch",
        "mapPublicIpOnLaunch": "MapPublicIpOnLaunch",
        "outpost-arn": "OutpostArn",
        "owner-id": "OwnerId",
        "private-dns-name-options-on-launch.hostname-type": "PrivateDnsNameOptionsOnLaunch.HostnameType",
        "private-dns-name-options-on-launch.enable-resource-name-dns-a-record": (
            "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsARecord"
        ),
        "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record": (
            "PrivateDnsNameOptionsOnLaunch.EnableResourceNameDnsAAAARecord"
        ),
        "state": "State",
        "subnet-arn": "SubnetArn",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    }
)

_ABSENT = {
    "Ipv6CidrBlock": "IPv6",
    "Ipv6Native": "IPv6",
    "OutpostArn": "Outposts",
    "Ipv4IpamPoolId": "IPAM",
    "Ipv6IpamPoolId": "IPv6",
}
_MODIFY_ABSENT = {
    "AssignIpv6AddressOnCreation": "IPv6",
    "EnableDns64": "IPv6",
    "MapCustomerOwnedIpOnLaunch": "Outposts",
    "CustomerOwnedIpv4Pool": "Outposts",
    "EnableLniAtDeviceIndex": "Outposts",
}


class Subnets:
    """The operations on subnets."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_subnet(self, call: Call, params: Params) -> Result:
        refuse_absent(params, _ABSENT)
        wanted = from_specifications(params, "subnet")
        with self._network.changing(call, params) as change:
            vpc = need(change, "vpc", params["VpcId"])
            if not params.get("CidrBlock"):
                raise AwsError(
                    "MissingParameter", "Either 'ipv6CidrBlock' or 'cidrBlock' should be provided."
                )
            block = sized(params["CidrBlock"], "cidrBlock", "InvalidSubnet.Range")
            within = [ipaddress.IPv4Network(a["CidrBlock"]) for a in vpc["CidrBlockAssociationSet"]]
            if not any(block.subnet_of(one) for one in within):
                raise AwsError("InvalidSubnet.Range", f"The CIDR '{params['CidrBlock']}' is invalid.")
            if any(ipaddress.IPv4Network(s["CidrBlock"]).overlaps(block) for s in _of(change, vpc)):
                raise AwsError(
                    "InvalidSubnet.Conflict",
                    f"The CIDR '{params['CidrBlock']}' conflicts with another subnet",
                )
            subnet = make_subnet(change, vpc, block, _zone(call.region, params), tags=wanted)
            shown = show(change, subnet)
        return {"Subnet": shown}

    def create_default_subnet(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            vpc = default_vpc(change)
            if vpc is None:
                raise AwsError(
                    "DefaultVpcDoesNotExist", "No default VPC exists for this account in this region."
                )
            zone = _zone(call.region, params)
            if any(s["DefaultForAz"] and s["AvailabilityZone"] == zone.name for s in _of(change, vpc)):
                raise AwsError(
                    "DefaultSubnetAlreadyExistsInAvailabilityZone",
                    f"A default subnet already exists in the availability zone {zone.name}.",
                )
            shown = show(change, make_default_subnet(change, vpc, zone))
        return {"Subnet": shown}

    def describe_subnets(self, call: Call, params: Params) -> Result:
        view = self._network.view(call)
        used = _used(view)
        return describe(
            view,
            params,
            "subnet",
            ids_in="SubnetIds",
            answer_in="Subnets",
            id="SubnetId",
            filters=_FILTERS,
            show=lambda subnet: show(view, subnet, used),
        )

    def delete_subnet(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            subnet_id = need(change, "subnet", params["SubnetId"])["SubnetId"]
            if any(i["SubnetId"] == subnet_id for i in change.all("network-interface")):
                raise dependent("subnet", subnet_id)
            for kind, member in (("network-acl", "NetworkAclId"), ("route-table", "RouteTableId")):
                for record in change.all(kind):
                    kept = [a for a in record["Associations"] if a.get("SubnetId") != subnet_id]
                    if len(kept) != len(record["Associations"]):
                        change.update(kind, record[member], Associations=kept)
            change.delete("subnet", subnet_id)
        return {}

    def modify_subnet_attribute(self, call: Call, params: Params) -> Result:
        refuse_absent({k: v for k, v in params.items() if _asks(v)}, _MODIFY_ABSENT)
        with self._network.changing(call, params) as change:
            subnet = need(change, "subnet", params["SubnetId"])
            members = dict(subnet)
            if params.get("MapPublicIpOnLaunch"):
                members["MapPublicIpOnLaunch"] = bool(params["MapPublicIpOnLaunch"]["Value"])
            options = dict(subnet["PrivateDnsNameOptionsOnLaunch"])
            if params.get("PrivateDnsHostnameTypeOnLaunch"):
                if params["PrivateDnsHostnameTypeOnLaunch"] != "ip-name":
                    raise AwsError("UnsupportedOperation", "Host names of type resource-name are not here.")
                options["HostnameType"] = params["PrivateDnsHostnameTypeOnLaunch"]
            members["PrivateDnsNameOptionsOnLaunch"] = options
            change.put("subnet", subnet["SubnetId"], members)
        return {}


def show(view: Change, subnet: Record, used: dict[str, int] | None = None) -> Record:
    """The subnet as callers see it, with the number of its free addresses."""
    taken = (_used(view) if used is None else used).get(subnet["SubnetId"], 0)
    free = ipaddress.IPv4Network(subnet["CidrBlock"]).num_addresses - RESERVED - 1 - taken
    return {**visible(subnet), "AvailableIpAddressCount": free}


def _used(view: Change) -> dict[str, int]:
    """How many addresses are taken, by subnet."""
    counts: dict[str, int] = {}
    for interface in view.all("network-interface"):
        subnet_id = interface["SubnetId"]
        counts[subnet_id] = counts.get(subnet_id, 0) + len(interface["PrivateIpAddresses"])
    return counts


def _of(view: Change, vpc: Record) -> list[Record]:
    return [s for s in view.all("subnet") if s["VpcId"] == vpc["VpcId"]]


def _asks(value: object) -> bool:
    return bool(value["Value"]) if isinstance(value, dict) and "Value" in value else bool(value)


def _zone(region: str, params: Params) -> Zone:
    known = zones(region)
    name, id = params.get("AvailabilityZone"), params.get("AvailabilityZoneId")
    if not name and not id:
        return known[0]
    for zone in known:
        if zone.name == name or (not name and zone.id == id):
            return zone
    names = ", ".join(zone.name for zone in known)
    raise invalid(
        "availabilityZone" if name else "availabilityZoneId",
        name or id,
        f"Subnets can currently only be created in the following availability zones: {names}.",
    )
