"""Security groups themselves; their rules are in `security_group_rules`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2.default_network import default_vpc, make_group
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.lookup import chosen, need
from undercast.services.ec2.pages import answer, not_with_ids, page
from undercast.services.ec2.permissions import named, shown_as_blocks
from undercast.services.ec2.tags import from_specifications

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_ALLOWED = re.compile(r"^[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{1,255}$")


def _permission_filters(prefix: str, member: str) -> dict[str, str]:
    return {
        f"{prefix}.cidr": f"{member}.IpRanges.CidrIp",
        f"{prefix}.from-port": f"{member}.FromPort",
        f"{prefix}.group-id": f"{member}.UserIdGroupPairs.GroupId",
        f"{prefix}.group-name": f"{member}.UserIdGroupPairs.GroupName",
        f"{prefix}.ipv6-cidr": f"{member}.Ipv6Ranges.CidrIpv6",
        f"{prefix}.prefix-list-id": f"{member}.PrefixListIds.PrefixListId",
        f"{prefix}.protocol": f"{member}.IpProtocol",
        f"{prefix}.to-port": f"{member}.ToPort",
        f"{prefix}.user-id": f"{member}.UserIdGroupPairs.UserId",
    }


_FILTERS = Filters(
    {
        "description": "Description",
        "group-id": "GroupId",
        "group-name": "GroupName",
        "owner-id": "OwnerId",
        "vpc-id": "VpcId",
        **_permission_filters("ip-permission", "IpPermissions"),
        **_permission_filters("egress.ip-permission", "IpPermissionsEgress"),
    }
)


class SecurityGroups:
    """The operations on security groups."""

    def __init__(self, ec2: Ec2) -> None:
        self._network = ec2.default_network

    def create_security_group(self, call: Call, params: Params) -> Result:
        name, description = params["GroupName"], params["Description"]
        _check_name(name)
        _check_description(description)
        wanted = from_specifications(params, "security-group")
        with self._network.changing(call, params) as change:
            vpc = need(change, "vpc", params["VpcId"]) if params.get("VpcId") else default_vpc(change)
            if vpc is None:
                raise AwsError("VPCIdNotSpecified", "No default VPC for this user.")
            for group in change.all("security-group"):
                if group["VpcId"] == vpc["VpcId"] and group["GroupName"] == name:
                    raise AwsError(
                        "InvalidGroup.Duplicate",
                        f"The security group '{name}' already exists for VPC '{vpc['VpcId']}'",
                    )
            made = make_group(change, vpc["VpcId"], name, description, wanted)
        answered = {name: made[name] for name in ("GroupId", "SecurityGroupArn", "Tags")}
        return answered if wanted else {k: v for k, v in answered.items() if k != "Tags"}

    def describe_security_groups(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "GroupIds", "securityGroupIds")
        view = self._network.view(call)
        names = params.get("GroupNames") or []
        groups = chosen(view, "security-group", params.get("GroupIds"))
        if names:
            by_name = [named(view, name) for name in names]
            groups = by_name + (groups if params.get("GroupIds") else [])
        shown = show(view, groups)
        selected, token = page(
            _FILTERS.select(shown, params.get("Filters")), params, lambda g: str(g["GroupId"])
        )
        return answer("SecurityGroups", selected, token)

    def get_security_groups_for_vpc(self, call: Call, params: Params) -> Result:
        dry_run(params)
        view = self._network.view(call)
        vpc_id = need(view, "vpc", params["VpcId"])["VpcId"]
        rows = [
            {
                "Description": group["Description"],
                "GroupName": group["GroupName"],
                "OwnerId": group["OwnerId"],
                "GroupId": group["GroupId"],
                "PrimaryVpcId": vpc_id,
                "Tags": group["Tags"],
            }
            for group in view.all("security-group")
            if group["VpcId"] == vpc_id
        ]
        filters = Filters(
            {
                "group-id": "GroupId",
                "description": "Description",
                "group-name": "GroupName",
                "owner-id": "OwnerId",
                "primary-vpc-id": "PrimaryVpcId",
            }
        )
        selected, token = page(
            filters.select(rows, params.get("Filters")), params, lambda g: str(g["GroupId"])
        )
        return answer("SecurityGroupForVpcs", selected, token)

    def delete_security_group(self, call: Call, params: Params) -> Result:
        with self._network.changing(call, params) as change:
            group = the_group(change, params)
            group_id = group["GroupId"]
            if group["GroupName"] == "default":
                raise AwsError(
                    "CannotDelete",
                    f'the specified group: "{group_id}" name: "default" cannot be deleted by a user',
                )
            used = any(g["GroupId"] == group_id for i in change.all("network-interface") for g in i["Groups"])
            rules = change.all("security-group-rule")
            referred = any(
                rule["GroupId"] != group_id
                and (rule.get("ReferencedGroupInfo") or {}).get("GroupId") == group_id
                for rule in rules
            )
            if used or referred:
                raise AwsError("DependencyViolation", f"resource {group_id} has a dependent object")
            for rule in rules:
                if rule["GroupId"] == group_id:
                    change.delete("security-group-rule", rule["SecurityGroupRuleId"])
            change.delete("security-group", group_id)
        return {"Return": True, "GroupId": group_id}


def the_group(view: Change, params: Params) -> Record:
    """The group an operation names by GroupId, or by GroupName in the default VPC."""
    if params.get("GroupId"):
        return need(view, "security-group", params["GroupId"])
    return named(view, params.get("GroupName"))


def show(view: Change, groups: Iterable[Record]) -> list[Record]:
    """Groups with their rules, as callers see them."""
    rules: dict[tuple[str, bool], list[Record]] = {}
    for rule in view.all("security-group-rule"):
        rules.setdefault((rule["GroupId"], rule["IsEgress"]), []).append(rule)
    return [
        {
            **visible(group),
            "IpPermissions": shown_as_blocks(rules.get((group["GroupId"], False), ())),
            "IpPermissionsEgress": shown_as_blocks(rules.get((group["GroupId"], True), ())),
        }
        for group in groups
    ]


def _check_name(name: str) -> None:
    if name == "default":
        raise AwsError("InvalidParameterValue", "Cannot use reserved security group name: default")
    if name.startswith("sg-"):
        raise AwsError(
            "InvalidParameterValue",
            "Invalid value for groupName. Group names may not be in the format sg-*.",
        )
    if not _ALLOWED.match(name):
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({name}) for parameter GroupName is invalid. "
            "Character sets beyond ASCII are not supported.",
        )


def _check_description(description: str) -> None:
    if not description.isascii():
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({description}) for parameter GroupDescription is invalid. "
            "Character sets beyond ASCII are not supported.",
        )
    if not _ALLOWED.match(description):
        raise AwsError(
            "InvalidParameterValue",
            "Invalid security group description. Valid descriptions are strings less than 256 characters "
            "from the following set:  a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*",
        )
