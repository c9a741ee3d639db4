"""The rules of security groups: as callers give them, as they are kept, as they are shown."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from undercast.services.base import AwsError, Params
from undercast.services.ec2 import protocols
from undercast.services.ec2.default_network import default_vpc
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.lookup import need

# The members of a rule that say who the other side is.
OTHER_SIDES = ("CidrIpv4", "CidrIpv6", "PrefixListId", "ReferencedGroupInfo")

_DESCRIPTION = re.compile(r"^[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}$")


@dataclass(frozen=True, slots=True)
class Permission:
    """One rule before it has an id: one protocol and port range, one other side."""

    protocol: str
    ports: tuple[int, int]
    side: str  # one of OTHER_SIDES
    other: Any
    description: str | None = field(default=None, compare=False)

    @property
    def identity(self) -> tuple[Any, ...]:
        """What makes two rules the same; descriptions do not count."""
        other = self.other["GroupId"] if self.side == "ReferencedGroupInfo" else self.other
        return (self.protocol, *self.ports, self.side, other)

    def members(self) -> Record:
        """The members of a rule's record that it fills."""
        described = {"Description": self.description} if self.description is not None else {}
        return {self.side: self.other, **described}

    def shown(self) -> str:
        """How AWS's messages describe it."""
        peer = self.other["GroupId"] if self.side == "ReferencedGroupInfo" else self.other
        name = "ALL" if self.protocol == "-1" else self.protocol.upper()
        if self.protocol in ("tcp", "udp"):
            ports = f", from port: {self.ports[0]}, to port: {self.ports[1]}"
        elif self.protocol.startswith("icmp"):
            ports = f", type: {_any(self.ports[0])}, code: {_any(self.ports[1])}"
        else:
            ports = ""
        return f"peer: {peer}, {name}{ports}, ALLOW"


def _any(number: int) -> str:
    return "ALL" if number == -1 else str(number)


def of_rule(rule: Record) -> Permission:
    """The permission a rule's record stands for."""
    side = next(name for name in OTHER_SIDES if name in rule)
    return Permission(
        rule["IpProtocol"], (rule["FromPort"], rule["ToPort"]), side, rule[side], rule.get("Description")
    )


def given(view: Change, params: Params, vpc_id: str) -> list[Permission]:
    """The permissions of an Authorize, Revoke or Update request. Raises AWS's errors."""
    blocks = list(params.get("IpPermissions") or [])
    if not blocks and (params.get("IpProtocol") or params.get("SourceSecurityGroupName")):
        blocks = [_old_style(params)]
    if not blocks:
        raise AwsError(
            "MissingParameter", "Either 'ipPermissions' or 'securityGroupRuleIds' should be provided."
        )
    found = [permission for block in blocks for permission in _of_block(view, block, vpc_id)]
    identities = [permission.identity for permission in found]
    if len(set(identities)) != len(identities):
        raise AwsError("InvalidParameterValue", "The same permission must not appear multiple times")
    return found


def _old_style(params: Params) -> Record:
    """The single permission that stands beside IpPermissions in the oldest form of the request."""
    block: Record = {name: params.get(name) for name in ("IpProtocol", "FromPort", "ToPort")}
    if params.get("CidrIp"):
        block["IpRanges"] = [{"CidrIp": params["CidrIp"]}]
    if params.get("SourceSecurityGroupName"):
        block["UserIdGroupPairs"] = [{"GroupName": params["SourceSecurityGroupName"]}]
        if not block["IpProtocol"]:
            block["IpProtocol"] = "-1"
    return block


def _of_block(view: Change, block: Record, vpc_id: str) -> list[Permission]:
    protocol, ports = protocol_and_ports(block.get("IpProtocol"), block.get("FromPort"), block.get("ToPort"))
    sides: list[tuple[str, Any, str | None]] = [
        *(("CidrIpv4", cidr_v4(r.get("CidrIp")), r.get("Description")) for r in block.get("IpRanges") or []),
        *(
            ("CidrIpv6", cidr_v6(r.get("CidrIpv6")), r.get("Description"))
            for r in block.get("Ipv6Ranges") or []
        ),
        *(
            (
                "PrefixListId",
                need(view, "prefix-list", r.get("PrefixListId"))["PrefixListId"],
                r.get("Description"),
            )
            for r in block.get("PrefixListIds") or []
        ),
        *(
            ("ReferencedGroupInfo", referenced(view, r, vpc_id), r.get("Description"))
            for r in block.get("UserIdGroupPairs") or []
        ),
    ]
    if not sides:
        raise AwsError(
            "MissingParameter",
            "Missing source specification: include source security group or CIDR information",
        )
    return [
        Permission(protocol, ports, side, other, checked_description(description))
        for side, other, description in sides
    ]


