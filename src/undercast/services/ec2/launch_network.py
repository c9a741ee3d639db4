"""What a RunInstances request says about the network: checked, and turned into plans for interfaces."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from undercast.services.base import AwsError, Call, Params
from undercast.services.ec2.default_network import default_group, default_vpc
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.interfaces import KIND, check_routable, claim, resolve_groups
from undercast.services.ec2.lookup import invalid, need
from undercast.services.ec2.permissions import named
from undercast.services.ec2.tags import from_specifications
from undercast.services.ec2.zones import zones

_IPV6 = ("Ipv6AddressCount", "Ipv6Addresses", "Ipv6Prefixes", "Ipv6PrefixCount", "EnablePrimaryIpv6")
_PREFIXES = ("Ipv4Prefixes", "Ipv4PrefixCount")
_OTHER_KINDS = ("instance", "volume", "spot-instances-request", "elastic-gpu")


@dataclass(frozen=True, slots=True)
class Plan:
    """One interface of each instance: an existing one (`interface_id`), or how to make it."""

    device_index: int
    subnet: Record
    interface_id: str | None = None
    groups: tuple[dict[str, str], ...] = ()
    addresses: tuple[str, ...] = ()
    further: int = 0
    description: str = ""
    public: bool = False
    delete_on_termination: bool = True


@dataclass(frozen=True, slots=True)
class LaunchNetwork:
    """The network side of a launch."""

    plans: tuple[Plan, ...]
    tags: tuple[dict[str, str], ...]

    @property
    def primary(self) -> Plan:
        """The plan of the interface with index 0."""
        return self.plans[0]

    @property
    def vpc_id(self) -> str:
        """The VPC of the primary interface."""
        return str(self.primary.subnet["VpcId"])

    @property
    def subnet_id(self) -> str:
        """The subnet of the primary interface."""
        return str(self.primary.subnet["SubnetId"])

    @property
    def availability_zone(self) -> str:
        """The zone of the subnet."""
        return str(self.primary.subnet["AvailabilityZone"])

    @property
    def availability_zone_id(self) -> str:
        """The zone's id."""
        return str(self.primary.subnet["AvailabilityZoneId"])


def plan_launch(
    change: Change, call: Call, params: Params, clash: Callable[[str], str | None]
) -> LaunchNetwork:
    """The plans for a RunInstances request. Raises AWS's errors.

    `clash` tells why a block cannot be routed on this machine.
    """
    wanted = params.get("NetworkInterfaces") or []
    refuse_ipv6(params)
    plans = _explicit(change, params, wanted) if wanted else [_implicit(change, params)]
    plans.sort(key=lambda plan: plan.device_index)
    for plan in plans:
        reason = clash(plan.subnet["CidrBlock"])
        if reason is not None:
            raise AwsError(
                "Unsupported", f"Instances cannot run in {plan.subnet['SubnetId']} on this machine: {reason}"
            )
    if len({plan.subnet["VpcId"] for plan in plans}) > 1:
        raise AwsError("InvalidParameterCombination", "All network interfaces have to be in the same VPC")
    return LaunchNetwork(tuple(plans), tuple(from_specifications(params, KIND, *_OTHER_KINDS)))


def refuse_ipv6(params: Params) -> None:
    """Refuse, by name, what needs IPv6 or address prefixes."""
    for name in (*_IPV6, *_PREFIXES):
        if params.get(name):
            what = "IPv6" if name in _IPV6 else "address prefixes"
            raise AwsError("UnsupportedOperation", f"The parameter {name} needs {what}: not here.")


def _zone(params: Params) -> str | None:
    """The zone asked for. An empty name, which Terraform sends, asks for none."""
    return (params.get("Placement") or {}).get("AvailabilityZone") or None


def _implicit(change: Change, params: Params) -> Plan:
    """The one interface of a request that names none."""
    zone = _zone(params)
    names, group_ids = params.get("SecurityGroups") or [], list(params.get("SecurityGroupIds") or [])
    if names and params.get("SubnetId"):
        raise AwsError(
            "InvalidParameterCombination", "The parameter groupName cannot be used with the parameter subnet"
        )
    subnet = _subnet(change, params.get("SubnetId"), zone)
    group_ids += [named(change, name)["GroupId"] for name in names]
    address = params.get("PrivateIpAddress")
    if address:
        _check_free(change, subnet, address)
    return Plan(
        0,
        subnet,
        groups=_groups(change, subnet, group_ids),
        addresses=(address,) if address else (),
        public=bool(subnet["MapPublicIpOnLaunch"]),
    )


