"""Network interfaces as records: made, given addresses, associated with public ones, taken apart.

Private addresses are unique on the whole machine while they are in use, also between VPCs of the same range:
each is one route of the host.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from undercast.services.base import AwsError
from undercast.services.ec2 import ids
from undercast.services.ec2.cidrs import usable
from undercast.services.ec2.default_network import private_domain
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.lookup import need

KIND = "network-interface"
MOST_GROUPS = 5


def everything(change: Change, kind: str) -> Iterator[Record]:
    """The records of one kind in every account and region, as the change sees them."""
    written = {key: record for key, record in change.writes.items() if key.kind == kind}
    for key, record in change.estate.everywhere(kind):
        if key not in written:
            yield record
    yield from (record for record in written.values() if record is not None)


def private_name(address: str, region: str) -> str:
    """The private DNS name of an address: "ip-172-31-5-7.ec2.internal"."""
    return f"ip-{address.replace('.', '-')}.{private_domain(region)}"


def public_name(address: str, region: str, suffix: str) -> str:
    """The public DNS name of an address, under this cloud's own suffix."""
    place = "compute-1" if region == "us-east-1" else f"{region}.compute"
    return f"ec2-{address.replace('.', '-')}.{place}.{suffix}"


# -- private addresses


def claim(
    change: Change, subnet: Record, wanted: str | None = None, taken: Iterable[str] = ()
) -> ipaddress.IPv4Address:
    """A free address of the subnet: the wanted one, or any. Raises AWS's errors.

    `taken` are addresses the caller has claimed and not written yet.
    """
    block = ipaddress.IPv4Network(subnet["CidrBlock"])
    if wanted is not None:
        return _checked(change, subnet, block, wanted, taken)
    used = {a["PrivateIpAddress"] for i in everything(change, KIND) for a in i["PrivateIpAddresses"]}
    used.update(taken)
    first, room = int(block.network_address), block.num_addresses
    # A random place to begin and the next free one from there: quick in an empty subnet, sure in a full one.
    begin = secrets.randbelow(room)
    for step in range(room):
        candidate = ipaddress.IPv4Address(first + (begin + step) % room)
        if usable(block, candidate) and str(candidate) not in used:
            return candidate
    raise AwsError(
        "InsufficientFreeAddressesInSubnet",
        "The specified subnet does not have enough free addresses to satisfy the request.",
    )


def _checked(
    change: Change, subnet: Record, block: ipaddress.IPv4Network, wanted: str, taken: Iterable[str]
) -> ipaddress.IPv4Address:
    try:
        address = ipaddress.IPv4Address(wanted)
    except ValueError:
        raise AwsError("InvalidParameterValue", f"Invalid IPv4 address '{wanted}'") from None
    if address not in block:
        raise AwsError("InvalidParameterValue", "Address does not fall within the subnet's address range")
    if not usable(block, address):
        raise AwsError("InvalidParameterValue", "Address is in subnet's reserved address range")
    in_vpc = {
        a["PrivateIpAddress"]
        for i in change.all(KIND)
        if i["VpcId"] == subnet["VpcId"]
        for a in i["PrivateIpAddresses"]
    }
    if wanted in in_vpc or wanted in taken:
        raise AwsError("InvalidIPAddress.InUse", f"Address {wanted} is in use.")
    return address


def check_routable(change: Change, interface: Record) -> None:
    """Refuse an interface with an address that an instance of another VPC has: both cannot be routed here."""
    own = {a["PrivateIpAddress"] for a in interface["PrivateIpAddresses"]}
    for other in everything(change, KIND):
        if other["NetworkInterfaceId"] == interface["NetworkInterfaceId"] or not other.get("Attachment"):
            continue
        shared = own & {a["PrivateIpAddress"] for a in other["PrivateIpAddresses"]}
        if shared:
            raise AwsError(
                "Unsupported",
                f"The address {sorted(shared)[0]} belongs to an instance in another VPC ({other['VpcId']}) "
                "on this machine, and one machine can route it to one of them only.",
            )


# -- making


def resolve_groups(view: Change, vpc_id: str, group_ids: Sequence[str]) -> list[dict[str, str]]:
    """The groups of an interface. Raises AWS's errors for those that are not there or belong elsewhere."""
    unique = list(dict.fromkeys(group_ids))
    if len(unique) > MOST_GROUPS:
        raise AwsError(
            "SecurityGroupsPerInterfaceLimitExceeded",
            "The maximum number of security groups per interface has been reached.",
        )
    groups = [need(view, "security-group", id) for id in unique]
    for group in groups:
        if group["VpcId"] != vpc_id:
            raise AwsError(
                "InvalidGroup.NotFound", "You have specified two resources that belong to different networks."
            )
    return [{"GroupId": g["GroupId"], "GroupName": g["GroupName"]} for g in groups]


