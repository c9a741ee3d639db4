"""The network of one environment: a namespace, a cable to the host, one address, two listeners inside.

Environments have addresses of a block that belongs to this server alone. Each is alone on its cable: the
other end is a gateway with a link-local address that exists only as a permanent neighbour entry, so no
address of the host is spent and none can be asked for. What may be reached through it is decided by
`packet_filter.py`.

A namespace is held by descriptors only. When the last is closed and the last process inside has ended, the
kernel removes it with the cable and its routes: nothing can be left behind.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from undercast.functions import locks, netlink
from undercast.functions.inside import kernel

SPACE = IPv4Network(
    "198.19.0.0/16"
)  # RFC 2544, never routed; its lower half is the default pool of public addresses
BLOCK_BITS = 21
GATEWAY = IPv4Address("169.254.76.1")
RUNTIME_API = ("127.0.0.1", 9001)
AWS_GATEWAY = ("127.0.0.1", 4566)
_HOST_SIDE, _INSIDE = "02:75:63:00:00:01", "02:75:63:00:00:02"
_HAS_IPV6 = Path("/proc/sys/net/ipv6").is_dir()


class NoAddresses(Exception):
    """Every address of the block, or every block of the machine, is in use."""


def interface_prefix(host_id: str) -> str:
    """What the host's end of every cable of this server is called; a number follows."""
    return f"uf{host_id}"


@dataclass(slots=True)
class Network:
    """One environment's network, before and while a sandbox uses it."""

    number: int
    namespace: int
    """Descriptor to enter it by."""
    runtime_api: socket.socket
    gateway: socket.socket
    address: IPv4Address | None
    """Address that its packets leave the cable with, None without egress."""

    def close(self) -> None:
        """Lets go of it; the kernel removes the rest. Idempotent."""
        if self.namespace >= 0:
            os.close(self.namespace)
            self.namespace = -1
        self.runtime_api.close()
        self.gateway.close()


class AddressBlock:
    """A part of SPACE that no other server on this machine uses, held by a lock while this process lives."""

    def __init__(self, host_id: str) -> None:
        """Raises NoAddresses, OSError."""
        locks.RUN.mkdir(parents=True, exist_ok=True, mode=0o755)
        blocks = list(SPACE.subnets(new_prefix=BLOCK_BITS))
        first = int(host_id, 16) % len(blocks)
        for block in blocks[first:] + blocks[:first]:
            name = str(block).replace("/", "-")
            try:
                self._lock = locks.Lock(locks.RUN / f"functions-{name}.lock", host_id)
            except locks.Taken:
                continue
            self.network = block
            return
        raise NoAddresses(f"all {len(blocks)} blocks of {SPACE} are in use by other servers on this machine")

    def address(self, number: int) -> IPv4Address:
        """The address with this number, counted from 1."""
        if not 0 < number < self.network.num_addresses - 1:
            raise NoAddresses(f"all addresses of {self.network} are in use")
        return self.network[number]

    def close(self) -> None:
        """Lets others have the block. Idempotent."""
        self._lock.close()


def _listen(address: tuple[str, int]) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    listener.bind(address)
    listener.listen(128)
    return listener


class Networks:
    """Makes networks.

    One thread at a time: making one moves the calling thread to another namespace and back.
    """

    def __init__(self, host_id: str, block: AddressBlock | None) -> None:
        self._prefix = interface_prefix(host_id)
        self._block = block
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._netlink = netlink.Netlink()

    def new(self, number: int) -> Network:
        """A fresh network. Raises OSError, NoAddresses."""
        kernel.unshare(kernel.CLONE_NEWNET)
        try:
            namespace = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            inside = netlink.Netlink()
            inside.send(netlink.link_up(1))
            runtime_api, gateway = _listen(RUNTIME_API), _listen(AWS_GATEWAY)
        except BaseException:
            kernel.setns(self._home, kernel.CLONE_NEWNET)
            raise
        with inside:
            address = None
            try:
                if self._block is not None:
                    address = self._block.address(number)
                    self._connect(number, address, namespace, inside)
            except BaseException:
                kernel.setns(self._home, kernel.CLONE_NEWNET)
                Network(number, namespace, runtime_api, gateway, None).close()
                raise
        kernel.setns(self._home, kernel.CLONE_NEWNET)
        return Network(number, namespace, runtime_api, gateway, address)

    def _connect(self, number: int, address: IPv4Address, namespace: int, inside: netlink.Netlink) -> None:
        """Lays the cable. `self._netlink` belongs to the host's namespace wherever this thread is."""
        name = f"{self._prefix}{number:x}"
        cable = netlink.veth(name, _HOST_SIDE, "eth0", _INSIDE, namespace)
        self._netlink.send(cable, *([netlink.without_ipv6_address(name)] if _HAS_IPV6 else []))
        index = inside.index("eth0")
        inside.send(
            netlink.link_up(index),
            netlink.address(index, address),
            netlink.neighbour(index, GATEWAY, _HOST_SIDE),
            netlink.default_route(index, GATEWAY),
        )
        kernel.setns(self._home, kernel.CLONE_NEWNET)
        outer = self._netlink.index(name)
        self._netlink.send(netlink.host_route(outer, address), netlink.neighbour(outer, address, _INSIDE))

    def sweep(self) -> None:
        """Removes cables of an earlier run whose environments have not ended yet."""
        remove_cables(self._netlink, [self._prefix])

    def close(self) -> None:
        self._netlink.close()
        os.close(self._home)


def remove_cables(route: netlink.Netlink, prefixes: Sequence[str]) -> None:
    """Removes cables whose names begin so. The kernel does when environments end, in its own time."""
    for index, name in socket.if_nameindex():
        if name.startswith(tuple(prefixes)):
            with contextlib.suppress(OSError):  # gone meanwhile
                route.send(netlink.delete_link(index))
