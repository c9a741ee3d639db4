"""The address with which a caller reaches instances: what the console's "My IP" means."""

from __future__ import annotations

import ipaddress
import socket


def towards_instances(caller: str, pool: str) -> str:
    """The source address of a caller's packets to the pool of public addresses, as security groups see it.

    A caller on this machine has the address that the machine's routes choose; any other one has its own.
    """
    address = ipaddress.ip_address(caller.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_loopback or _is_ours(address):
        return _chosen_by_routes(pool) or str(address)
    return str(address)


def _chosen_by_routes(pool: str) -> str | None:
    target = next(ipaddress.ip_network(pool).hosts())
    family = socket.AF_INET if target.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(target), 9))  # asks the routing table and sends nothing
        except OSError:
            return None  # a machine without a network
        return str(probe.getsockname()[0])


def _is_ours(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))  # the kernel lets us bind to addresses of this machine alone
        except OSError:
            return False
        return True