def make_interface(
    change: Change,
    subnet: Record,
    groups: list[dict[str, str]],
    *,
    addresses: Sequence[str] = (),
    further: int = 0,
    description: str = "",
    kind: str = "interface",
    requester_managed: bool = False,
    tags: list[dict[str, str]] | None = None,
    **private: Any,
) -> Record:
    """An interface with the addresses given, the primary one first, or any free one; and `further` more.

    `private` are members that callers never see, named with an underscore.
    """
    claimed: list[str] = []
    for wanted in addresses or (None,):
        claimed.append(str(claim(change, subnet, wanted, claimed)))
    for _ in range(further):
        claimed.append(str(claim(change, subnet, None, claimed)))
    interface_id = ids.new_id("eni")
    record = {
        "NetworkInterfaceId": interface_id,
        "AvailabilityZone": subnet["AvailabilityZone"],
        "Description": description,
        "Groups": groups,
        "InterfaceType": kind,
        "Ipv6Addresses": [],
        "MacAddress": "02:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(5)),
        "OwnerId": change.account,
        "PrivateDnsName": private_name(claimed[0], change.region),
        "PrivateIpAddress": claimed[0],
        "PrivateIpAddresses": [_private(a, change.region, number == 0) for number, a in enumerate(claimed)],
        "RequesterManaged": requester_managed,
        "SourceDestCheck": True,
        "Status": "available",
        "SubnetId": subnet["SubnetId"],
        "VpcId": subnet["VpcId"],
        "Tags": tags or [],
        **private,
    }
    return change.put(KIND, interface_id, record)


def _private(address: str, region: str, primary: bool) -> Record:
    return {
        "Primary": primary,
        "PrivateDnsName": private_name(address, region),
        "PrivateIpAddress": address,
    }


def add_addresses(change: Change, interface: Record, addresses: Sequence[str]) -> Record:
    """The interface with more (claimed) secondary addresses."""
    more = [_private(address, change.region, False) for address in addresses]
    return change.update(
        KIND,
        interface["NetworkInterfaceId"],
        PrivateIpAddresses=[*interface["PrivateIpAddresses"], *more],
    )


def attach(change: Change, interface: Record, instance: str, index: int, delete: bool, now: Any) -> Record:
    """The interface as the instance's device `index`."""
    attachment = {
        "AttachmentId": ids.new_id("eni-attach"),
        "AttachTime": now,
        "DeleteOnTermination": delete,
        "DeviceIndex": index,
        "NetworkCardIndex": 0,
        "InstanceId": instance,
        "InstanceOwnerId": change.account,
        "Status": "attached",
    }
    attached = {**interface, "Attachment": attachment, "Status": "in-use"}
    return change.put(KIND, interface["NetworkInterfaceId"], attached)


def detach(change: Change, interface: Record) -> Record:
    """The interface on its own again. An address it had for the time being goes."""
    free = set_association(change, interface, None) if _dynamic(interface) else interface
    kept = {k: v for k, v in free.items() if k not in ("Attachment", "_Hot")}
    return change.put(KIND, interface["NetworkInterfaceId"], {**kept, "Status": "available"})


def delete_interface(change: Change, interface: Record) -> None:
    """Let go of the interface; Elastic IPs stay with the account."""
    for address in change.all("elastic-ip"):
        if address.get("NetworkInterfaceId") == interface["NetworkInterfaceId"]:
            change.put("elastic-ip", address["AllocationId"], free_address(address))
    change.delete(KIND, interface["NetworkInterfaceId"])


# -- public addresses


def set_association(
    change: Change, interface: Record, association: Record | None, private: str | None = None
) -> Record:
    """The interface with the association of one of its private addresses (the primary one) replaced."""
    which = private or interface["PrivateIpAddress"]
    addresses = []
    for address in interface["PrivateIpAddresses"]:
        if address["PrivateIpAddress"] == which:
            address = {k: v for k, v in address.items() if k != "Association"}
            if association is not None:
                address["Association"] = association
        addresses.append(address)
    record = {**interface, "PrivateIpAddresses": addresses}
    if which == interface["PrivateIpAddress"]:
        record.pop("Association", None)
        if association is not None:
            record["Association"] = association
    return change.put(KIND, interface["NetworkInterfaceId"], record)


def _dynamic(interface: Record) -> bool:
    """Whether the interface's public address is one for the time being, not an Elastic IP."""
    return "Association" in interface and "AllocationId" not in interface["Association"]


def release_dynamic(change: Change, interface: Record) -> Record:
    """The interface without its public address for the time being."""
    return set_association(change, interface, None) if _dynamic(interface) else interface


def free_address(address: Record) -> Record:
    """An Elastic IP without its association."""
    gone = (
        "AssociationId", "InstanceId", "NetworkInterfaceId", "NetworkInterfaceOwnerId", "PrivateIpAddress",
    )  # fmt: skip
    return {k: v for k, v in address.items() if k not in gone}


def show_interface(interface: Record) -> Record:
    """The interface as DescribeNetworkInterfaces shows it: its tags are called TagSet there."""
    shown = visible(interface)
    return {**{k: v for k, v in shown.items() if k != "Tags"}, "TagSet": interface["Tags"]}
