"""IP protocols by name and number, as security groups and network ACLs take them."""

from __future__ import annotations

from undercast.services.base import AwsError

ICMP, TCP, UDP, ICMPV6 = 1, 6, 17, 58
_NAMES = {"icmp": ICMP, "tcp": TCP, "udp": UDP, "icmpv6": ICMPV6}
ALL = -1


def number(protocol: str) -> int:
    """The number of a protocol given by name or number, -1 for all. Raises AWS's error."""
    text = str(protocol).lower()
    if text in _NAMES:
        return _NAMES[text]
    if text in ("-1", "all"):
        return ALL
    if text.isascii() and text.isdigit() and int(text[:4]) <= 255:
        return int(text)
    raise AwsError("InvalidParameterValue", f"Invalid value '{protocol}' for IP protocol. Unknown protocol.")


def name(protocol: int) -> str:
    """How AWS shows it: by name where security groups have one for it."""
    return next((name for name, number in _NAMES.items() if number == protocol), str(protocol))
