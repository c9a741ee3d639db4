"""Resource ids: how AWS forms them, and which kind of resource an id names."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from undercast.services.base import AwsError


@dataclass(frozen=True, slots=True)
class Naming:
    """How ids of one kind look and what AWS answers to a bad one. `{}` in `missing` is the id."""

    prefix: str
    not_found: str  # error code
    missing: str  # its message
    malformed: str  # error code

    def plural(self, ids: list[str]) -> str:
        """The message for several missing ids, as AWS words it."""
        if len(ids) == 1:
            return self.missing.format(ids[0])
        text = self.missing.replace(" ID '", " IDs '").replace(" id '", " ids '")
        return text.format(", ".join(ids)).replace("does not exist", "do not exist")


def _usual(prefix: str, word: str, code: str) -> Naming:
    return Naming(prefix, f"{code}.NotFound", f"The {word} ID '{{}}' does not exist", f"{code}.Malformed")


NAMES: dict[str, Naming] = {
    "instance": _usual("i", "instance", "InvalidInstanceID"),
    "volume": Naming(
        "vol", "InvalidVolume.NotFound", "The volume '{}' does not exist.", "InvalidVolumeID.Malformed"
    ),
    "snapshot": Naming(
        "snap", "InvalidSnapshot.NotFound", "The snapshot '{}' does not exist.", "InvalidSnapshotID.Malformed"
    ),
    "image": Naming(
        "ami", "InvalidAMIID.NotFound", "The image id '[{}]' does not exist", "InvalidAMIID.Malformed"
    ),
    "key-pair": Naming(
        "key", "InvalidKeyPair.NotFound", "The key pair ID '{}' does not exist", "InvalidKeyPair.Format"
    ),
    "reservation": _usual("r", "reservation", "InvalidReservationID"),
    "launch-template": Naming(
        "lt",
        "InvalidLaunchTemplateId.NotFound",
        "The specified launch template, with template ID {}, does not exist.",
        "InvalidLaunchTemplateId.Malformed",
    ),
    "spot-instances-request": _usual("sir", "spot instance request", "InvalidSpotInstanceRequestID"),
    "placement-group": Naming(
        "pg",
        "InvalidPlacementGroup.Unknown",
        "The Placement Group '{}' is unknown.",
        "InvalidPlacementGroupId.Malformed",
    ),
    "vpc": _usual("vpc", "vpc", "InvalidVpcID"),
    "subnet": _usual("subnet", "subnet", "InvalidSubnetID"),
    "security-group": Naming(
        "sg", "InvalidGroup.NotFound", "The security group '{}' does not exist", "InvalidGroupId.Malformed"
    ),
    "security-group-rule": _usual("sgr", "security group rule", "InvalidSecurityGroupRuleId"),
    "route-table": _usual("rtb", "routeTable", "InvalidRouteTableID"),
    "internet-gateway": _usual("igw", "internetGateway", "InvalidInternetGatewayID"),
    "natgateway": Naming(
        "nat", "NatGatewayNotFound", "The Nat Gateway {} was not found", "NatGatewayMalformed"
    ),
    "network-acl": _usual("acl", "networkAcl", "InvalidNetworkAclID"),
    "network-interface": _usual("eni", "networkInterface", "InvalidNetworkInterfaceID"),
    "network-interface-attachment": _usual(
        "eni-attach", "network interface attachment", "InvalidAttachmentID"
    ),
    "elastic-ip": _usual("eipalloc", "allocation", "InvalidAllocationID"),
    "elastic-ip-association": _usual("eipassoc", "association", "InvalidAssociationID"),
    "route-table-association": _usual("rtbassoc", "association", "InvalidAssociationID"),
    "network-acl-association": _usual("aclassoc", "association", "InvalidAssociationID"),
    "vpc-cidr-association": _usual(
        "vpc-cidr-assoc", "vpc CIDR block association", "InvalidCidrBlockAssociationID"
    ),
    "vpc-peering-connection": _usual("pcx", "vpcPeeringConnection", "InvalidVpcPeeringConnectionID"),
    "vpc-endpoint": _usual("vpce", "vpcEndpoint", "InvalidVpcEndpointId"),
    "prefix-list": _usual("pl", "prefix list", "InvalidPrefixListID"),
    "dhcp-options": _usual("dopt", "dhcpOption", "InvalidDhcpOptionID"),
}

_KIND_OF = {naming.prefix: kind for kind, naming in NAMES.items()}
_ID = re.compile(r"^([a-z]+(?:-[a-z]+)*)-([0-9a-f]{8}|[0-9a-f]{17})$")


def new_id(prefix: str) -> str:
    """A fresh id: the prefix and 17 hexadecimal digits, the first of them 0 as AWS has it."""
    return f"{prefix}-0{secrets.token_hex(8)}"


def kind_of(id: str) -> str | None:
    """The kind of resource a well-formed id names, or None."""
    match = _ID.match(id)
    return _KIND_OF.get(match[1]) if match else None


def well_formed(kind: str, id: str) -> bool:
    """Whether the id looks like one of this kind."""
    return kind_of(id) == kind


def not_found(kind: str, *ids: str) -> AwsError:
    """AWS's error for ids that name nothing."""
    naming = NAMES[kind]
    return AwsError(naming.not_found, naming.plural(list(ids)))


def check(kind: str, *ids: str) -> None:
    """Raise AWS's error for the first id that does not look like one of this kind."""
    naming = NAMES[kind]
    for id in ids:
        if well_formed(kind, id):
            continue
        if id.startswith(f"{naming.prefix}-"):
            raise AwsError(naming.malformed, f'Invalid id: "{id}"')
        raise AwsError(naming.malformed, f'Invalid id: "{id}" (expecting "{naming.prefix}-...")')
