"""Regions and their availability zones, as AWS has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

# Letters of the zones where they are not a, b, c.
_LETTERS = {
    "us-east-1": "abcdef",
    "us-west-1": "ac",
    "us-west-2": "abcd",
    "ap-northeast-1": "acd",
    "ap-northeast-2": "abcd",
    "ca-central-1": "abd",
}

# Regions that every account has without opting in. The rest AWS shows as "opted-in" once it was done;
# nobody has to opt in to their own machine.
_ALWAYS = """
us-east-1 us-east-2 us-west-1 us-west-2 ap-south-1 ap-northeast-1 ap-northeast-2 ap-northeast-3
ap-southeast-1 ap-southeast-2 ca-central-1 eu-central-1 eu-west-1 eu-west-2 eu-west-3 eu-north-1 sa-east-1
"""
_OPT_IN = """
af-south-1 ap-east-1 ap-south-2 ap-southeast-3 ap-southeast-4 ap-southeast-5 ap-southeast-7 ca-west-1
eu-central-2 eu-south-1 eu-south-2 il-central-1 me-central-1 me-south-1 mx-central-1
"""


@dataclass(frozen=True, slots=True)
class Zone:
    """An availability zone: "us-east-1a" and its id "use1-az1"."""

    name: str
    id: str
    region: str


def regions() -> list[str]:
    """Every region's name, sorted."""
    return sorted(_ALWAYS.split() + _OPT_IN.split())


def opt_in_status(region: str) -> str:
    """As DescribeRegions tells it."""
    return "opted-in" if region in _OPT_IN.split() else "opt-in-not-required"


@cache
def zones(region: str) -> tuple[Zone, ...]:
    """The zones of a region, in order."""
    short = _short(region)
    return tuple(
        Zone(f"{region}{letter}", f"{short}-az{number}", region)
        for number, letter in enumerate(_LETTERS.get(region, "abc"), 1)
    )


def _short(region: str) -> str:
    """ "us-east-1" is use1, "ap-northeast-1" apne1, "eu-central-1" euc1."""
    area, direction, number = region.rsplit("-", 2) if region.count("-") >= 2 else (region, "", "")
    parts = re.findall("north|south|east|west|central", direction)
    return area.replace("-", "") + "".join(part[0] for part in parts) + number
