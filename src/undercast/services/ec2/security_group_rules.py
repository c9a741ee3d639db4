"""The rules of security groups: authorised, revoked, changed and described."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2.default_network import put_rule
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import describe, need
from undercast.services.ec2.permissions import (
    OTHER_SIDES,
    Permission,
    checked_description,
    cidr_v4,
    cidr_v6,
    given,
    of_rule,
    protocol_and_ports,
    referenced,
)
from undercast.services.ec2.security_groups import the_group
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

KIND = "security-group-rule"
MOST_RULES = 60  # per group and direction; a prefix list counts as many as its most entries

_FILTERS = Filters({"group-id": "GroupId", "security-group-rule-id": "SecurityGroupRuleId"})


class SecurityGroupRules:
    """The operations on rules."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def authorize_security_group_ingress(self, call: Call, params: Params) -> Result:
        return self._authorize(call, params, egress=False)

    def authorize_security_group_egress(self, call: Call, params: Params) -> Result:
        return self._authorize(call, params, egress=True)

    def revoke_security_group_ingress(self, call: Call, params: Params) -> Result:
        return self._revoke(call, params, egress=False)

    def revoke_security_group_egress(self, call: Call, params: Params) -> Result:
        return self._revoke(call, params, egress=True)

    def update_security_group_rule_descriptions_ingress(self, call: Call, params: Params) -> Result:
        return self._describe_anew(call, params, egress=False)

    def update_security_group_rule_descriptions_egress(self, call: Call, params: Params) -> Result:
        return self._describe_anew(call, params, egress=True)

    def describe_security_group_rules(self, call: Call, params: Params) -> Result:
        return describe(
            self._network.view(call),
            params,
            KIND,
            ids_in="SecurityGroupRuleIds",
            answer_in="SecurityGroupRules",
            id="SecurityGroupRuleId",
            filters=_FILTERS,
        )

    def modify_security_group_rules(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            group = need(change, "security-group", params["GroupId"])
            for one in params["SecurityGroupRules"]:
                rule = _rule(change, one["SecurityGroupRuleId"], group)
                new = _changed(change, one.get("SecurityGroupRule") or {}, group["VpcId"])
                clash = _find(change, group["GroupId"], rule["IsEgress"], new)
                if clash is not None and clash["SecurityGroupRuleId"] != rule["SecurityGroupRuleId"]:
                    raise _duplicate(new)
                kept = {k: v for k, v in rule.items() if k not in (*OTHER_SIDES, "Description")}
                change.put(
                    KIND,
                    rule["SecurityGroupRuleId"],
                    {
                        **kept,
                        "IpProtocol": new.protocol,
                        "FromPort": new.ports[0],
                        "ToPort": new.ports[1],
                        **new.members(),
                    },
                )
        return {"Return": True}

    def _authorize(self, call: Call, params: Params, *, egress: bool) -> Result:
        wanted = from_specifications(params, KIND)
        with self._network.changing(call, params) as change:
            group = the_group(change, params)
            group_id = group["GroupId"]
            present = _rules(change, group_id, egress)
            known = {of_rule(rule).identity for rule in present}
            new = given(change, params, group["VpcId"])
            for permission in new:
                if permission.identity in known:
                    raise _duplicate(permission)
            weight = sum(_weight(change, of_rule(rule)) for rule in present)
            if weight + sum(_weight(change, permission) for permission in new) > MOST_RULES:
                raise AwsError(
                    "RulesPerSecurityGroupLimitExceeded",
                    "The maximum number of rules per security group has been reached.",
                )
            made = [
                put_rule(
                    change,
                    group_id,
                    egress=egress,
                    protocol=permission.protocol,
                    ports=permission.ports,
                    tags=wanted,
                    **permission.members(),
                )
                for permission in new
            ]
        return {"Return": True, "SecurityGroupRules": [visible(rule) for rule in made]}

    def _revoke(self, call: Call, params: Params, *, egress: bool) -> Result:
        with self._network.changing(call, params) as change:
            group = the_group(change, params)
            if params.get("SecurityGroupRuleIds"):
                doomed = [_rule(change, id, group, egress) for id in params["SecurityGroupRuleIds"]]
            else:
                doomed = [
                    _existing(change, group["GroupId"], egress, permission)
                    for permission in given(change, params, group["VpcId"])
                ]
            for rule in doomed:
                change.delete(KIND, rule["SecurityGroupRuleId"])
        return {"Return": True, "RevokedSecurityGroupRules": [_revoked(rule) for rule in doomed]}

    def _describe_anew(self, call: Call, params: Params, *, egress: bool) -> Result:
        with self._network.changing(call, params) as change:
            group = the_group(change, params)
            by_id = params.get("SecurityGroupRuleDescriptions") or []
            if by_id:
                pairs = [
                    (_rule(change, one["SecurityGroupRuleId"], group, egress), one.get("Description"))
                    for one in by_id
                ]
            else:
                pairs = [
                    (_existing(change, group["GroupId"], egress, permission), permission.description)
                    for permission in given(change, params, group["VpcId"])
                ]
            for rule, text in pairs:
                kept = {k: v for k, v in rule.items() if k != "Description"}
                described = {"Description": checked_description(text)} if text else {}
                change.put(KIND, rule["SecurityGroupRuleId"], {**kept, **described})
        return {"Return": True}


def _rules(view: Change, group_id: str, egress: bool) -> list[Record]:
    return [r for r in view.all(KIND) if r["GroupId"] == group_id and r["IsEgress"] is egress]


def _find(view: Change, group_id: str, egress: bool, permission: Permission) -> Record | None:
    return next(
        (r for r in _rules(view, group_id, egress) if of_rule(r).identity == permission.identity), None
    )


def _existing(view: Change, group_id: str, egress: bool, permission: Permission) -> Record:
    found = _find(view, group_id, egress, permission)
    if found is None:
        raise AwsError(
            "InvalidPermission.NotFound", "The specified rule does not exist in this security group."
        )
    return found


def _rule(view: Change, id: str, group: Record, egress: bool | None = None) -> Record:
    """The rule of that id, which has to be one of the group (and direction)."""
    rule = need(view, KIND, id)
    if rule["GroupId"] != group["GroupId"] or egress not in (None, rule["IsEgress"]):
        raise ids.not_found(KIND, id)
    return rule


def _weight(view: Change, permission: Permission) -> int:
    if permission.side != "PrefixListId":
        return 1
    prefix_list = view.get("prefix-list", permission.other)
    return int(prefix_list["MaxEntries"]) if prefix_list is not None else 1


def _changed(view: Change, wanted: Record, vpc_id: str) -> Permission:
    """The permission a SecurityGroupRuleRequest describes."""
    protocol, ports = protocol_and_ports(
        wanted.get("IpProtocol"), wanted.get("FromPort"), wanted.get("ToPort")
    )
    sides: list[tuple[str, Any]] = []
    if wanted.get("CidrIpv4"):
        sides.append(("CidrIpv4", cidr_v4(wanted["CidrIpv4"])))
    if wanted.get("CidrIpv6"):
        sides.append(("CidrIpv6", cidr_v6(wanted["CidrIpv6"])))
    if wanted.get("PrefixListId"):
        sides.append(("PrefixListId", need(view, "prefix-list", wanted["PrefixListId"])["PrefixListId"]))
    if wanted.get("ReferencedGroupId"):
        pair = {"GroupId": wanted["ReferencedGroupId"]}
        sides.append(("ReferencedGroupInfo", referenced(view, pair, vpc_id)))
    if len(sides) != 1:
        raise AwsError(
            "InvalidParameterCombination" if sides else "MissingParameter",
            "Exactly one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId has to be specified.",
        )
    return Permission(protocol, ports, *sides[0], checked_description(wanted.get("Description")))


def _duplicate(permission: Permission) -> AwsError:
    return AwsError(
        "InvalidPermission.Duplicate", f'the specified rule "{permission.shown()}" already exists'
    )


def _revoked(rule: Record) -> Record:
    """A rule as the answer of a Revoke shows it: the group it refers to by its id alone."""
    shown: Record = {
        name: rule[name]
        for name in (
            "SecurityGroupRuleId", "GroupId", "IsEgress", "IpProtocol", "FromPort", "ToPort", "CidrIpv4",
            "CidrIpv6", "PrefixListId", "Description",
        )
        if name in rule
    }  # fmt: skip
    if "ReferencedGroupInfo" in rule:
        shown["ReferencedGroupId"] = rule["ReferencedGroupInfo"]["GroupId"]
    return shown