def protocol_and_ports(
    protocol: str | None, low: int | None, high: int | None
) -> tuple[str, tuple[int, int]]:
    """Protocol and ports as AWS keeps them. Raises AWS's errors."""
    if protocol is None:
        raise AwsError("MissingParameter", "The request must contain the parameter ipProtocol")
    known = protocols.number(protocol)
    name = protocols.name(known)
    if known in (protocols.TCP, protocols.UDP):
        if low is None or high is None:
            raise AwsError(
                "InvalidParameterValue",
                "Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.",
            )
        for port in (low, high):
            if not 0 <= port <= 65535:
                raise AwsError("InvalidParameterValue", f"TCP/UDP port ({port}) out of range")
        if low > high:
            raise AwsError("InvalidParameterValue", f"Invalid TCP/UDP port range ({low}:{high})")
        return name, (low, high)
    if known in (protocols.ICMP, protocols.ICMPV6):
        kind, code = (-1 if low is None else low), (-1 if high is None else high)
        if not -1 <= kind <= 255 or not -1 <= code <= 255:
            raise AwsError("InvalidParameterValue", f"Invalid ICMP type/code ({kind}/{code})")
        if kind == -1 and code != -1:
            raise AwsError(
                "InvalidParameterValue", f"ICMP code ({code}) must be -1 if ICMP type is -1 (all types)"
            )
        return name, (kind, code)
    return name, (-1, -1)


def cidr_v4(text: str | None) -> str:
    """A canonical IPv4 block. Raises AWS's error."""
    try:
        if text and "/" in text:
            return str(ipaddress.IPv4Network(text, strict=False))
    except ValueError:
        pass
    raise AwsError("InvalidParameterValue", f"CIDR block {text} is malformed")


def cidr_v6(text: str | None) -> str:
    """A canonical IPv6 block. Raises AWS's error."""
    try:
        if text and "/" in text:
            return str(ipaddress.IPv6Network(text, strict=False))
    except ValueError:
        pass
    raise AwsError("InvalidParameterValue", f"CIDR block {text} is malformed")


def referenced(view: Change, pair: Record, vpc_id: str) -> Record:
    """The group a rule refers to, as the rule keeps it. Raises AWS's errors."""
    if pair.get("GroupId"):
        group = need(view, "security-group", pair["GroupId"])
    else:
        group = named(view, pair.get("GroupName"))
    if group["VpcId"] != vpc_id:
        raise AwsError(
            "InvalidGroup.NotFound", "You have specified two resources that belong to different networks."
        )
    return {"GroupId": group["GroupId"], "UserId": group["OwnerId"]}


def named(view: Change, name: str | None) -> Record:
    """The group of that name in the default VPC: names alone work nowhere else."""
    if not name:
        raise AwsError("MissingParameter", "The request must contain the parameter GroupName or GroupId")
    vpc = default_vpc(view)
    if vpc is None:
        raise AwsError("VPCIdNotSpecified", "No default VPC for this user.")
    for group in view.all("security-group"):
        if group["VpcId"] == vpc["VpcId"] and group["GroupName"] == name:
            return group
    raise AwsError(
        "InvalidGroup.NotFound",
        f"The security group '{name}' does not exist in default VPC '{vpc['VpcId']}'",
    )


def checked_description(text: str | None) -> str | None:
    """A rule's description. Raises AWS's error."""
    if text is not None and not _DESCRIPTION.match(text):
        raise AwsError(
            "InvalidParameterValue",
            "Invalid rule description. Valid descriptions are strings less than 256 characters from the "
            "following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )
    return text


def shown_as_blocks(rules: Iterable[Record]) -> list[Record]:
    """Rules as DescribeSecurityGroups shows them: put together by protocol and ports."""
    blocks: dict[tuple[Any, ...], Record] = {}
    for rule in rules:
        key = (rule["IpProtocol"], rule["FromPort"], rule["ToPort"])
        block = blocks.get(key)
        if block is None:
            block = {"IpProtocol": rule["IpProtocol"]}
            if rule["IpProtocol"] in ("tcp", "udp", "icmp", "icmpv6"):
                block |= {"FromPort": rule["FromPort"], "ToPort": rule["ToPort"]}
            block |= {"UserIdGroupPairs": [], "IpRanges": [], "Ipv6Ranges": [], "PrefixListIds": []}
            blocks[key] = block
        described = {"Description": rule["Description"]} if rule.get("Description") is not None else {}
        if "CidrIpv4" in rule:
            block["IpRanges"].append({"CidrIp": rule["CidrIpv4"], **described})
        elif "CidrIpv6" in rule:
            block["Ipv6Ranges"].append({"CidrIpv6": rule["CidrIpv6"], **described})
        elif "PrefixListId" in rule:
            block["PrefixListIds"].append({"PrefixListId": rule["PrefixListId"], **described})
        else:
            block["UserIdGroupPairs"].append({**rule["ReferencedGroupInfo"], **described})
    return list(blocks.values())
