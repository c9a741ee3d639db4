"""Function names in all their forms."""

from __future__ import annotations

import pytest

from undercast.services.base import AwsError, Call
from undercast.services.lambda_ import names

_ARN = "arn:aws:lambda:us-east-1:111111111111:function:"


def call(operation: str = "GetFunction") -> Call:
    return Call(
        "lambda",
        operation,
        "111111111111",
        "us-east-1",
        "arn:aws:iam::111111111111:root",
        "111111111111",
        "AKIA",
        "id",
        "127.0.0.1",
        "http://127.0.0.1",
        {},
    )


@pytest.mark.parametrize(
    ("name", "qualifier", "expected"),
    [
        ("f", None, ("f", None)),
        ("f", "1", ("f", "1")),
        ("f:live", None, ("f", "live")),
        ("f:live", "live", ("f", "live")),
        ("f:$LATEST", None, ("f", "$LATEST")),
        ("111111111111:function:f", None, ("f", None)),
        ("111111111111:f:2", None, ("f", "2")),
        ("function:f", None, ("f", None)),
        (f"{_ARN}f", "7", ("f", "7")),
        (f"{_ARN}f:7", None, ("f", "7")),
        ("us-east-1:111111111111:function:f", None, ("f", None)),
    ],
)
def test_forms(name: str, qualifier: str | None, expected: tuple[str, str | None]) -> None:
    ref = names.parse(call(), name, qualifier)
    assert (ref.account, ref.region) == ("111111111111", "us-east-1")
    assert (ref.name, ref.qualifier) == expected


@pytest.mark.parametrize(
    ("name", "qualifier", "code", "message"),
    [
        (
            "f:1",
            "2",
            "InvalidParameterValueException",
            "The derived qualifier from the function name does not match the specified qualifier.",
        ),
        (
            "arn:aws:lambda:eu-west-1:111111111111:function:f",
            None,
            "ResourceNotFoundException",
            "Functions from 'eu-west-1' are not reachable in this region ('us-east-1')",
        ),
        (
            "arn:aws:lambda:us-east-1:222222222222:function:f",
            None,
            "AccessDeniedException",
            "User: arn:aws:iam::111111111111:root is not authorized to perform: lambda:GetFunction on "
            "resource: arn:aws:lambda:us-east-1:222222222222:function:f because no resource-based policy "
            "allows the lambda:GetFunction action",
        ),
    ],
)
def test_refusals(name: str, qualifier: str | None, code: str, message: str) -> None:
    with pytest.raises(AwsError) as caught:
        names.parse(call(), name, qualifier)
    assert (caught.value.code, caught.value.message) == (code, message)


def test_new_names() -> None:
    assert names.new_name(call(), f"{_ARN}{'n' * 64}") == "n" * 64
    with pytest.raises(AwsError) as caught:
        names.new_name(call(), "n" * 65)
    assert caught.value.code == "InvalidParameterValueException"
    assert caught.value.message.endswith("Member must have length less than or equal to 64")
    for bad in ("f:1", "a.b", "a b", f"{_ARN}{'n' * 65}"):
        with pytest.raises(AwsError) as caught:
            names.new_name(call(), bad)
        assert caught.value.code == "ValidationException"
        assert "Type" not in caught.value.members
