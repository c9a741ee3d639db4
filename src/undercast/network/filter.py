"""The packet filter: from the network as it should be to nftables rules.

Instances hang on routed interfaces, so every packet passes the host. What an instance sends is judged where
it enters, before any address is translated: the rules see the destination the instance chose. What it is to
receive is judged where it leaves the host, after all translation: the rules see the source the receiver will
see. So one set of rules serves traffic between instances, with this machine and with the world, and a
reference to a group matches private addresses alone, as AWS has it.

Interfaces are recognised by the prefix of their name: one that no rule knows yet is cut off, not open.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping

from undercast.network.base_chains import BASE, GATEWAY, RESOLVER, Host, base_chains
from undercast.network.model import (
    Acl,
    AclEntry,
    Address,
    Cidr,
    Desired,
    Group,
    Interface,
    Route,
    Rule,
    Subnet,
    Via,
    checked,
)
from undercast.network.ruleset import Ruleset

_ICMP, _TCP, _UDP = 1, 6, 17

_DECLARATIONS = {
    "bound": "type ifname . ether_addr . ipv4_addr",
    "resolvers": "type ifname . ipv4_addr",
    "connections": "type ipv4_addr; size 65535; flags dynamic",
    "private": "type ipv4_addr",
    "routable": "type ipv4_addr",
    "public_in": "type ipv4_addr : ipv4_addr",
    "public_out": "type ipv4_addr : ipv4_addr",
    "acl_out": "type ifname : verdict",
    "acl_in": "type ifname : verdict",
    "routes": "type ifname : verdict",
    "egress": "type ifname : verdict",
    "ingress": "type ifname : verdict",
}


def render(desired: Desired, host: Host) -> Ruleset:
    """The table that enforces `desired` on `host`."""
    subnets = {i.subnet: desired.subnets[i.subnet] for i in desired.interfaces}
    groups = _groups(desired)
    sets, maps = _sets(desired, subnets, groups), _maps(desired, subnets)
    chains = {
        **base_chains(host),
        **_subnet_chains(subnets),
        **_acl_chains({s.acl: desired.acls[s.acl] for s in subnets.values()}),
        **_group_chains(groups, host),
        **_interface_chains(desired.interfaces),
    }
    names = dict.fromkeys(sets, "type ipv4_addr")
    return Ruleset(host.table, BASE, {**names, **_DECLARATIONS}, sets, maps, chains)


def routed_to_internet(subnet: Subnet) -> bool:
    """Whether the subnet has a route to an internet gateway, without which a public address is of no use."""
    return any(route.via is Via.INTERNET for route in subnet.routes)


def _chain(kind: str, name: str) -> str:
    return f"{kind}_{checked(name).replace('-', '_')}"


def _groups(desired: Desired) -> dict[str, Group]:
    """The groups in use, and those their rules mention (whose members may be none)."""
    used = {name for interface in desired.interfaces for name in interface.groups}
    return {name: desired.groups[name] for name in sorted(used)}


def _sets(
    desired: Desired, subnets: Mapping[str, Subnet], groups: Mapping[str, Group]
) -> dict[str, frozenset[str]]:
    interfaces = desired.interfaces
    referenced = {
        name for group in groups.values() for rule in (*group.ingress, *group.egress) for name in rule.groups
    }
    members = {
        _chain("gm", name): frozenset(str(a) for i in interfaces if name in i.groups for a in i.addresses)
        for name in sorted(referenced)
    }
    vpcs = {
        _chain("vm", vpc): frozenset(
            str(a) for i in interfaces if subnets[i.subnet].vpc == vpc for a in i.addresses
        )
        for vpc in sorted({s.vpc for s in subnets.values()})
    }
    # An instance with two interfaces answers through the first unless it is told otherwise.
    own: dict[str, list[Address]] = {}
    for interface in interfaces:
        own.setdefault(interface.instance, []).extend(interface.addresses)
    resolvers = {
        f'"{i.vif}" . {address}'
        for i in interfaces
        if (names := desired.names.get(subnets[i.subnet].vpc)) is not None and names.enabled
        for address in (RESOLVER, names.resolver)
    }
    return {
        "bound": frozenset(f'"{i.vif}" . {i.mac} . {a}' for i in interfaces for a in own[i.instance]),
        "resolvers": frozenset(resolvers),
        "connections": frozenset(),  # the kernel's own to fill
        "private": frozenset(str(a) for i in interfaces for a in i.addresses),
        "routable": frozenset(str(a) for i in interfaces for a in i.public),
        **members,
        **vpcs,
    }


def _maps(desired: Desired, subnets: Mapping[str, Subnet]) -> dict[str, dict[str, str]]:
    inward: dict[str, str] = {}
    outward: dict[str, str] = {}
    for interface in desired.interfaces:
        subnet = subnets[interface.subnet]
        nat = next((r.nat_address for r in subnet.routes if r.via is Via.NAT and r.nat_address), None)
        for address in interface.addresses:
            public = interface.public.get(address)
            if public is not None and routed_to_internet(subnet):
                inward[str(public)] = str(address)
                outward[str(address)] = str(public)
            elif nat is not None:
                outward[str(address)] = str(nat)
    interfaces = desired.interfaces
    return {
        "public_in": inward,
        "public_out": outward,
        "acl_out": {f'"{i.vif}"': f"jump {_chain('ao', i.subnet)}" for i in interfaces},
        "acl_in": {f'"{i.vif}"': f"jump {_chain('ai', i.subnet)}" for i in interfaces},
        "routes": {f'"{i.vif}"': f"jump {_chain('rt', i.subnet)}" for i in interfaces},
        "egress": {f'"{i.vif}"': f"jump {_chain('eo', i.id)}" for i in interfaces},
        "ingress": {f'"{i.vif}"': f"jump {_chain('ei', i.id)}" for i in interfaces},
    }


def _subnet_chains(subnets: Mapping[str, Subnet]) -> dict[str, tuple[str, ...]]:
    chains: dict[str, tuple[str, ...]] = {}
    for subnet in subnets.values():
        # Network ACLs stand between subnets, not inside one.
        chains[_chain("ao", subnet.id)] = (
            f"ip daddr {subnet.cidr} return",
            f"goto {_chain('no', subnet.acl)}",
        )
        chains[_chain("ai", subnet.id)] = (
            f"ip saddr {subnet.cidr} return",
            f"goto {_chain('ni', subnet.acl)}",
        )
        routes = sorted(subnet.routes, key=lambda r: r.cidr.prefixlen, reverse=True)
        chains[_chain("rt", subnet.id)] = (*(rule for r in routes for rule in _route(r, subnet)), "drop")
    return chains


def _route(route: Route, subnet: Subnet) -> list[str]:
    to = f"ip daddr {route.cidr}"
    match route.via:
        case Via.LOCAL:
            allowed = [f"{to} ip daddr @{_chain('vm', subnet.vpc)} return"]
        case Via.INTERNET:
            allowed = [f"{to} ip daddr != @private ip saddr @routable return"]
        case Via.NAT:
            allowed = [f"{to} ip daddr != @private return"]
        case Via.NOWHERE:
            allowed = []
    return [*allowed, f"{to} drop"]


def _acl_chains(acls: Mapping[str, Acl]) -> dict[str, tuple[str, ...]]:
    chains: dict[str, tuple[str, ...]] = {}
    for acl in acls.values():
        chains[_chain("no", acl.id)] = _acl(acl.egress, "daddr")
        chains[_chain("ni", acl.id)] = _acl(acl.ingress, "saddr")
    return chains


def _acl(entries: Iterable[AclEntry], side: str) -> tuple[str, ...]:
    rules = [
        f"{_what(entry.rule)}{_cidrs(entry.rule.cidrs, side)}{'return' if entry.allow else 'drop'}"
        for entry in entries
    ]
    return (*rules, "drop")


def _group_chains(groups: Mapping[str, Group], host: Host) -> dict[str, tuple[str, ...]]:
    chains: dict[str, tuple[str, ...]] = {}
    for group in groups.values():
        ingress = [text for rule in group.ingress for text in _permission(_with_host(rule, host), "saddr")]
        egress = [text for rule in group.egress for text in _permission(rule, "daddr")]
        chains[_chain("gi", group.id)] = tuple(dict.fromkeys(ingress))
        chains[_chain("go", group.id)] = tuple(dict.fromkeys(egress))
    return chains


def _with_host(rule: Rule, host: Host) -> Rule:
    """The rule with all of this machine's addresses, if one of them is allowed.

    Which of its addresses this machine uses depends on the route (towards a private address it is the
    interface's own, 169.254.0.1), and a user who allows 127.0.0.1/32 or the machine's LAN address means this
    machine. Nobody else can send from these addresses.
    """
    own = host.addresses | {GATEWAY}
    if rule.anywhere or not any(address in cidr for cidr in rule.cidrs for address in own):
        return rule
    extra = tuple(Cidr(f"{address}/32") for address in own)
    return Rule(rule.protocol, rule.low, rule.high, rule.cidrs + extra, rule.groups)


def _permission(rule: Rule, side: str) -> list[str]:
    texts = [f"{_what(rule)}ip {side} @{_chain('gm', name)} accept" for name in rule.groups]
    if rule.cidrs:
        texts.append(f"{_what(rule)}{_cidrs(rule.cidrs, side)}accept")
    return texts


def _what(rule: Rule) -> str:
    """The match for protocol and ports (or ICMP type and code)."""
    if rule.protocol is None:
        return ""
    if rule.protocol == _ICMP:
        text = "ip protocol icmp "
        if rule.low is not None:
            text = f"icmp type {rule.low:d} "
            if rule.high is not None:
                text += f"icmp code {rule.high:d} "
        return text
    if rule.protocol in (_TCP, _UDP) and rule.low is not None and rule.high is not None:
        name = "tcp" if rule.protocol == _TCP else "udp"
        if (rule.low, rule.high) == (0, 65535):
            return f"ip protocol {name} "
        ports = f"{rule.low:d}" if rule.low == rule.high else f"{rule.low:d}-{rule.high:d}"
        return f"{name} dport {ports} "
    return f"ip protocol {rule.protocol:d} "


def _cidrs(cidrs: Iterable[Cidr], side: str) -> str:
    merged = list(ipaddress.collapse_addresses(cidrs))
    if any(cidr.prefixlen == 0 for cidr in merged):
        return ""
    return f"ip {side} {{ {', '.join(str(cidr) for cidr in merged)} }} "


def _interface_chains(interfaces: Iterable[Interface]) -> dict[str, tuple[str, ...]]:
    chains: dict[str, tuple[str, ...]] = {}
    for interface in interfaces:
        chains[_chain("eo", interface.id)] = (
            *(f"jump {_chain('go', group)}" for group in interface.groups),
            "drop",
        )
        chains[_chain("ei", interface.id)] = (
            *(f"jump {_chain('gi', group)}" for group in interface.groups),
            "drop",
        )
    return chains
