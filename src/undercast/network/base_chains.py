"""The fixed part of the packet filter: where packets are looked at, and what holds for all of them."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from undercast.network.model import VIF_PREFIX, Address, Cidr

METADATA = "169.254.169.254"
RESOLVER = "169.254.169.253"
GATEWAY = ipaddress.IPv4Address("169.254.0.1")  # the host's end of every routed interface

# Function environments of this machine: the prefix of their interfaces, and their addresses.
FUNCTIONS, FUNCTIONS_SPACE = "uf", "198.19.0.0/16"

CONNECTIONS = 64  # an instance's to the services of this machine, at one time

BASE = {
    "guard": "type filter hook prerouting priority raw; policy accept;",
    "sent": "type filter hook prerouting priority -150; policy accept;",
    "translate": "type nat hook prerouting priority dstnat; policy accept;",
    "translate_host": "type nat hook output priority -100; policy accept;",
    "host": "type filter hook input priority filter; policy accept;",
    "forwarded": "type filter hook forward priority filter; policy accept;",
    # Before the functions' own table, which would have them masquerade.
    "sources": "type nat hook postrouting priority srcnat - 1; policy accept;",
    "received": "type filter hook postrouting priority 150; policy accept;",
}


@dataclass(frozen=True, slots=True)
class Host:
    """What the rules have to know of this machine.

    `node` is the link-local address on which the metadata service, the resolver and (at `door_port`) the API
    listen, at the ports given; `api_ports` are those under which instances reach the API (none: not at all).
    `pool_on_lan` says that public addresses are the surrounding network's own.
    """

    table: str
    vif_prefix: str
    node: Address
    metadata_port: int
    resolver_port: int
    door_port: int
    api_ports: tuple[int, ...]
    pool: Cidr
    pool_on_lan: bool
    uplinks: tuple[str, ...]
    addresses: frozenset[Address]


def base_chains(host: Host) -> dict[str, tuple[str, ...]]:
    """The rules of the base chains. What they look up are the sets and maps `filter` fills."""
    ours, others = f'iifname "{host.vif_prefix}*"', f'iifname != "{host.vif_prefix}*"'
    to_ours = f'oifname "{host.vif_prefix}*"'
    uplinks = "{ " + ", ".join(f'"{name}"' for name in host.uplinks) + " }" if host.uplinks else '"none"'
    dns = "meta l4proto { tcp, udp } th dport 53"
    services = f"{{ {', '.join(str(port) for port in (80, *host.api_ports))} }}"
    guard = [
        f"{ours} meta nfproto != ipv4 drop",
        f"{ours} iifname . ether saddr . ip saddr != @bound drop",
        # Private addresses are nobody's business on other interfaces, in either direction.
        f'{others} iifname != "lo" ip saddr @private drop',
        f'{others} iifname != "lo" ip daddr @private drop',
        f'{others} iifname != "lo" ip daddr {host.node} drop',
    ]
    if not host.pool_on_lan:
        # Not those of other servers' instances, which may run while their server is down, and of functions.
        guard.append(
            f'iifname != "{VIF_PREFIX}*" iifname != "{FUNCTIONS}*" iifname != "lo" ip daddr {host.pool} drop'
        )
    sent = [
        f"{others} accept",
        f"ip daddr {METADATA} tcp dport {services} accept",
        f"iifname . ip daddr @resolvers {dns} accept",
        # The host's end of the interface: answers only.
        "ip daddr 169.254.0.0/16 ct state established,related ct direction reply accept",
        "ip daddr 169.254.0.0/16 drop",
        "iifname vmap @acl_out",
        # This machine reaches private addresses without a gateway, as over a line of its own.
        "ct direction reply ct state established,related ct status & dnat == 0 fib daddr type local accept",
        "iifname vmap @routes",
        "ct state established,related accept",
        "ct state invalid drop",
        "iifname vmap @egress",
        "drop",
    ]
    translate = [
        f"{ours} ip daddr {METADATA} tcp dport 80 dnat ip to {host.node}:{host.metadata_port}",
        f"{ours} iifname . ip daddr @resolvers udp dport 53 dnat ip to {host.node}:{host.resolver_port}",
        f"{ours} iifname . ip daddr @resolvers tcp dport 53 dnat ip to {host.node}:{host.resolver_port}",
        "dnat ip to ip daddr map @public_in",
    ]
    for port in host.api_ports:
        door = f"tcp dport {port} dnat ip to {host.node}:{host.door_port}"
        translate.insert(1, f"{ours} ip daddr {METADATA} {door}")
    listening = (host.metadata_port, host.resolver_port, *((host.door_port,) if host.api_ports else ()))
    ports = f"{{ {', '.join(str(port) for port in listening)} }}"
    return {
        "guard": tuple(guard),
        "sent": tuple(sent),
        "translate": tuple(translate),
        "translate_host": ("dnat ip to ip daddr map @public_in",),
        "host": (
            f"{others} accept",
            # No instance may use up the descriptors that all others need here.
            f"ip daddr {host.node} meta l4proto tcp ct state new "
            f"add @connections {{ ip saddr ct count over {CONNECTIONS} }} drop",
            f"ip daddr {host.node} tcp dport {ports} accept",
            f"ip daddr {host.node} udp dport {host.resolver_port} accept",
            "ct state established ct direction reply accept",
            "ct state related accept",
            "drop",
        ),
        "forwarded": (
            f"{ours} {to_ours} accept",
            f"{ours} oifname {uplinks} accept",
            f'{ours} oifname "{FUNCTIONS}*" ct state established,related accept',
            f"{ours} drop",
            f"{to_ours} iifname {uplinks} accept",
            f'{to_ours} iifname "{FUNCTIONS}*" ct status dnat accept',
            f"{to_ours} drop",
        ),
        "sources": _sources(host, uplinks, to_ours),
        "received": (
            f'oifname != "{host.vif_prefix}*" accept',
            "meta nfproto != ipv4 drop",
            f"ct direction reply ct status dnat ip saddr {METADATA} accept",
            "ct direction reply ct status dnat oifname . ip saddr @resolvers accept",
            "oifname vmap @acl_in",
            "ct state established,related accept",
            "ct state invalid drop",
            "oifname vmap @ingress",
            "drop",
        ),
    }


def _sources(host: Host, uplinks: str, to_ours: str) -> tuple[str, ...]:
    # Between instances a public destination is seen to come from the sender's own public address.
    # A function comes from the pool as well, and not from an address that means this machine.
    functions = host.pool.network_address + 1
    rules = [
        f"ip saddr @private {to_ours} ct status dnat snat ip to ip saddr map @public_out",
        f"ip saddr {FUNCTIONS_SPACE} {to_ours} snat ip to {functions}",
    ]
    if host.pool_on_lan:
        rules.append(f"ip saddr @private oifname {uplinks} snat ip to ip saddr map @public_out")
    rules.append(f"ip saddr @private oifname {uplinks} masquerade")
    return tuple(rules)
