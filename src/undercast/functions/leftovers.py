"""What servers left on this machine that were killed: processes, cgroups, cables, packet filters, locks.

A server that starts removes it, whosever it was. Who lives holds the lock on its life (locks.py); to remove
something of a server, one takes that lock, so a server that starts again meanwhile waits, and nothing of a
living one is ever touched. Loop devices and mounts of /tmp end with the processes that hold them.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Sequence
from pathlib import Path

from undercast.functions import cgroups, locks, netlink, packet_filter
from undercast.functions.env_network import interface_prefix, remove_cables
from undercast.functions.packet_filter import FilterUnavailable

log = logging.getLogger(__name__)

_CABLE = interface_prefix("")
_PREFIX, _SUFFIX = "functions-", ".lock"


def sweep(seconds: float = 3.0) -> list[str]:
    """Removes what dead servers left; returns their host ids.

    Processes get at most so long to end, what does not is left to the next sweep. Needs root. Several may
    sweep at a time: each of the dead is buried by one of them.
    """
    locks.RUN.mkdir(parents=True, exist_ok=True, mode=0o755)
    layout = _layout()
    candidates = _found(layout) - _with_addresses()
    with contextlib.ExitStack() as held:
        dead: list[str] = []
        for host_id in sorted(candidates):
            try:
                lock = locks.Lock(locks.life(host_id))
            except (locks.Taken, OSError):
                continue
            held.callback(lock.close)
            dead.append(host_id)
        if dead:
            log.info("removing what servers left that were killed: %s", ", ".join(dead))
            _bury(dead, layout, seconds)
        return dead


def _layout() -> cgroups.Layout | None:
    try:
        return cgroups.discover()
    except cgroups.CgroupsMissing:
        return None


def _found(layout: cgroups.Layout | None) -> set[str]:
    """Every host id that something on this machine carries."""
    found = {path.name[len(_PREFIX) : -len(_SUFFIX)] for path in _lock_files()}
    found |= {name.removeprefix(_CABLE)[:6] for _, name in socket.if_nameindex() if name.startswith(_CABLE)}
    if layout is not None:
        found |= cgroups.host_ids(layout)
    found |= _filters()
    return {host_id for host_id in found if locks.HOST_ID.fullmatch(host_id)}


def _lock_files() -> list[Path]:
    return list(locks.RUN.glob(f"{_PREFIX}*{_SUFFIX}"))


def _with_addresses() -> set[str]:
    """The servers that hold a block of addresses, a sign of life as well; blocks' files nobody holds go."""
    found: set[str] = set()
    for path in _lock_files():
        if locks.HOST_ID.fullmatch(path.name[len(_PREFIX) : -len(_SUFFIX)]):
            continue
        try:
            locks.Lock(path).close()
        except (locks.Taken, OSError):
            found.add(locks.signature(path))
    return found


def _bury(dead: Sequence[str], layout: cgroups.Layout | None, seconds: float) -> None:
    if layout is not None:
        cgroups.end([cgroups.Cgroups(host_id, layout) for host_id in dead], seconds)
    with netlink.Netlink() as route:
        remove_cables(route, [interface_prefix(host_id) for host_id in dead])
    filters = _filters().intersection(dead)
    try:
        if filters:
            packet_filter.remove(*sorted(filters))
    except FilterUnavailable as error:
        log.warning("packet filters of servers that were killed stay: %s", error)


def _filters() -> set[str]:
    with contextlib.suppress(OSError):  # a kernel without nftables
        return packet_filter.host_ids()
    return set()
