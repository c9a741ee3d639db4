"""The gateway of a real server: identities, partitions, signatures, Undercast's own addresses."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError

from support import Account, Server, unique

TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
)


def refused(client: Any, operation: str, **params: Any) -> tuple[str, str, int]:
    """Code, message and status of an operation that must fail."""
    with pytest.raises(ClientError) as caught:
        getattr(client, operation)(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["Error"]["Message"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_identity_is_the_accounts(server: Server, account: Account) -> None:
    assert account.account != server.account
    for caller in (server, account):
        told = caller.client("sts").get_caller_identity()
        assert told["Account"] == caller.account
        assert told["Arn"] == f"arn:aws:iam::{caller.account}:root"
        assert told["ResponseMetadata"]["RequestId"]
    assert account.aws_json("sts", "get-caller-identity")["Account"] == account.account


def test_accounts_and_regions_are_partitions(server: Server, account: Account) -> None:
    name = unique()
    account.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)
    assert refused(server.client("iam"), "get_role", RoleName=name)[0] == "NoSuchEntity"
    account.client("logs", "eu-west-1").create_log_group(logGroupName=name)
    found = account.client("logs", "eu-west-1").describe_log_groups()["logGroups"]
    assert [group["arn"] for group in found] == [
        f"arn:aws:logs:eu-west-1:{account.account}:log-group:{name}:*"
    ]
    assert account.client("logs", "us-east-1").describe_log_groups()["logGroups"] == []
    assert server.client("logs", "eu-west-1").describe_log_groups(logGroupNamePrefix=name)["logGroups"] == []


def test_keys_that_are_wrong_are_refused_in_each_services_words(account: Account) -> None:
    wrong = Account(account.url, account.account, account.access_key_id, "wrong")
    nobody = Account(account.url, account.account, "AKIAIOSFODNN7EXAMPLE", "wrong")
    code, message, status = refused(wrong.client("sts"), "get_caller_identity")
    assert (code, status) == ("SignatureDoesNotMatch", 403)
    assert message.startswith("The request signature we calculated does not match")
    invalid = "The security token included in the request is invalid."
    assert refused(wrong.client("lambda"), "list_functions")[0::2] == ("InvalidSignatureException", 403)
    assert refused(nobody.client("sts"), "get_caller_identity") == ("InvalidClientTokenId", invalid, 403)
    assert refused(nobody.client("lambda"), "list_functions") == ("UnrecognizedClientException", invalid, 403)
    assert refused(nobody.client("logs"), "describe_log_groups") == (
        "UnrecognizedClientException",
        invalid,
        400,
    )
    assert "InvalidClientTokenId" in nobody.aws("sts", "get-caller-identity", check=False).stderr
    unsigned = requests.post(
        account.url, data={"Action": "GetCallerIdentity", "Version": "2011-06-15"}, timeout=5
    )
    assert unsigned.status_code == 403
    assert "<Code>MissingAuthenticationToken</Code>" in unsigned.text


def test_temporary_credentials_carry_their_token(account: Account) -> None:
    issued = account.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
    assert issued["Expiration"] > dt.datetime.now(dt.UTC)
    keys = (issued["AccessKeyId"], issued["SecretAccessKey"])
    with_token = Account(account.url, account.account, *keys, issued["SessionToken"])
    assert with_token.client("sts").get_caller_identity()["Account"] == account.account
    without = Account(account.url, account.account, *keys)
    assert refused(without.client("sts"), "get_caller_identity")[0] == "InvalidClientTokenId"


def test_presigned_requests(account: Account) -> None:
    url = account.client("sts").generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")
    told = requests.get(url, timeout=5)
    assert told.status_code == 200
    assert f"<Account>{account.account}</Account>" in told.text
    assert requests.get(url.replace("GetCallerIdentity", "GetSessionToken"), timeout=5).status_code == 403


def test_violations_and_unknowns_reach_the_client(account: Account) -> None:
    code, message, status = refused(account.client("lambda"), "get_function", FunctionName="a b")
    assert (code, status) == ("ValidationException", 400)
    assert message.startswith("1 validation error detected: Value 'a b' at 'functionName' failed to satisfy")
    code, message, status = refused(account.client("dynamodb"), "list_tables")
    assert (code, message, status) == ("NotImplemented", "Undercast does not serve dynamodb.", 501)
    told = account.signed("GET", "/2015-03-31/no/such/path", "lambda")
    assert told.status_code == 404
    assert told.headers["x-amzn-errortype"] == "UnknownOperationException"
    assert told.headers["x-amzn-requestid"]


def test_reset_empties_the_callers_account_alone(server: Server, account: Account) -> None:
    other = server.account_factory()
    for caller in (account, other):
        caller.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=TRUST)
        caller.client("logs").create_log_group(logGroupName="g")
    told = account.signed("POST", "/_undercast/reset", "undercast")
    assert told.json() == {"account": account.account, "status": "empty"}
    assert account.client("iam").list_roles()["Roles"] == []
    assert account.client("logs").describe_log_groups()["logGroups"] == []
    assert len(other.client("iam").list_roles()["Roles"]) == 1
    assert len(other.client("logs").describe_log_groups()["logGroups"]) == 1
    assert requests.post(f"{server.url}/_undercast/reset", timeout=5).status_code == 403
    forged = Account(account.url, account.account, account.access_key_id, "wrong")
    assert forged.signed("POST", "/_undercast/reset", "undercast").status_code == 403


def test_health_and_accounts(server: Server, account: Account) -> None:
    told = requests.get(f"{server.url}/_undercast/health", timeout=5).json()
    assert told["status"] == "running"
    assert told["services"]["sts"] == "available"
    assert told["runtimes"]["provided.al2023"] == "available"
    assert account.signed("POST", "/_undercast/accounts", "undercast", b"{}").status_code == 403
    assert server.signed("POST", "/_undercast/accounts", "undercast", b"[]").status_code == 400
    short = server.signed("POST", "/_undercast/accounts", "undercast", b'{"account": "1"}')
    assert short.status_code == 400
    taken = json.dumps({"account": account.account}).encode()
    assert server.signed("POST", "/_undercast/accounts", "undercast", taken).status_code == 409
    known = server.signed("GET", "/_undercast/accounts", "undercast").json()["accounts"]
    assert account.account in {one["account"] for one in known}
