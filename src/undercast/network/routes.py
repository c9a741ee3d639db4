"""This machine's routes and addresses, and the few of them that instances need (rtnetlink through pyroute2).

Everything here blocks for a moment and is called from the network's own thread.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import logging
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path

from undercast.network.model import VIF_PREFIX, Address, Cidr

log = logging.getLogger(__name__)

_METRIC = 128
_TABLE = Path("/proc/thread-self/net/route")
_PROXY = 8  # NTF_PROXY
_PERMANENT = 0x80  # NUD_PERMANENT
_SETTINGS = Path("/proc/sys/net/ipv4/conf")


class Routes:
    """The kernel's routing, as far as instances are concerned."""

    def __init__(self, vif_prefix: str) -> None:
        self._prefix = vif_prefix
        # Here and below, not at the top: its import takes a tenth of a start, also of one without servers.
        from pyroute2 import IPRoute

        self._ip = IPRoute()
        self._forwarding_was: dict[str, str] = {}

    def close(self) -> None:
        """Release the socket; routes and addresses stay."""
        self._ip.close()

    # -- what is there

    def vifs(self) -> list[str]:
        """The instances' interfaces that exist now."""
        return [name for _, name in socket.if_nameindex() if name.startswith(self._prefix)]

    def uplinks(self) -> tuple[str, ...]:
        """The interfaces that lead to the world: those with a default route."""
        return tuple(sorted({device for device, cidr in table() if cidr.prefixlen == 0}))

    def addresses(self) -> frozenset[Address]:
        """This machine's own IPv4 addresses."""
        return frozenset(
            ipaddress.IPv4Address(found.get_attr("IFA_LOCAL"))
            for found in self._ip.get_addr(family=socket.AF_INET)
        )

    def clash(self, wanted: Cidr) -> str | None:
        """Which route of this machine overlaps `wanted`, or None. Routes to instances do not count."""
        for device, there in table():
            if there.prefixlen == 0 or not there.overlaps(wanted) or device.startswith(VIF_PREFIX):
                continue
            if device == "lo" and there == wanted:
                continue  # our own from before
            return f"{wanted} overlaps {there}, which this machine reaches through {device}"
        return None

    # -- what we make

    def open(self, node: Address, pool: Cidr, pool_on_lan: bool) -> None:
        """Give this machine the link-local address of its services, and keep the pool here."""
        with _already():
            self._ip.addr("add", index=1, address=str(node), prefixlen=32, scope=254)
        if not pool_on_lan:
            # A route, not an address: nothing on this machine answers for public addresses nobody has.
            self._ip.route("replace", dst=str(pool), oif=1, scope=253)
        for name in self.uplinks():
            self._forward(name)

    def shut(self, node: Address, pool: Cidr, pool_on_lan: bool) -> None:
        """Undo `open`."""
        with _missing():
            self._ip.addr("del", index=1, address=str(node), prefixlen=32)
        if not pool_on_lan:
            with _missing():
                self._ip.route("del", dst=str(pool), oif=1, scope=253)
        for name, before in self._forwarding_was.items():
            self._set(name, "forwarding", before)
        self._forwarding_was.clear()

    def connect(self, vif: str, mac: str, addresses: Iterable[Address]) -> None:
        """Route the addresses to an instance's interface. One that has gone meanwhile is no error."""
        index = socket_index(vif)
        if index is None:
            return
        # Who may send from which address is the packet filter's to say; a strict rp_filter would forbid an
        # instance with two interfaces to answer through its first.
        for key, value in (
            ("forwarding", "1"),
            ("accept_redirects", "0"),
            ("send_redirects", "0"),
            ("rp_filter", "2"),
        ):
            self._set(vif, key, value)
        wanted = {str(address) for address in addresses}
        there = {
            str(cidr.network_address) for device, cidr in table() if device == vif and cidr.prefixlen == 32
        }
        for address in sorted(wanted - there):
            with _missing():
                # A metric of its own: Incus adds a route to the first address without one, a moment later,
                # and fails when it finds its own route there.
                self._ip.route("replace", dst=f"{address}/32", oif=index, scope=253, priority=_METRIC)
        for address in sorted(wanted):
            with _missing():
                # Known, not asked for: a question (arp(7)) that comes before the instance can answer is asked
                # again after a second only, and no instance can answer for another's address.
                self._ip.neigh("replace", dst=address, lladdr=mac, ifindex=index, state=_PERMANENT)
        for address in sorted(there - wanted):
            with _missing():
                self._ip.route("del", dst=f"{address}/32", oif=index, scope=253)
            with _missing():
                self._ip.neigh("del", dst=address, ifindex=index)

    def answer_for(self, public: Iterable[Address], known: Iterable[Address]) -> None:
        """On a pool from the surrounding network: answer ARP for the addresses in use, and no others.

        The kernel answers for a neighbour it reaches through another interface (proxy entries, arp(7)).
        """
        wanted, before = {str(a) for a in public}, {str(a) for a in known}
        indexes = [index for name in self.uplinks() if (index := socket_index(name)) is not None]
        for address in sorted(wanted):
            self._ip.route("replace", dst=f"{address}/32", oif=1, scope=253)
            for index in indexes:
                with _already():
                    self._ip.neigh("add", dst=address, ifindex=index, flags=_PROXY)
        for address in sorted(before - wanted):
            with _missing():
                self._ip.route("del", dst=f"{address}/32", oif=1, scope=253)
            for index in indexes:
                with _missing():
                    self._ip.neigh("del", dst=address, ifindex=index, flags=_PROXY)

    def _forward(self, name: str) -> None:
        path = _SETTINGS / name / "forwarding"
        before = path.read_text().strip()
        if before != "1":
            self._forwarding_was[name] = before
            self._set(name, "forwarding", "1")

    @staticmethod
    def _set(name: str, key: str, value: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (_SETTINGS / name / key).write_text(value)


def table() -> list[tuple[str, Cidr]]:
    """The routes of the main table: interface and destination.

    From the kernel's own text (proc(5), /proc/net/route): a netlink dump takes a hundred times as long to
    decode, and this is read at every change. It is the thread's own, as are the namespaces it may live in.
    """
    found = []
    for line in _TABLE.read_text().splitlines()[1:]:
        device, destination, _gateway, _flags, _ref, _use, _metric, mask, *_ = line.split()
        prefix = int(mask, 16).bit_count()
        found.append((device, Cidr((socket.ntohl(int(destination, 16)), prefix))))
    return found


def socket_index(name: str) -> int | None:
    """The index of an interface, or None when there is none of that name."""
    try:
        return socket.if_nametoindex(name)
    except OSError:
        return None


@contextlib.contextmanager
def _tolerating(*codes: int) -> Iterator[None]:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        if error.code not in codes:
            raise


def _already() -> contextlib.AbstractContextManager[None]:
    return _tolerating(errno.EEXIST)


def _missing() -> contextlib.AbstractContextManager[None]:
    return _tolerating(errno.ENOENT, errno.ESRCH, errno.ENODEV, errno.EADDRNOTAVAIL, errno.ENETDOWN)
