"""Interfaces as they appear on this machine (rtnetlink(7)): instances start and reboot at their own time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable

_RTMGRP_LINK = 1
_RTM_NEWLINK = 16
_IFLA_IFNAME = 3
_IFF_UP = 1
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_LINK = struct.Struct("=BxHiII")  # ifinfomsg


class LinkWatcher:
    """Calls `appeared(name)` on the event loop whenever an interface with the prefix is up or changes.

    After a burst that overran the socket `appeared("")` is called: look at all of them.
    """

    def __init__(self, prefix: str, appeared: Callable[[str], None]) -> None:
        self._prefix = prefix
        self._appeared = appeared
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Begin to listen, on the running event loop."""
        self._socket = socket.socket(
            socket.AF_NETLINK,
            socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC,
            socket.NETLINK_ROUTE,
        )
        self._socket.bind((0, _RTMGRP_LINK))
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
                return
            with contextlib.suppress(struct.error, UnicodeDecodeError):
                for name in up_links(data):
                    if name.startswith(self._prefix):
                        self._appeared(name)


def up_links(data: bytes) -> list[str]:
    """The names of the interfaces that the messages in `data` tell to be up."""
    names: list[str] = []
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, *_ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            break
        if kind == _RTM_NEWLINK:
            _family, _type, _index, flags, _change = _LINK.unpack_from(data, at + _HEADER.size)
            if flags & _IFF_UP:
                names.extend(_name(data[at + _HEADER.size + _LINK.size : at + length]))
        at += (length + 3) & ~3
    return names


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
