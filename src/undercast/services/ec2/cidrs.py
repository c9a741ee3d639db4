"""CIDR blocks as callers write them."""

from __future__ import annotations

import ipaddress

from undercast.services.base import AwsError
from undercast.services.ec2.lookup import invalid

RESERVED = 4  # first addresses of a subnet: network, router, resolver, future use; the last one as well


def parse(text: str, parameter: str) -> ipaddress.IPv4Network:
    """The block in its canonical form, as AWS keeps it. Raises AWS's error."""
    if "/" in text:
        try:
            return ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            pass
    raise invalid(parameter, text, "This is not a valid CIDR block.")


def sized(text: str, parameter: str, code: str) -> ipaddress.IPv4Network:
    """A block for a VPC or a subnet: between /16 and /28."""
    block = parse(text, parameter)
    if not 16 <= block.prefixlen <= 28:
        raise AwsError(code, f"The CIDR '{text}' is invalid.")
    return block


def usable(block: ipaddress.IPv4Network, address: ipaddress.IPv4Address) -> bool:
    """Whether AWS gives the address of a subnet to interfaces."""
    offset = int(address) - int(block.network_address)
    return RESERVED <= offset < block.num_addresses - 1
