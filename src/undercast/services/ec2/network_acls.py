"""Network ACLs: numbered, stateless rules at the border of a subnet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import cidrs, ids
from undercast.services.ec2.default_network import DENY_ALL, make_network_acl
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import dependent, describe, invalid, missing, need
from undercast.services.ec2.protocols import number
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "association.association-id": "Associations.NetworkAclAssociationId",
        "association.network-acl-id": "Associations.NetworkAclId",
        "association.subnet-id": "Associations.SubnetId",
        "default": "IsDefault",
        "entry.cidr": "Entries.CidrBlock",
        "entry.egress": "Entries.Egress",
        "entry.icmp.code": "Entries.IcmpTypeCode.Code",
        "entry.icmp.type": "Entries.IcmpTypeCode.Type",
        "entry.ipv6-cidr": "Entries.Ipv6CidrBlock",
        "entry.port-range.from": "Entries.PortRange.From",
        "entry.port-range.to": "Entries.PortRange.To",
        "entry.protocol": "Entries.Protocol",
        "entry.rule-action": "Entries.RuleAction",
        "entry.rule-number": "Entries.RuleNumber",
        "network-acl-id": "NetworkAclId",
        "owner-id": "OwnerId",
        "vpc-id": "VpcId",
    }
)


class NetworkAcls:
    """The operations on network ACLs."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_network_acl(self, call: Call, params: Params) -> Result:
        wanted = from_specifications(params, "network-acl")
        with self._network.changing(call, params) as change:
            acl = make_network_acl(change, need(change, "vpc", params["VpcId"]), tags=wanted)
        return {"NetworkAcl": visible(acl)}

    def describe_network_acls(self, call: Call, params: Params) -> Result:
        return describe(
            self._network.view(call),
            params,
            "network-acl",
            ids_in="NetworkAclIds",
            answer_in="NetworkAcls",
            id="NetworkAclId",
            filters=_FILTERS,
        )

    def delete_network_acl(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            acl = need(change, "network-acl", params["NetworkAclId"])
            if acl["IsDefault"]:
                raise AwsError(
                    "InvalidParameterValue", f"cannot delete default network ACL {acl['NetworkAclId']}"
                )
            if acl["Associations"]:
                raise dependent("networkAcl", acl["NetworkAclId"])
            change.delete("network-acl", acl["NetworkAclId"])
        return {}

    def create_network_acl_entry(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            acl = need(change, "network-acl", params["NetworkAclId"])
            entry = _entry(params)
            if _find(acl, entry) is not None:
                raise AwsError(
                    "NetworkAclEntryAlreadyExists",
                    f"The network acl entry identified by {entry['RuleNumber']} already exists.",
                )
            _put_entries(change, acl, [*acl["Entries"], entry])
        return {}

    def replace_network_acl_entry(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            acl = need(change, "network-acl", params["NetworkAclId"])
            entry = _entry(params)
            old = _existing(acl, entry)
            _put_entries(change, acl, [*(e for e in acl["Entries"] if e is not old), entry])
        return {}

    def delete_network_acl_entry(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            acl = need(change, "network-acl", params["NetworkAclId"])
            old = _existing(acl, params)
            _put_entries(change, acl, [e for e in acl["Entries"] if e is not old])
        return {}

    def replace_network_acl_association(self, call: Call, params: Params) -> Result:
        old_id = params["AssociationId"]
        with self._network.changing(call, params) as change:
            ids.check("network-acl-association", old_id)
            acl = need(change, "network-acl", params["NetworkAclId"])
            holder, association = _association(change, old_id)
            if holder["VpcId"] != acl["VpcId"]:
                raise AwsError(
                    "InvalidParameterValue",
                    f"network ACL {acl['NetworkAclId']} and subnet {association['SubnetId']} belong to "
                    "different networks",
                )
            kept = [a for a in holder["Associations"] if a is not association]
            change.update("network-acl", holder["NetworkAclId"], Associations=kept)
            new = {
                "NetworkAclAssociationId": ids.new_id("aclassoc"),
                "NetworkAclId": acl["NetworkAclId"],
                "SubnetId": association["SubnetId"],
            }
            current = need(change, "network-acl", acl["NetworkAclId"])
            change.update("network-acl", acl["NetworkAclId"], Associations=[*current["Associations"], new])
        return {"NewAssociationId": new["NetworkAclAssociationId"]}


def _entry(params: Params) -> Record:
    """The entry the parameters describe. Raises AWS's errors."""
    rule_number = params["RuleNumber"]
    if not 1 <= rule_number < DENY_ALL:
        raise invalid("ruleNumber", rule_number, f"Rule number must be between 1 and {DENY_ALL - 1}")
    protocol = number(params["Protocol"])
    entry: dict[str, Any] = {
        "Egress": params["Egress"],
        "Protocol": str(protocol),
        "RuleAction": params["RuleAction"],
        "RuleNumber": rule_number,
    }
    if params.get("CidrBlock"):
        entry["CidrBlock"] = str(cidrs.parse(params["CidrBlock"], "cidrBlock"))
    elif params.get("Ipv6CidrBlock"):
        entry["Ipv6CidrBlock"] = params["Ipv6CidrBlock"]
    else:
        raise missing("cidrBlock")
    if protocol in (6, 17):
        ports = params.get("PortRange") or {}
        low, high = ports.get("From"), ports.get("To")
        if low is None or high is None:
            raise missing("portRange")
        if not 0 <= low <= high <= 65535:
            raise invalid("portRange", f"{low}-{high}", "The port range is not valid")
        entry["PortRange"] = {"From": low, "To": high}
    if protocol in (1, 58):
        icmp = params.get("IcmpTypeCode")
        if not icmp:
            raise missing("icmpTypeCode.type")
        entry["IcmpTypeCode"] = {"Type": icmp.get("Type", -1), "Code": icmp.get("Code", -1)}
    return entry


def _find(acl: Record, like: Record) -> Record | None:
    """The entry with the number and direction of `like`."""
    same = (like["RuleNumber"], bool(like["Egress"]))
    return next((e for e in acl["Entries"] if (e["RuleNumber"], e["Egress"]) == same), None)


def _existing(acl: Record, like: Record) -> Record:
    found = _find(acl, like)
    if found is None or like["RuleNumber"] == DENY_ALL:
        raise AwsError(
            "InvalidNetworkAclEntry.NotFound",
            f"The network acl entry identified by {like['RuleNumber']} does not exist.",
        )
    return found


def _put_entries(change: Change, acl: Record, entries: list[Record]) -> None:
    ordered = sorted(entries, key=lambda e: (not e["Egress"], e["RuleNumber"]))
    change.update("network-acl", acl["NetworkAclId"], Entries=ordered)


def _association(view: Change, id: str) -> tuple[Record, Record]:
    for acl in view.all("network-acl"):
        for association in acl["Associations"]:
            if association["NetworkAclAssociationId"] == id:
                return acl, association
    raise ids.not_found("network-acl-association", id)
