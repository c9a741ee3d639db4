"""The pool of public addresses, shared by every account and region of this machine."""

from __future__ import annotations

import ipaddress
import secrets

from undercast.services.base import AwsError
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.interfaces import KIND, everything, public_name, set_association
from undercast.services.ec2.lookup import need


class PublicAddresses:
    """Gives out addresses of the pool."""

    def __init__(self, pool: str, suffix: str) -> None:
        self._pool = ipaddress.IPv4Network(pool)
        self._suffix = suffix

    def pick(self, change: Change) -> str:
        """A free address. Raises AWS's error when there is none."""
        used = {address["PublicIp"] for address in everything(change, "elastic-ip")}
        for interface in everything(change, KIND):
            if "Association" in interface:
                used.add(interface["Association"]["PublicIp"])
        first, room = int(self._pool.network_address), self._pool.num_addresses
        begin = secrets.randbelow(room)
        for step in range(room):
            offset = (begin + step) % room
            candidate = str(ipaddress.IPv4Address(first + offset))
            # Not the first two and the last: networks have their own uses for those.
            if 2 <= offset < room - 1 and candidate not in used:
                return candidate
        raise AwsError(
            "InsufficientAddressCapacity",
            "There are not enough free addresses in the pool to satisfy the request.",
        )

    def name(self, view: Change, vpc_id: str, address: str) -> str:
        """The address's public DNS name, empty in a VPC without DNS host names."""
        vpc = need(view, "vpc", vpc_id)
        if not (vpc["_EnableDnsHostnames"] and vpc["_EnableDnsSupport"]):
            return ""
        return public_name(address, view.region, self._suffix)

    def give(self, change: Change, interface: Record) -> Record:
        """The interface with a public address for the time being."""
        address = self.pick(change)
        association = {
            "IpOwnerId": "amazon",
            "PublicDnsName": self.name(change, interface["VpcId"], address),
            "PublicIp": address,
        }
        return set_association(change, interface, association)

    def rename(self, change: Change, vpc_id: str) -> None:
        """Give all public addresses in a VPC the names they have there now."""
        for interface in change.all(KIND):
            if interface["VpcId"] != vpc_id:
                continue
            for private in interface["PrivateIpAddresses"]:
                association = private.get("Association")
                if association is None:
                    continue
                name = self.name(change, vpc_id, association["PublicIp"])
                interface = set_association(
                    change, interface, {**association, "PublicDnsName": name}, private["PrivateIpAddress"]
                )