def _explicit(change: Change, params: Params, wanted: list[Record]) -> list[Plan]:
    for name, what in (
        ("SubnetId", "subnet ID"),
        ("SecurityGroupIds", "security groups"),
        ("SecurityGroups", "security groups"),
        ("PrivateIpAddress", "private IP address"),
    ):
        if params.get(name):
            raise AwsError(
                "InvalidParameterCombination",
                f"Network interfaces and an instance-level {what} may not be specified on the same request",
            )
    indexes = [one.get("DeviceIndex") for one in wanted]
    if None in indexes:
        raise AwsError("MissingParameter", "The request must contain the parameter DeviceIndex")
    if len(set(indexes)) != len(indexes):
        raise AwsError(
            "InvalidParameterCombination", "Each network interface requires a unique device index."
        )
    if 0 not in indexes:
        raise AwsError(
            "InvalidParameterCombination",
            "When specifying network interfaces, you must include a device at index 0.",
        )
    if len(wanted) > 1 and any(one.get("AssociatePublicIpAddress") is not None for one in wanted):
        raise AwsError(
            "InvalidParameterCombination",
            "The associatePublicIPAddress parameter cannot be specified when launching with multiple network "
            "interfaces.",
        )
    zone = _zone(params)
    single = params.get("MaxCount", 1) == 1
    return [_plan(change, one, zone, len(wanted) == 1, single) for one in wanted]


def _plan(change: Change, one: Record, zone: str | None, alone: bool, single: bool) -> Plan:
    refuse_ipv6(one)
    index = int(one["DeviceIndex"])
    if one.get("NetworkInterfaceId"):
        if not single:
            raise AwsError(
                "InvalidParameterCombination",
                "A network interface cannot be specified when launching several instances.",
            )
        return _existing(change, one, index)
    subnet = _subnet(change, one.get("SubnetId"), zone)
    listed = [a["PrivateIpAddress"] for a in _primary_first(one.get("PrivateIpAddresses") or [])]
    if one.get("PrivateIpAddress"):
        listed.insert(0, one["PrivateIpAddress"])
    if listed and not single:
        raise AwsError(
            "InvalidParameterCombination",
            "Private IP addresses cannot be specified when launching several instances.",
        )
    for address in listed:
        _check_free(change, subnet, address)
    public = one.get("AssociatePublicIpAddress")
    if public is None:
        public = alone and bool(subnet["MapPublicIpOnLaunch"])
    return Plan(
        index,
        subnet,
        groups=_groups(change, subnet, one.get("Groups") or []),
        addresses=tuple(listed),
        further=int(one.get("SecondaryPrivateIpAddressCount") or 0),
        description=one.get("Description") or "",
        public=bool(public),
        delete_on_termination=bool(one.get("DeleteOnTermination", True)),
    )


def _existing(change: Change, one: Record, index: int) -> Plan:
    interface = need(change, KIND, one["NetworkInterfaceId"])
    if interface["Status"] != "available":
        raise AwsError(
            "InvalidNetworkInterface.InUse", f"Interface: [{interface['NetworkInterfaceId']}] in use."
        )
    check_routable(change, interface)
    return Plan(
        index,
        need(change, "subnet", interface["SubnetId"]),
        interface_id=interface["NetworkInterfaceId"],
        delete_on_termination=bool(one.get("DeleteOnTermination", False)),
    )


def _primary_first(addresses: list[Record]) -> list[Record]:
    return sorted(addresses, key=lambda address: not address.get("Primary"))


def _check_free(change: Change, subnet: Record, address: str) -> None:
    claim(change, subnet, address)
    candidate: dict[str, Any] = {
        "NetworkInterfaceId": "",
        "PrivateIpAddresses": [{"PrivateIpAddress": address}],
    }
    check_routable(change, candidate)


def _subnet(change: Change, subnet_id: str | None, zone: str | None) -> Record:
    """The subnet named, or the default one of the zone (of any zone)."""
    if zone is not None and zone not in [z.name for z in zones(change.region)]:
        raise AwsError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")
    if subnet_id:
        subnet = need(change, "subnet", subnet_id)
        if zone not in (None, subnet["AvailabilityZone"]):
            raise invalid(
                "availabilityZone", zone, f"The subnet {subnet_id} is in {subnet['AvailabilityZone']}."
            )
        return subnet
    vpc = default_vpc(change)
    if vpc is None:
        raise AwsError(
            "VPCIdNotSpecified", "No default VPC for this user. GroupName is only supported for default VPC."
        )
    for subnet in change.all("subnet"):
        default = subnet["VpcId"] == vpc["VpcId"] and subnet["DefaultForAz"]
        if default and zone in (None, subnet["AvailabilityZone"]):
            return subnet
    where = f" in availability zone '{zone}'" if zone else ""
    raise AwsError(
        "MissingInput",
        f"No default subnet found{where} for the default VPC '{vpc['VpcId']}'. Please specify a subnet.",
    )


def _groups(change: Change, subnet: Record, group_ids: list[str]) -> tuple[dict[str, str], ...]:
    if not group_ids:
        group_ids = [default_group(change, subnet["VpcId"])["GroupId"]]
    for group_id in group_ids:
        group = need(change, "security-group", group_id)
        if group["VpcId"] != subnet["VpcId"]:
            raise AwsError(
                "InvalidParameter",
                f"Security group {group_id} and subnet {subnet['SubnetId']} belong to different networks.",
            )
    return tuple(resolve_groups(change, subnet["VpcId"], group_ids))
