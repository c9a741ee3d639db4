"""The few rtnetlink messages that give an environment its network, packed by hand.

A library that speaks all of netlink takes longer for these than the rest of a cold start. Sources:
rtnetlink(7), netlink(7), linux/if_link.h, linux/veth.h, linux/neighbour.h,
linux/netfilter/nf_tables.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address

_REQUEST, _ACK, _CREATE, _EXCLUSIVE, _REPLACE = 0x1, 0x4, 0x400, 0x200, 0x100
_NEWLINK, _DELLINK, _SETLINK, _NEWADDR, _NEWROUTE, _NEWNEIGH = 16, 17, 19, 20, 24, 28
_ERROR = 2
_IFF_UP = 1
_IFLA_ADDRESS, _IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_NET_NS_FD = 1, 3, 18, 28
_IFLA_AF_SPEC, _IFLA_NUM_TX_QUEUES, _IFLA_NUM_RX_QUEUES = 26, 31, 32
_INET6_ADDR_GEN_MODE, _ADDR_GEN_NONE = 8, 1
_INFO_KIND, _INFO_DATA, _VETH_INFO_PEER = 1, 2, 1
_NESTED = 0x8000
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_RTA_DST, _RTA_OIF, _RTA_GATEWAY = 1, 4, 5
_NDA_DST, _NDA_LLADDR = 1, 2
_TABLE_MAIN, _PROTO_STATIC, _SCOPE_UNIVERSE, _SCOPE_LINK, _UNICAST = 254, 4, 0, 253, 1
_ONLINK = 4
_PERMANENT = 0x80
_NETFILTER, _GET_TABLES, _DUMP, _DONE = 12, 10 << 8 | 1, 0x300, 3
_NFPROTO_INET, _NFTA_TABLE_NAME = 1, 1


def _attribute(kind: int, value: bytes) -> bytes:
    padding = -len(value) % 4
    return struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * padding


def _nested(kind: int, *members: bytes) -> bytes:
    return _attribute(kind | _NESTED, b"".join(members))


def _link(index: int = 0, *, up: bool = True) -> bytes:
    """struct ifinfomsg"""
    flags = _IFF_UP if up else 0
    return struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, flags, flags)


def _hardware(address: str) -> bytes:
    return bytes.fromhex(address.replace(":", ""))


def veth(
    name: str, address: str, peer_name: str, peer_address: str, peer_namespace: int
) -> tuple[int, bytes]:
    """A pair of interfaces, the peer in the network namespace of that descriptor.

    Only the near one is up: the kernel opens the peer before it knows its partner (drivers/net/veth.c).
    """
    queues = _attribute(_IFLA_NUM_TX_QUEUES, struct.pack("=I", 1)) + _attribute(
        _IFLA_NUM_RX_QUEUES, struct.pack("=I", 1)
    )
    peer = (
        _link(up=False)
        + _attribute(_IFLA_IFNAME, peer_name.encode() + b"\0")
        + _attribute(_IFLA_ADDRESS, _hardware(peer_address))
        + _attribute(_IFLA_NET_NS_FD, struct.pack("=I", peer_namespace))
        + queues
    )
    information = _nested(
        _IFLA_LINKINFO,
        _attribute(_INFO_KIND, b"veth"),
        _nested(_INFO_DATA, _attribute(_VETH_INFO_PEER | _NESTED, peer)),
    )
    body = (
        _link()
        + _attribute(_IFLA_IFNAME, name.encode() + b"\0")
        + _attribute(_IFLA_ADDRESS, _hardware(address))
        + queues
        + information
    )
    return _NEWLINK | (_CREATE | _EXCLUSIVE) << 16, body


def without_ipv6_address(name: str) -> tuple[int, bytes]:
    """No link-local address for an interface, before its carrier is there.

    An address that comes and goes on the host with every environment is news to all that listen for such:
    browsers on this machine end their requests (ERR_NETWORK_CHANGED).
    """
    mode = _attribute(_INET6_ADDR_GEN_MODE, bytes([_ADDR_GEN_NONE]))
    head = struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0, 0, 0)
    specification = _nested(_IFLA_AF_SPEC, _nested(socket.AF_INET6, mode))
    return _SETLINK, head + _attribute(_IFLA_IFNAME, name.encode() + b"\0") + specification


def delete_link(index: int) -> tuple[int, bytes]:
    return _DELLINK, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, index, 0, 0)


def link_up(index: int) -> tuple[int, bytes]:
    return _SETLINK, _link(index)


def address(index: int, value: IPv4Address) -> tuple[int, bytes]:
    """One address, without a network around it."""
    head = struct.pack("=BBBBi", socket.AF_INET, 32, 0, _SCOPE_UNIVERSE, index)
    packed = value.packed
    return _NEWADDR | (_CREATE | _REPLACE) << 16, head + _attribute(_IFA_LOCAL, packed) + _attribute(
        _IFA_ADDRESS, packed
    )


def default_route(index: int, gateway: IPv4Address) -> tuple[int, bytes]:
    """The way to everywhere, through a gateway that is at the other end of the link whatever its address."""
    head = struct.pack(
        "=BBBBBBBBI", socket.AF_INET, 0, 0, 0, _TABLE_MAIN, _PROTO_STATIC, _SCOPE_UNIVERSE, _UNICAST, _ONLINK
    )
    route = _attribute(_RTA_GATEWAY, gateway.packed) + _attribute(_RTA_OIF, struct.pack("=i", index))
    return _NEWROUTE | (_CREATE | _REPLACE) << 16, head + route


def host_route(index: int, target: IPv4Address) -> tuple[int, bytes]:
    """The way to one address, directly at the other end of the link."""
    head = struct.pack(
        "=BBBBBBBBI", socket.AF_INET, 32, 0, 0, _TABLE_MAIN, _PROTO_STATIC, _SCOPE_LINK, _UNICAST, 0
    )
    route = _attribute(_RTA_DST, target.packed) + _attribute(_RTA_OIF, struct.pack("=i", index))
    return _NEWROUTE | (_CREATE | _REPLACE) << 16, head + route


def neighbour(index: int, target: IPv4Address, hardware: str) -> tuple[int, bytes]:
    """Who has an address, so that nobody needs to ask."""
    head = struct.pack("=BxxxiHBB", socket.AF_INET, index, _PERMANENT, 0, _UNICAST)
    body = head + _attribute(_NDA_DST, target.packed) + _attribute(_NDA_LLADDR, _hardware(hardware))
    return _NEWNEIGH | (_CREATE | _REPLACE) << 16, body


class Netlink:
    """A routing socket in the network namespace that the calling thread is in when it makes it."""

    def __init__(self, timeout: float = 5.0) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        self._socket.bind((0, 0))
        # SO_RCVTIMEO rather than settimeout: the answer is there when the request returns, no poll is needed
        seconds = struct.pack("@ll", int(timeout), 0)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, seconds)
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def index(self, name: str) -> int:
        """Number of an interface in the calling thread's namespace. Raises OSError."""
        return socket.if_nametoindex(name)

    def send(self, *messages: tuple[int, bytes]) -> None:
        """Sends requests in one go and waits for every acknowledgement.

        Raises OSError as the kernel answers.
        """
        packed = []
        for kind_and_flags, body in messages:
            self._sequence += 1
            flags = _REQUEST | _ACK | kind_and_flags >> 16
            packed.append(
                struct.pack("=IHHII", 16 + len(body), kind_and_flags & 0xFFFF, flags, self._sequence, 0)
                + body
            )
        self._socket.send(b"".join(packed))
        waiting = len(messages)
        failure = 0
        while waiting:
            answer = self._socket.recv(65536)
            while len(answer) >= 20:
                length, kind, _, _, _ = struct.unpack_from("=IHHII", answer)
                if kind == _ERROR:
                    waiting -= 1
                    failure = failure or -struct.unpack_from("=i", answer, 16)[0]
                answer = answer[(length + 3) & ~3 :]
        if failure:
            raise OSError(failure, os.strerror(failure))

    def close(self) -> None:
        self._socket.close()


