"""Security groups and their rules, as the API tells them."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from support import Account, unique

BAD = "InvalidParameterValue"
NOBODY, NO_LIST = "sg-0123456789abcdef0", "pl-0123456789abcdef0"


@pytest.fixture(scope="module")
def ec2(server: Any) -> Any:
    return server.account_factory().client("ec2")


def error(call: Any, /, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    told = caught.value.response["Error"]
    return told["Code"], told["Message"]


def tcp(low: int, high: int | None = None, **sides: Any) -> dict[str, Any]:
    sides = sides or {"IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    return {"IpProtocol": "tcp", "FromPort": low, "ToPort": low if high is None else high, **sides}


def default_vpc(ec2: Any) -> str:
    (vpc,) = ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["true"]}])["Vpcs"]
    return str(vpc["VpcId"])


def test_a_group_and_its_rules(ec2: Any) -> None:
    name = unique("web")
    tags = [{"ResourceType": "security-group", "Tags": [{"Key": "team", "Value": "blue"}]}]
    made = ec2.create_security_group(GroupName=name, Description="the web", TagSpecifications=tags)
    group = made["GroupId"]
    assert made["SecurityGroupArn"].endswith(f":security-group/{group}") and made["Tags"]

    (shown,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert (shown["GroupName"], shown["Description"]) == (name, "the web")
    assert shown["VpcId"] == default_vpc(ec2)
    assert shown["IpPermissions"] == []
    (out,) = shown["IpPermissionsEgress"]
    assert out["IpProtocol"] == "-1" and out["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]
    assert "FromPort" not in out

    ranges = [{"CidrIp": "10.1.2.3/8", "Description": "office"}, {"CidrIp": "192.168.0.0/16"}]
    allowed = ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[tcp(22, IpRanges=ranges)])
    assert allowed["Return"] is True
    first, second = allowed["SecurityGroupRules"]
    assert first["CidrIpv4"] == "10.0.0.0/8" and first["Description"] == "office"
    assert first["SecurityGroupRuleId"].startswith("sgr-0") and first["IsEgress"] is False
    ec2.authorize_security_group_ingress(
        GroupId=group, IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="0.0.0.0/0"
    )
    itself = {"IpProtocol": "icmp", "FromPort": -1, "ToPort": -1, "UserIdGroupPairs": [{"GroupId": group}]}
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=[itself])

    (shown,) = ec2.describe_security_groups(
        Filters=[{"Name": "ip-permission.to-port", "Values": ["22"]}, {"Name": "tag:team", "Values": ["bl*"]}]
    )["SecurityGroups"]
    ssh, http, icmp = shown["IpPermissions"]
    assert ssh["IpRanges"] == [
        {"CidrIp": "10.0.0.0/8", "Description": "office"},
        {"CidrIp": "192.168.0.0/16"},
    ]
    assert (http["FromPort"], http["ToPort"]) == (80, 80)
    assert icmp["UserIdGroupPairs"][0]["GroupId"] == group and icmp["FromPort"] == -1

    code, message = error(ec2.authorize_security_group_ingress, GroupId=group, IpPermissions=[tcp(80)])
    assert code == "InvalidPermission.Duplicate"
    assert (
        message
        == 'the specified rule "peer: 0.0.0.0/0, TCP, from port: 80, to port: 80, ALLOW" already exists'
    )

    ec2.update_security_group_rule_descriptions_ingress(
        GroupId=group,
        SecurityGroupRuleDescriptions=[
            {"SecurityGroupRuleId": second["SecurityGroupRuleId"], "Description": "home"}
        ],
    )
    ec2.modify_security_group_rules(
        GroupId=group,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": first["SecurityGroupRuleId"],
                "SecurityGroupRule": {
                    "IpProtocol": "tcp", "FromPort": 2222, "ToPort": 2223, "CidrIpv4": "10.9.0.0/16",
                },
            }
        ],
    )  # fmt: skip
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])
    by_id = {rule["SecurityGroupRuleId"]: rule for rule in rules["SecurityGroupRules"]}
    assert len(by_id) == 5
    assert by_id[second["SecurityGroupRuleId"]]["Description"] == "home"
    changed = by_id[first["SecurityGroupRuleId"]]
    assert (changed["FromPort"], changed["ToPort"], changed["CidrIpv4"]) == (2222, 2223, "10.9.0.0/16")

    gone = ec2.revoke_security_group_ingress(GroupId=group, IpPermissions=[tcp(80)])
    assert gone["RevokedSecurityGroupRules"][0]["CidrIpv4"] == "0.0.0.0/0"
    code, message = error(ec2.revoke_security_group_ingress, GroupId=group, IpPermissions=[tcp(80)])
    assert (code, message) == (
        "InvalidPermission.NotFound",
        "The specified rule does not exist in this security group.",
    )
    ec2.revoke_security_group_ingress(GroupId=group, SecurityGroupRuleIds=[first["SecurityGroupRuleId"]])
    ec2.delete_security_group(GroupId=group)
    assert error(ec2.describe_security_groups, GroupIds=[group]) == (
        "InvalidGroup.NotFound",
        f"The security group '{group}' does not exist",
    )
    assert not ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group]}])[
        "SecurityGroupRules"
    ]


@pytest.mark.parametrize(
    ("permission", "code", "message"),
    [
        ({"IpProtocol": "tcp", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}, BAD, "Must specify both"),
        (tcp(80, 79), BAD, "Invalid TCP/UDP port range (80:79)"),
        (tcp(0, 70000), "InvalidParameterValue", "TCP/UDP port (70000) out of range"),
        (tcp(1, IpRanges=[{"CidrIp": "10.0.0.0/33"}]), BAD, "CIDR block 10.0.0.0/33 is malformed"),
        (tcp(1, IpRanges=[{"CidrIp": "10.0.0.1"}]), BAD, "CIDR block 10.0.0.1 is malformed"),
        ({**tcp(1), "IpProtocol": "ftp"}, BAD, "Invalid value 'ftp' for IP protocol"),
        (tcp(1, UserIdGroupPairs=[{"GroupId": NOBODY}]), "InvalidGroup.NotFound", "does not exist"),
        (tcp(1, UserIdGroupPairs=[{"GroupId": "sg-nonsense"}]), "InvalidGroupId.Malformed", "Invalid id"),
        (tcp(1, PrefixListIds=[{"PrefixListId": NO_LIST}]), "InvalidPrefixListID.NotFound", "pl-"),
        ({"IpProtocol": "-1"}, "MissingParameter", "Missing source specification"),
        (tcp(1, IpRanges=[{"CidrIp": "1.0.0.0/8", "Description": "<b>"}]), BAD, "Invalid rule"),
    ],
)  # fmt: skip
def test_what_is_no_rule(ec2: Any, permission: dict[str, Any], code: str, message: str) -> None:
    (group,) = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    told = error(ec2.authorize_security_group_ingress, GroupId=group["GroupId"], IpPermissions=[permission])
    assert told[0] == code
    assert message in told[1]


def test_what_is_no_group(ec2: Any) -> None:
    vpc = default_vpc(ec2)
    (default,) = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    assert default["IpPermissions"][0]["UserIdGroupPairs"][0]["GroupId"] == default["GroupId"]
    assert error(ec2.delete_security_group, GroupId=default["GroupId"]) == (
        "CannotDelete",
        f'the specified group: "{default["GroupId"]}" name: "default" cannot be deleted by a user',
    )
    name = unique("twice")
    ec2.create_security_group(GroupName=name, Description="x")
    assert error(ec2.create_security_group, GroupName=name, Description="x") == (
        "InvalidGroup.Duplicate",
        f"The security group '{name}' already exists for VPC '{vpc}'",
    )
    assert error(ec2.create_security_group, GroupName="sg-x", Description="x")[0] == "InvalidParameterValue"
    assert error(ec2.create_security_group, GroupName="default", Description="x") == (
        "InvalidParameterValue",
        "Cannot use reserved security group name: default",
    )
    assert error(ec2.create_security_group, GroupName="y", Description="ü")[0] == "InvalidParameterValue"
    assert error(ec2.describe_security_groups, GroupNames=["nobody"]) == (
        "InvalidGroup.NotFound",
        f"The security group 'nobody' does not exist in default VPC '{vpc}'",
    )
    assert error(ec2.describe_security_groups, Filters=[{"Name": "colour", "Values": ["red"]}]) == (
        "InvalidParameterValue",
        "The filter 'colour' is invalid",
    )
    code, _ = error(ec2.create_security_group, GroupName=unique("dry"), Description="x", DryRun=True)
    assert code == "DryRunOperation"
    one = ec2.create_security_group(GroupName=unique("one"), Description="x")["GroupId"]
    two = ec2.create_security_group(GroupName=unique("two"), Description="x")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=one, IpPermissions=[tcp(1, UserIdGroupPairs=[{"GroupId": two}])]
    )
    assert error(ec2.delete_security_group, GroupId=two) == (
        "DependencyViolation",
        f"resource {two} has a dependent object",
    )
    both = [tcp(1), tcp(1)]
    assert error(ec2.authorize_security_group_ingress, GroupId=one, IpPermissions=both) == (
        "InvalidParameterValue",
        "The same permission must not appear multiple times",
    )
    many = [tcp(port) for port in range(100, 160)]
    code, _ = error(ec2.authorize_security_group_ingress, GroupId=one, IpPermissions=many)
    assert code == "RulesPerSecurityGroupLimitExceeded"


def test_the_cli_agrees(server: Any) -> None:
    account: Account = server.account_factory()
    made = account.aws_json(
        "ec2", "create-security-group", "--group-name", "ssh", "--description", "SSH access"
    )
    account.aws_json(
        "ec2", "authorize-security-group-ingress", "--group-name", "ssh",
        "--protocol", "tcp", "--port", "22", "--cidr", "203.0.113.5/32",
    )  # fmt: skip
    shown = account.aws_json("ec2", "describe-security-groups", "--group-ids", made["GroupId"])
    assert shown["SecurityGroups"][0]["IpPermissions"][0]["IpRanges"] == [{"CidrIp": "203.0.113.5/32"}]


def test_prefix_lists(ec2: Any) -> None:
    entries = [{"Cidr": "10.0.0.0/8", "Description": "ten"}]
    made = ec2.create_managed_prefix_list(
        PrefixListName="offices", AddressFamily="IPv4", MaxEntries=3, Entries=entries
    )["PrefixList"]
    id = made["PrefixListId"]
    assert made["State"] == "create-in-progress"
    ec2.modify_managed_prefix_list(
        PrefixListId=id,
        CurrentVersion=1,
        AddEntries=[{"Cidr": "11.0.0.0/8"}],
        RemoveEntries=[{"Cidr": "10.0.0.0/8"}],
    )
    assert ec2.get_managed_prefix_list_entries(PrefixListId=id)["Entries"] == [{"Cidr": "11.0.0.0/8"}]
    old = ec2.get_managed_prefix_list_entries(PrefixListId=id, TargetVersion=1)["Entries"]
    assert old == entries
    assert error(ec2.modify_managed_prefix_list, PrefixListId=id, CurrentVersion=1)[0] == (
        "PrefixListVersionMismatch"
    )
    group = ec2.create_security_group(GroupName=unique("pl"), Description="x")["GroupId"]
    ec2.authorize_security_group_ingress(
        GroupId=group, IpPermissions=[tcp(443, PrefixListIds=[{"PrefixListId": id}])]
    )
    (shown,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert shown["IpPermissions"][0]["PrefixListIds"] == [{"PrefixListId": id}]
    assert error(ec2.delete_managed_prefix_list, PrefixListId=id)[0] == "DependencyViolation"
    ec2.delete_security_group(GroupId=group)
    ec2.delete_managed_prefix_list(PrefixListId=id)
    assert ec2.describe_managed_prefix_lists()["PrefixLists"] == []
