"""What changes in this machine's own network (rtnetlink(7)).

Instances start and reboot at their own time, and a laptop moves from one network to the next.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Iterator

_RTMGRP_LINK, _RTMGRP_IPV4_IFADDR, _RTMGRP_IPV4_ROUTE = 0x1, 0x10, 0x40
_RTM_NEWLINK, _RTM_NEWADDR, _RTM_DELADDR, _RTM_NEWROUTE, _RTM_DELROUTE = 16, 20, 21, 24, 25
_IFLA_IFNAME = 3
_IFF_UP = 1
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_LINK = struct.Struct("=BxHiII")  # ifinfomsg


class LinkWatcher:
    """Tells, on the event loop, what changed.

    `appeared(name)` is called whenever an interface with the prefix is up or changes; after a burst that
    overran the socket it is called with "": look at all of them. `moved()` is called when this machine got or
    lost an address or a default route.
    """

    def __init__(self, prefix: str, appeared: Callable[[str], None], moved: Callable[[], None]) -> None:
        self._prefix = prefix
        self._appeared = appeared
        self._moved = moved
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Begin to listen, on the running event loop."""
        self._socket = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            socket.NETLINK_ROUTE,
        )
        self._socket.bind((0, _RTMGRP_LINK | _RTMGRP_IPV4_IFADDR | _RTMGRP_IPV4_ROUTE))
        asyncio.get_running_loop().add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Stop listening."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _readable(self) -> None:
        assert self._socket is not None
        while True:
            try:
                data = self._socket.recv(1 << 16)
            except BlockingIOError:
                return
            except OSError:  # ENOBUFS: the kernel dropped some
                self._appeared("")
                self._moved()
                return
            with contextlib.suppress(struct.error, UnicodeDecodeError):
                for name in up_links(data):
                    if name.startswith(self._prefix):
                        self._appeared(name)
                if moves(data):
                    self._moved()


def up_links(data: bytes) -> list[str]:
    """The names of the interfaces that the messages in `data` tell to be up."""
    names: list[str] = []
    for kind, body in _messages(data):
        if kind == _RTM_NEWLINK:
            _family, _type, _index, flags, _change = _LINK.unpack_from(body)
            if flags & _IFF_UP:
                names.extend(_name(body[_LINK.size :]))
    return names


def moves(data: bytes) -> bool:
    """Whether the messages in `data` tell of an address or a default route that came or went."""
    for kind, body in _messages(data):
        if kind in (_RTM_NEWADDR, _RTM_DELADDR):
            return True
        if kind in (_RTM_NEWROUTE, _RTM_DELROUTE) and len(body) > 1 and body[1] == 0:  # rtm_dst_len
            return True
    return False


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            break
        yield kind, data[at + _HEADER.size : at + length]
        at += (length + 3) & ~3


def _name(attributes: bytes) -> list[str]:
    at = 0
    while at + 4 <= len(attributes):
        length, kind = struct.unpack_from("=HH", attributes, at)
        if length < 4:
            break
        if kind == _IFLA_IFNAME:
            return [attributes[at + 4 : at + length].rstrip(b"\0").decode()]
        at += (length + 3) & ~3
    return []
