"""What the network should be: plain facts about interfaces, security groups, subnets and their routes.

The services write a whole `Desired`; `filter.render` turns it into packet filter rules. Everything here is
immutable and checked where it is made, so that nothing unexpected can reach the rules.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Cidr = ipaddress.IPv4Network
Address = ipaddress.IPv4Address

VIF_PREFIX = "ui"  # of the interfaces of every server's instances

_NAME = re.compile(r"^[a-z][a-z0-9-]{1,60}$")
_MAC = re.compile(r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")
_VIF = re.compile(r"^[a-z0-9]{1,15}$")


def vif_prefix(host_id: str) -> str:
    """What the names of all of a server's interfaces on the host begin with."""
    return f"{VIF_PREFIX}{host_id}"


def vif_name(host_id: str, interface_id: str) -> str:
    """The host's side of a network interface: 15 characters, the most Linux allows, the same every time."""
    return vif_prefix(host_id) + hashlib.sha256(interface_id.encode()).hexdigest()[:7]


def checked(name: str) -> str:
    """The resource id as it is, once it is sure to be one."""
    if not _NAME.match(name):
        raise ValueError(f"not a resource id: {name!r}")
    return name


@dataclass(frozen=True, slots=True)
class Rule:
    """One permission of a security group, or one entry of a network ACL.

    `protocol` is an IP protocol number, None for all. For TCP and UDP `low` and `high` bound the ports; for
    ICMP they are type and code; None is any. `cidrs` and `groups` are the other side.
    """

    protocol: int | None
    low: int | None = None
    high: int | None = None
    cidrs: tuple[Cidr, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def anywhere(self) -> bool:
        """Whether the other side may be any address."""
        return any(cidr.prefixlen == 0 for cidr in self.cidrs)


@dataclass(frozen=True, slots=True)
class AclEntry:
    """One numbered entry of a network ACL; entries are tried in order, and the first that matches decides."""

    allow: bool
    rule: Rule


@dataclass(frozen=True, slots=True)
class Acl:
    """A network ACL: stateless, and what no entry matches is denied."""

    id: str
    ingress: tuple[AclEntry, ...]
    egress: tuple[AclEntry, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """A security group: stateful, and what no rule allows is denied."""

    id: str
    ingress: tuple[Rule, ...]
    egress: tuple[Rule, ...]


class Via(StrEnum):
    """Where a route leads."""

    LOCAL = "local"
    INTERNET = "internet"  # an internet gateway: for interfaces with a public address
    NAT = "nat"  # a NAT gateway: outwards only
    NOWHERE = "nowhere"  # a black hole


@dataclass(frozen=True, slots=True)
class Route:
    """One route of a route table. `nat_address` is the public address of the NAT gateway."""

    cidr: Cidr
    via: Via
    nat_address: Address | None = None


@dataclass(frozen=True, slots=True)
class Subnet:
    """A subnet with the routes and the network ACL that are in force in it."""

    id: str
    vpc: str
    cidr: Cidr
    acl: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface of a running instance.

    `vif` is its name on the host, `addresses` its private addresses, the primary one first, `public` the
    public address of each private one that has any.
    """

    id: str
    account: str
    instance: str
    vif: str
    mac: str
    addresses: tuple[Address, ...]
    subnet: str
    groups: tuple[str, ...]
    public: Mapping[Address, Address] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _VIF.match(self.vif) or not _MAC.match(self.mac) or not self.addresses:
            raise ValueError(f"not an interface: {self!r}")


@dataclass(frozen=True, slots=True)
class Names:
    """What a VPC's resolver knows: names of instances to addresses, as seen from inside that VPC.

    `resolver` is the VPC's own address for it (the base of its range plus two); `enabled` is the VPC's
    enableDnsSupport, `domain` the one private names end in.
    """

    vpc: str
    resolver: Address
    enabled: bool = True
    private: Mapping[str, Address] = field(default_factory=dict)
    public: Mapping[str, Address] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole network as it should be. Groups, subnets and ACLs that interfaces name must be in it."""

    interfaces: tuple[Interface, ...] = ()
    groups: Mapping[str, Group] = field(default_factory=dict)
    subnets: Mapping[str, Subnet] = field(default_factory=dict)
    acls: Mapping[str, Acl] = field(default_factory=dict)
    names: Mapping[str, Names] = field(default_factory=dict)  # by VPC
    host_names: Mapping[str, str] = field(default_factory=dict)  # what resolves on this machine
