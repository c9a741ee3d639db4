"""Parameters against the model: accepted when right, refused in the service's own words when not."""

from __future__ import annotations

import time
from typing import Any

import pytest

from undercast.gateway import model
from undercast.gateway.constraints import enum_order
from undercast.gateway.patterns import matcher
from undercast.gateway.protocols import protocol
from undercast.gateway.request import Request
from undercast.gateway.validation import validator
from undercast.services.base import AwsError

ROLE = "arn:aws:iam::123456789012:role/r"
LATIN = "[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+"


def violation(service: str, operation: str, params: dict[str, Any]) -> AwsError | None:
    found = model.load(service).operation(operation)
    assert found is not None
    try:
        validator(service).check(found, params)
    except AwsError as error:
        return error
    return None


def function(**changes: Any) -> dict[str, Any]:
    params = {"FunctionName": "f", "Role": ROLE, "Runtime": "python3.12", "Handler": "a.b", "Code": {}}
    return {name: value for name, value in (params | changes).items() if value is not None}


CASES = [
    ("lambda", "CreateFunction", function(), None, None),
    (
        "lambda",
        "CreateFunction",
        function(Role=None),
        "ValidationException",
        "1 validation error detected: Value null at 'role' failed to satisfy constraint: "
        "Member must not be null",
    ),
    (
        "lambda",
        "CreateFunction",
        function(MemorySize=20),
        "ValidationException",
        "1 validation error detected: Value '20' at 'memorySize' failed to satisfy constraint: "
        "Member must have value greater than or equal to 128",
    ),
    (
        "lambda",
        "CreateFunction",
        function(Handler="a b"),
        "ValidationException",
        "1 validation error detected: Value 'a b' at 'handler' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [^\s]+",
    ),
    (
        "lambda",
        "CreateFunction",
        function(Code={"S3Bucket": "b"}),
        "ValidationException",
        "1 validation error detected: Value 'b' at 'code.s3Bucket' failed to satisfy constraint: "
        "Member must have length greater than or equal to 3",
    ),
    (
        "lambda",
        "CreateFunction",
        function(Architectures=["riscv"]),
        "ValidationException",
        "1 validation error detected: Value '[riscv]' at 'architectures' failed to satisfy constraint: "
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], "
        "Member must not be null]",
    ),
    (
        "lambda",
        "CreateFunctionUrlConfig",
        {"FunctionName": "f", "AuthType": "NONE", "InvokeMode": "UNKNOWN"},
        "ValidationException",
        "1 validation error detected: Value 'UNKNOWN' at 'invokeMode' failed to satisfy constraint: "
        "Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]",
    ),
    (
        "lambda",
        "CreateFunction",
        function(Role=None, MemorySize=1),
        "ValidationException",
        "2 validation errors detected: Value null at 'role' failed to satisfy constraint: "
        "Member must not be null; Value '1' at 'memorySize' failed to satisfy constraint: "
        "Member must have value greater than or equal to 128",
    ),
    (
        "logs",
        "CreateLogGroup",
        {"logGroupName": "a b"},
        "InvalidParameterException",
        "1 validation error detected: Value 'a b' at 'logGroupName' failed to satisfy constraint: "
        r"Member must satisfy regular expression pattern: [\.\-_/#A-Za-z0-9]+",
    ),
    (
        "iam",
        "GetRole",
        {},
        "ValidationError",
        "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: "
        "Member must not be null",
    ),
    (
        "ec2",
        "CreateTags",
        {"Resources": ["i-1"]},
        "MissingParameter",
        "The request must contain the parameter Tag",
    ),
    ("ec2", "DescribeInstances", {}, None, None),
]


@pytest.mark.parametrize(("service", "operation", "params", "code", "message"), CASES)
def test_violations_are_told_as_aws_tells_them(
    service: str, operation: str, params: dict[str, Any], code: str | None, message: str | None
) -> None:
    error = violation(service, operation, params)
    assert (error.code if error else None, error.message if error else None) == (code, message)


def test_secrets_are_not_repeated() -> None:
    error = violation("iam", "CreateLoginProfile", {"UserName": "u", "Password": "p" * 200})
    assert error is not None
    assert "ppp" not in error.message
    assert "Value at 'password' failed" in error.message


def test_enumerations_are_printed_in_awss_order() -> None:
    # Recorded from AWS in 2024; the order is that of a Java HashSet.
    text = """
        nodejs20.x, provided.al2023, python3.12, java17, provided, nodejs16.x, nodejs14.x, ruby2.7,
        python3.10, java11, python3.11, dotnet6, go1.x, nodejs18.x, provided.al2, java8, java8.al2,
        ruby3.2, python3.7, python3.8, python3.9"""
    recorded = [name.strip() for name in text.split(",")]
    modelled = model.load("lambda").botocore.shape_for("Runtime").enum
    assert enum_order(name for name in modelled if name in recorded) == recorded


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        (r"[a-zA-Z0-9-_]+", "a-_9", "a b"),
        (LATIN, "é ", "\u0100"),
        (r"(?!aws:)[a-z:]+", "abc", "aws:x"),
        (r"[\p{L}\p{N}]*", "é9", "!"),
        (r"(unreadable", "anything", None),
    ],
)
def test_patterns_of_every_dialect(pattern: str, fits: str, does_not: str | None) -> None:
    assert matcher(pattern)(fits)
    assert does_not is None or not matcher(pattern)(does_not)


def test_every_pattern_of_the_services_compiles_and_none_explodes() -> None:
    hostile = "a" * 50_000 + "!"
    began = time.monotonic()
    for service in ("lambda", "logs", "iam", "apigatewayv2", "sts"):
        botocore = model.load(service).botocore
        for name in botocore.shape_names:
            if pattern := botocore.shape_for(name).metadata.get("pattern"):
                matcher(pattern)(hostile)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"logGroupName": 5}', "NUMBER_VALUE can not be converted to a String"),
        (b'{"logGroupName": ["a"]}', "Start of list found where not expected"),
        (b'{"logGroupName": {"a": 1}}', "Start of structure or map found where not expected."),
        (b'{"tags": "a"}', "Unexpected field type"),
        (b"not json", "Could not parse request body into json"),
    ],
)
def test_json_of_the_wrong_type(body: bytes, message: str) -> None:
    spoken = protocol("logs", "json")
    headers = {"x-amz-target": "Logs_20140328.CreateLogGroup"}
    request = Request("POST", "/", "", headers, [], body, "http", "127.0.0.1", "id")
    with pytest.raises(AwsError) as caught:
        spoken.read(spoken.find(request), request)
    assert (caught.value.code, caught.value.message) == ("SerializationException", message)


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ("Action=RunInstances&MinCount=one", "InvalidParameterValue"),
        ("Action=RunInstances&EbsOptimized=maybe", "InvalidParameterValue"),
        ("Action=DoNothing", "InvalidAction"),
        ("", "MissingAction"),
        ("Action=RunInstances&" + ".".join("a" * 100) + "=1", "MalformedQueryString"),
    ],
)
def test_forms_that_can_not_be_read(form: str, code: str) -> None:
    spoken = protocol("ec2", "ec2")
    request = Request("POST", "/", "", {}, [], form.encode(), "http", "127.0.0.1", "id")
    with pytest.raises(AwsError) as caught:
        spoken.read(spoken.find(request), request)
    assert caught.value.code == code