def inet_tables(timeout: float = 5.0) -> list[str]:
    """Names of the nftables tables of family inet in the calling thread's namespace. Raises OSError.

    To ask `nft` costs a process, half a second of one on a busy machine.
    """
    found: list[str] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETFILTER) as asking:
        asking.settimeout(timeout)
        asking.bind((0, 0))
        asking.send(struct.pack("=IHHIIBBH", 20, _GET_TABLES, _REQUEST | _DUMP, 1, 0, _NFPROTO_INET, 0, 0))
        while True:
            answer = asking.recv(65536)
            while len(answer) >= 16:
                length, kind = struct.unpack_from("=IH", answer)
                if kind == _DONE:
                    return found
                if kind == _ERROR:
                    failure = -struct.unpack_from("=i", answer, 16)[0]
                    raise OSError(failure, os.strerror(failure))
                found.extend(_strings(answer[20:length], _NFTA_TABLE_NAME))
                answer = answer[(length + 3) & ~3 :]


def _strings(attributes: bytes, wanted: int) -> Iterator[str]:
    """The values of one kind of attribute."""
    while len(attributes) >= 4:
        size, kind = struct.unpack_from("=HH", attributes)
        if kind == wanted:
            yield attributes[4:size].rstrip(b"\0").decode()
        attributes = attributes[(size + 3) & ~3 :]
