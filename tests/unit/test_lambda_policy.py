"""Resource policies: who gets in, and who does not."""

from __future__ import annotations

from typing import Any

import pytest

from undercast.services.base import AwsError
from undercast.services.lambda_.policy import INVOKE, INVOKE_URL, Asker, allows, statement
from undercast.services.wildcards import arn_like

_API = "arn:aws:execute-api:us-east-1:111111111111:abc/*/*/calc"


@pytest.mark.parametrize(
    ("pattern", "arn", "matches"),
    [
        (_API, "arn:aws:execute-api:us-east-1:111111111111:abc/$default/GET/calc", True),
        (_API, "arn:aws:execute-api:us-east-1:111111111111:abd/$default/GET/calc", False),
        (_API, "arn:aws:execute-api:us-east-1:222222222222:abc/$default/GET/calc", False),
        ("arn:aws:s3:::bucket", "arn:aws:s3:::bucket", True),
        ("arn:aws:s3:::bucket*", "arn:aws:s3:::bucket-2", True),
        ("arn:aws:s3:::b?cket", "arn:aws:s3:::bucket", True),
        ("arn:aws:s3:::b?cket", "arn:aws:s3:::buucket", False),
        ("arn:aws:sns:*:111111111111:t", "arn:aws:sns:eu-west-1:111111111111:t", True),
        ("arn:aws:sns:*:t", "arn:aws:sns:eu-west-1:111111111111:t", False),  # * does not cross a colon
        ("*", "arn:aws:s3:::bucket", False),
        ("arn:aws:logs:us-east-1:1:log-group:*", "arn:aws:logs:us-east-1:1:log-group:/a:stream", True),
        ("arn:aws:s3:::a.b", "arn:aws:s3:::axb", False),  # a dot is a dot
    ],
)
def test_arn_like(pattern: str, arn: str, matches: bool) -> None:
    assert arn_like(pattern, arn) is matches


def test_a_hostile_pattern_does_not_hang() -> None:
    assert not arn_like("arn:aws:s3:::" + "*" * 5000 + "x", "arn:aws:s3:::" + "a" * 1000)


def policy(**params: Any) -> dict[str, Any]:
    defaults = {"StatementId": "s", "Action": INVOKE, "Principal": "apigateway.amazonaws.com"}
    return {"Statement": [statement(defaults | params, "arn:aws:lambda:us-east-1:1:function:f")]}


_SERVICE = Asker(
    service="apigateway.amazonaws.com",
    context={
        "aws:sourcearn": "arn:aws:execute-api:us-east-1:111111111111:abc/$default/GET/calc",
        "aws:sourceaccount": "111111111111",
    },
)
_USER = Asker(principal_arn="arn:aws:iam::222222222222:user/u", account="222222222222")
_URL = Asker(context={"lambda:functionurlauthtype": "NONE", "lambda:invokedviafunctionurl": "true"})


@pytest.mark.parametrize(
    ("params", "action", "asker", "allowed"),
    [
        ({}, INVOKE, _SERVICE, True),
        ({}, INVOKE, _USER, False),
        ({}, INVOKE_URL, _SERVICE, False),
        ({"SourceArn": _API}, INVOKE, _SERVICE, True),
        ({"SourceArn": _API}, INVOKE, Asker(service="apigateway.amazonaws.com"), False),
        ({"SourceArn": "arn:aws:execute-api:us-east-1:111111111111:other/*"}, INVOKE, _SERVICE, False),
        ({"SourceAccount": "111111111111"}, INVOKE, _SERVICE, True),
        ({"SourceAccount": "333333333333"}, INVOKE, _SERVICE, False),
        ({"Principal": "s3.amazonaws.com"}, INVOKE, _SERVICE, False),
        ({"Principal": "*"}, INVOKE, _SERVICE, True),
        ({"Action": "lambda:*"}, INVOKE, _SERVICE, True),
        ({"Action": "*"}, INVOKE, _SERVICE, True),
        ({"Action": "lambda:GetFunction"}, INVOKE, _SERVICE, False),
        ({"Principal": "222222222222"}, INVOKE, _USER, True),
        ({"Principal": "111111111111"}, INVOKE, _USER, False),
        ({"Principal": "arn:aws:iam::222222222222:user/u"}, INVOKE, _USER, True),
        ({"Principal": "arn:aws:iam::222222222222:user/v"}, INVOKE, _USER, False),
        ({"Principal": "222222222222", "PrincipalOrgID": "o-1234567890"}, INVOKE, _USER, False),
        ({"Principal": "*", "Action": INVOKE_URL, "FunctionUrlAuthType": "NONE"}, INVOKE_URL, _URL, True),
        ({"Principal": "*", "Action": INVOKE_URL, "FunctionUrlAuthType": "AWS_IAM"}, INVOKE_URL, _URL, False),
        ({"Principal": "222222222222", "Action": INVOKE_URL}, INVOKE_URL, _URL, False),
        ({"Principal": "*", "InvokedViaFunctionUrl": True}, INVOKE, _URL, True),
        ({"Principal": "*", "InvokedViaFunctionUrl": True}, INVOKE, _USER, False),
    ],
)
def test_allows(params: dict[str, Any], action: str, asker: Asker, allowed: bool) -> None:
    assert allows(policy(**params), action, asker) is allowed


def test_no_policy_lets_nobody_in() -> None:
    assert not allows(None, INVOKE, _SERVICE)


@pytest.mark.parametrize("principal", ["nobody", "12345", "evil.example.com", "arn:aws:s3:::b"])
def test_a_principal_that_is_none(principal: str) -> None:
    with pytest.raises(AwsError, match="The provided principal was invalid"):
        policy(Principal=principal)
