"""Principals, keys, policies; temporary credentials and what they may do."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from botocore.exceptions import ClientError

from support import Account, Server, unique

TRUST_LAMBDA = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)
ALLOW = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'


def trust(account: str) -> str:
    """A trust policy for everyone of an account."""
    return TRUST_LAMBDA.replace('"Service": "lambda.amazonaws.com"', f'"AWS": "arn:aws:iam::{account}:root"')


def code(error: pytest.ExceptionInfo[ClientError]) -> str:
    return str(error.value.response["Error"]["Code"])


def test_roles_from_creation_to_deletion(account: Account) -> None:
    iam = account.client("iam")
    role = iam.create_role(
        RoleName="Worker", Path="/team/", AssumeRolePolicyDocument=TRUST_LAMBDA, Description="d",
        Tags=[{"Key": "a", "Value": "1"}],
    )["Role"]  # fmt: skip
    assert role["Arn"] == f"arn:aws:iam::{account.account}:role/team/Worker"
    assert role["RoleId"].startswith("AROA") and len(role["RoleId"]) == 21
    assert role["AssumeRolePolicyDocument"] == json.loads(TRUST_LAMBDA)
    with pytest.raises(ClientError) as error:
        iam.create_role(RoleName="worker", AssumeRolePolicyDocument=TRUST_LAMBDA)
    assert code(error) == "EntityAlreadyExists"
    assert error.value.response["Error"]["Message"] == "Role with name worker already exists."
    with pytest.raises(ClientError) as error:
        iam.create_role(RoleName="bad", AssumeRolePolicyDocument='{"Statement": []')
    assert code(error) == "MalformedPolicyDocument"
    with pytest.raises(ClientError) as error:
        other = TRUST_LAMBDA.replace("sts:AssumeRole", "s3:GetObject")
        iam.create_role(RoleName="bad", AssumeRolePolicyDocument=other)
    assert "may only specify STS AssumeRole actions" in error.value.response["Error"]["Message"]

    iam.attach_role_policy(
        RoleName="Worker", PolicyArn="arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    )
    iam.put_role_policy(RoleName="Worker", PolicyName="inline", PolicyDocument=ALLOW)
    assert iam.get_role_policy(RoleName="Worker", PolicyName="inline")["PolicyDocument"] == json.loads(ALLOW)
    attached = iam.list_attached_role_policies(RoleName="Worker")["AttachedPolicies"]
    assert [one["PolicyName"] for one in attached] == ["AWSLambdaBasicExecutionRole"]
    for undo in (
        lambda: iam.detach_role_policy(RoleName="Worker", PolicyArn=attached[0]["PolicyArn"]),
        lambda: iam.delete_role_policy(RoleName="Worker", PolicyName="inline"),
    ):
        with pytest.raises(ClientError) as error:
            iam.delete_role(RoleName="Worker")
        assert code(error) == "DeleteConflict"
        undo()
    iam.update_role(RoleName="Worker", MaxSessionDuration=7200)
    assert iam.get_role(RoleName="Worker")["Role"]["MaxSessionDuration"] == 7200
    iam.delete_role(RoleName="Worker")
    with pytest.raises(iam.exceptions.NoSuchEntityException) as missing:
        iam.get_role(RoleName="Worker")
    assert missing.value.response["Error"]["Message"] == "The role with name Worker cannot be found."
    assert missing.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404


def test_lists_come_in_pages(account: Account) -> None:
    iam = account.client("iam")
    for number in range(5):
        iam.create_user(UserName=f"u{number}", Path="/staff/" if number % 2 else "/")
    pages = list(iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 2}))
    assert [[user["UserName"] for user in page["Users"]] for page in pages] == [
        ["u0", "u1"],
        ["u2", "u3"],
        ["u4"],
    ]
    assert [user["UserName"] for user in iam.list_users(PathPrefix="/staff/")["Users"]] == ["u1", "u3"]
    with pytest.raises(ClientError) as error:
        iam.list_users(Marker="nonsense")
    assert code(error) == "ValidationError"


def test_a_users_key_signs_until_it_is_inactive(account: Account) -> None:
    iam = account.client("iam")
    user = iam.create_user(UserName="dev")["User"]
    made = iam.create_access_key(UserName="dev")["AccessKey"]
    dev = Account(account.url, account.account, made["AccessKeyId"], made["SecretAccessKey"])
    assert dev.client("sts").get_caller_identity()["Arn"] == user["Arn"]
    assert dev.client("iam").get_user()["User"]["UserName"] == "dev"
    iam.create_access_key(UserName="dev")
    with pytest.raises(ClientError) as error:
        iam.create_access_key(UserName="dev")
    assert code(error) == "LimitExceeded"
    iam.update_access_key(UserName="dev", AccessKeyId=made["AccessKeyId"], Status="Inactive")
    with pytest.raises(ClientError) as error:
        dev.client("sts").get_caller_identity()
    assert code(error) == "InvalidClientTokenId"


def test_policies_have_versions(account: Account) -> None:
    iam = account.client("iam")
    arn = iam.create_policy(PolicyName="p", PolicyDocument=ALLOW)["Policy"]["Arn"]
    deny = ALLOW.replace("Allow", "Deny")
    version = iam.create_policy_version(PolicyArn=arn, PolicyDocument=deny, SetAsDefault=True)[
        "PolicyVersion"
    ]
    assert version["VersionId"] == "v2"
    shown = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert shown["IsDefaultVersion"] and shown["Document"] == json.loads(deny)
    with pytest.raises(ClientError) as error:
        iam.delete_policy(PolicyArn=arn)
    assert code(error) == "DeleteConflict"
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.create_user(UserName="holder")
    iam.attach_user_policy(UserName="holder", PolicyArn=arn)
    assert iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"] == 1
    assert iam.list_entities_for_policy(PolicyArn=arn)["PolicyUsers"][0]["UserName"] == "holder"


def test_instance_profiles_hold_one_role(account: Account) -> None:
    iam = account.client("iam")
    iam.create_role(RoleName="r", AssumeRolePolicyDocument=TRUST_LAMBDA)
    iam.create_instance_profile(InstanceProfileName="ip")
    iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    with pytest.raises(ClientError) as error:
        iam.add_role_to_instance_profile(InstanceProfileName="ip", RoleName="r")
    assert code(error) == "LimitExceeded"
    profile = iam.get_instance_profile(InstanceProfileName="ip")["InstanceProfile"]
    assert [role["RoleName"] for role in profile["Roles"]] == ["r"]
    with pytest.raises(ClientError) as error:
        iam.delete_role(RoleName="r")
    assert code(error) == "DeleteConflict"


def test_assumed_roles_sign_and_need_trust(server: Server, account: Account) -> None:
    iam, sts = account.client("iam"), account.client("sts")
    arn = iam.create_role(RoleName="own", AssumeRolePolicyDocument=trust(account.account))["Role"]["Arn"]
    made = sts.assume_role(RoleArn=arn, RoleSessionName="me")
    keys = made["Credentials"]
    assert keys["AccessKeyId"].startswith("ASIA")
    session = Account(
        account.url, account.account, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    )
    identity = session.client("sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{account.account}:assumed-role/own/me"
    assert identity["UserId"] == made["AssumedRoleUser"]["AssumedRoleId"]
    stolen = Account(account.url, account.account, keys["AccessKeyId"], keys["SecretAccessKey"])
    with pytest.raises(ClientError) as error:
        stolen.client("sts").get_caller_identity()
    assert code(error) == "InvalidClientTokenId"
    other = server.account_factory()
    with pytest.raises(ClientError) as error:
        other.client("sts").assume_role(RoleArn=arn, RoleSessionName="thief")
    assert code(error) == "AccessDenied"
    with pytest.raises(ClientError) as error:
        sts.assume_role(RoleArn=arn, RoleSessionName="me", DurationSeconds=7200)
    assert code(error) == "ValidationError"


def test_a_trust_policys_conditions_are_asked(server: Server, account: Account) -> None:
    other = server.account_factory()
    document = json.loads(trust(other.account))
    document["Statement"][0]["Condition"] = {
        "StringEquals": {"sts:ExternalId": ["our-secret", "older"]},
        "StringLike": {"sts:RoleSessionName": "audit-*"},
    }
    arn = account.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps(document))
    asked = {"RoleArn": arn["Role"]["Arn"], "RoleSessionName": "audit-1", "ExternalId": "our-secret"}
    sts = other.client("sts")
    assert sts.assume_role(**asked, SourceIdentity="ann")["SourceIdentity"] == "ann"
    for change in ({"ExternalId": "guessed"}, {"ExternalId": None}, {"RoleSessionName": "other"}):
        wrong = {key: value for key, value in {**asked, **change}.items() if value is not None}
        with pytest.raises(ClientError) as error:
            sts.assume_role(**wrong)
        assert code(error) == "AccessDenied", change
    with pytest.raises(ClientError) as error:
        sts.assume_role(**asked, Policy='{"Version": "2012-10-17"}')
    assert code(error) == "MalformedPolicyDocument"
    document["Statement"][0]["Condition"] = {"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}}
    account.client("iam").update_assume_role_policy(RoleName="r", PolicyDocument=json.dumps(document))
    with pytest.raises(ClientError) as error:
        sts.assume_role(**asked)
    assert code(error) == "AccessDenied"  # what cannot be judged opens nothing


def test_sessions_end_with_their_principal(account: Account) -> None:
    iam, sts = account.client("iam"), account.client("sts")

    def session(keys: dict[str, str]) -> Account:
        pair = keys["AccessKeyId"], keys["SecretAccessKey"]
        return Account(account.url, account.account, *pair, keys["SessionToken"])

    def make_role() -> str:
        made = iam.create_role(RoleName="r", AssumeRolePolicyDocument=trust(account.account))
        return str(made["Role"]["Arn"])

    iam.create_user(UserName="u")
    key = iam.create_access_key(UserName="u")["AccessKey"]
    user = Account(account.url, account.account, key["AccessKeyId"], key["SecretAccessKey"])
    of_user = session(user.client("sts").get_session_token()["Credentials"])
    of_role = session(sts.assume_role(RoleArn=make_role(), RoleSessionName="me")["Credentials"])
    iam.create_role(RoleName="other", AssumeRolePolicyDocument=TRUST_LAMBDA)
    for one in (of_user, of_role):
        assert one.client("sts").get_caller_identity()["Account"] == account.account
    iam.delete_role(RoleName="r")
    iam.delete_access_key(UserName="u", AccessKeyId=key["AccessKeyId"])
    assert of_user.client("sts").get_caller_identity()["Arn"].endswith(":user/u")
    iam.delete_user(UserName="u")
    make_role()  # a namesake does not bring them back
    iam.create_user(UserName="u")
    for one in (of_user, of_role):
        with pytest.raises(ClientError) as error:
            one.client("sts").get_caller_identity()
        assert code(error) == "InvalidClientTokenId"


def test_temporary_credentials_outlive_a_restart(start_server: Callable[..., Server]) -> None:
    first = start_server()
    keys = first.client("sts").get_session_token()["Credentials"]
    first.stop(kill=True)
    second = start_server(first.data)
    session = Account(
        second.url, second.account, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    )
    assert session.client("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{second.account}:root"


def test_the_aws_command_knows_who_it_is(account: Account) -> None:
    assert account.aws_json("sts", "get-caller-identity")["Account"] == account.account
    name = unique("role")
    account.aws("iam", "create-role", "--role-name", name, "--assume-role-policy-document", TRUST_LAMBDA)
    assert account.aws_json("iam", "list-roles")["Roles"][0]["RoleName"] == name
