"""Ending established flows in the kernel's connection table (ctnetlink).

AWS keeps a tracked connection alive when the rule that allowed it goes, but cuts an untracked one at once:
one that a rule for any address allowed, answered by a rule for any address and port. Here the kernel tracks
every flow, so the entries of flows that AWS would not track are deleted; their next packet is judged afresh.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from undercast.network.model import Address, Desired, Group, Interface, Rule

log = logging.getLogger(__name__)

_TCP, _UDP = 6, 17


@dataclass(frozen=True, slots=True)
class Stale:
    """Flows to end: those of `address`.

    `inward` limits them to flows somebody else began (True) or the address itself (False); `rule` to a
    protocol and ports.
    """

    address: Address
    inward: bool | None = None
    rule: Rule | None = None


def stale(old: Desired, new: Desired) -> list[Stale]:
    """The flows that must end when the network goes from `old` to `new`."""
    before = {interface.id: interface for interface in old.interfaces}
    after = {interface.id: interface for interface in new.interfaces}
    found: list[Stale] = []
    for id, was in before.items():
        now = after.get(id)
        kept = set(now.addresses) if now else set()
        found.extend(Stale(address) for address in was.addresses if address not in kept)
        for private, public in was.public.items():
            if now is None or now.public.get(private) != public:
                found.append(Stale(public))
                if private in kept:
                    found.append(Stale(private, inward=False))
        if now is not None:
            found.extend(_revoked(was, old, now, new))
    return found


def _revoked(was: Interface, old: Desired, now: Interface, new: Desired) -> list[Stale]:
    groups_before = [old.groups[name] for name in was.groups]
    groups_after = [new.groups[name] for name in now.groups]
    if groups_before == groups_after:
        return []
    found: list[Stale] = []
    for inward in (True, False):
        lost = set(_rules(groups_before, inward)) - set(_rules(groups_after, inward))
        answered = any(rule.protocol is None and rule.anywhere for rule in _rules(groups_before, not inward))
        found.extend(
            Stale(address, inward, rule)
            for rule in lost
            if rule.anywhere and answered and rule.protocol in (None, _TCP, _UDP)
            for address in now.addresses
        )
    return found


def _rules(groups: Iterable[Group], inward: bool) -> list[Rule]:
    return [rule for group in groups for rule in (group.ingress if inward else group.egress)]


def end(flows: Iterable[Stale]) -> int:
    """Delete the matching entries of the connection table; returns how many. Blocking."""
    wanted: dict[str, list[Stale]] = {}
    for one in flows:
        wanted.setdefault(str(one.address), []).append(one)
    if not wanted:
        return 0
    # Not at the top: its import takes a tenth of a start, also of one without servers.
    from pyroute2.netlink.exceptions import NetlinkError
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple, NFCTSocket

    ended = 0
    with NFCTSocket() as table:
        doomed = [entry for entry in table.dump() if _matches(entry, wanted)]
        for entry in doomed:
            try:
                table.entry(
                    "del", tuple_orig=NFCTAttrTuple.from_netlink(socket.AF_INET, _tuple(entry, "ORIG"))
                )
                ended += 1
            except NetlinkError as error:
                log.debug("a flow ended by itself: %s", error)
    return ended


def _tuple(entry: Any, direction: str) -> Any:
    return entry.get_attr(f"CTA_TUPLE_{direction}")


def _matches(entry: Any, wanted: dict[str, list[Stale]]) -> bool:
    origin, reply = _tuple(entry, "ORIG"), _tuple(entry, "REPLY")
    # The addresses as each side sends them; after translation the other end stands in the reply.
    began = {origin.get_attr("CTA_TUPLE_IP").get_attr("CTA_IP_V4_SRC")}
    met = {
        origin.get_attr("CTA_TUPLE_IP").get_attr("CTA_IP_V4_DST"),
        reply.get_attr("CTA_TUPLE_IP").get_attr("CTA_IP_V4_SRC"),
    }
    seen_as = reply.get_attr("CTA_TUPLE_IP").get_attr("CTA_IP_V4_DST")
    transport = reply.get_attr("CTA_TUPLE_PROTO")
    protocol = transport.get_attr("CTA_PROTO_NUM")
    port = transport.get_attr("CTA_PROTO_SRC_PORT")
    for address in (began | met | {seen_as}) & wanted.keys():
        for one in wanted[address]:
            inward = address in met
            if one.inward is not None and one.inward is not inward:
                continue
            if one.rule is None or _concerns(one.rule, protocol, port):
                return True
    return False


def _concerns(rule: Rule, protocol: int, port: int | None) -> bool:
    if rule.protocol is None:
        return protocol in (_TCP, _UDP)
    if rule.protocol != protocol:
        return False
    return rule.low is None or rule.high is None or (port is not None and rule.low <= port <= rule.high)
