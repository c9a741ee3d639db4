"""Every operation of real services, both ways: botocore writes what we read, and reads what we write."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from undercast.gateway import model
from undercast.gateway.protocols import protocol
from undercast.gateway.request import Request, Response
from undercast.services.base import AwsError

MOMENT = dt.datetime(2026, 5, 1, 10, 20, 30, tzinfo=dt.UTC)
AWKWARD = 'a&b <c> "d" é\u2028 \U0001f600=;/+%20'
PAIRS = [
    ("ec2", "ec2"),
    ("iam", "query"),
    ("sts", "query"),
    ("autoscaling", "query"),
    ("elbv2", "query"),
    ("logs", "json"),
    ("dynamodb", "json"),
    ("cloudwatch", "smithy-rpc-v2-cbor"),
    ("cloudwatch", "json"),
    ("lambda", "rest-json"),
    ("apigatewayv2", "rest-json"),
    ("apigateway", "rest-json"),
    ("s3", "rest-xml"),
    ("route53", "rest-xml"),
]


class Sample:
    """A value for every shape, every member filled, recursion cut off."""

    def __init__(self, output: bool) -> None:
        self.output = output

    def of(self, shape: Shape, depth: int = 0) -> Any:
        if isinstance(shape, StructureShape):
            return self._structure(shape, depth)
        if isinstance(shape, ListShape):
            return [self.of(shape.member, depth + 1), self.of(shape.member, depth + 1)]
        if isinstance(shape, MapShape):
            return {self._key(shape.key): self.of(shape.value, depth + 1)}
        return self._scalar(shape)

    def _structure(self, shape: StructureShape, depth: int) -> Any:
        if getattr(shape, "is_document_type", False):
            return {"free": ["form", 1, None]}
        members: Iterator[tuple[str, Shape]] = iter(shape.members.items())
        if getattr(shape, "is_tagged_union", False):
            members = iter(list(shape.members.items())[:1])
        filled = {name: self.of(part, depth + 1) for name, part in members if depth < 5 or _flat(part)}
        # Forms have no way to say "an empty structure".
        return {name: value for name, value in filled.items() if value not in ({}, [{}, {}], {"key": {}})}

    def _key(self, shape: Shape) -> str:
        return shape.enum[0] if getattr(shape, "enum", None) else "key"

    def _scalar(self, shape: Shape) -> Any:
        kind = shape.type_name
        if kind == "boolean":
            return True
        if kind in ("integer", "long", "short"):
            return 200 if shape.serialization.get("location") == "statusCode" else 7
        if kind in ("float", "double"):
            return 2.5
        if kind == "timestamp":
            return MOMENT
        if kind == "blob":
            return b"\x00blob"
        if getattr(shape, "enum", None):
            return shape.enum[0]
        if shape.serialization.get("location") in ("header", "headers", "uri", "querystring"):
            return "a b/c:d" if shape.serialization["location"] in ("uri", "querystring") else "plain"
        return AWKWARD


def _flat(shape: Shape) -> bool:
    return shape.type_name not in ("structure", "list", "map")


def _operations(service: str) -> list[str]:
    # S3's old ones have two members of one name, and ListDirectoryBuckets differs by its host alone.
    twins = {"GetBucketNotification", "PutBucketNotification", "GetBucketLifecycle", "PutBucketLifecycle"}
    return sorted(
        model.load(service).operation_names - twins - {"ListDirectoryBuckets", "SelectObjectContent"}
    )


def _sent(service: str, name: str, protocol_name: str, params: dict[str, Any]) -> Request:
    """What boto3 puts on the wire."""
    operation = model.load(service).botocore.operation_model(name)
    made = create_serializer(protocol_name, include_validation=False).serialize_to_request(params, operation)
    body = made["body"]
    if isinstance(body, dict):
        body = urlencode(body).encode()
    elif isinstance(body, str):
        body = body.encode()
    path, _, query = made["url_path"].partition("?")
    pairs = [
        (key, one)
        for key, value in (made.get("query_string") or {}).items()
        for one in (value if isinstance(value, list) else [value])
    ]
    query = "&".join(
        filter(
            None, [query, *(f"{quote(str(k), safe='-_.~')}={quote(str(v), safe='-_.~')}" for k, v in pairs)]
        )
    )
    headers = {key.lower(): value for key, value in made["headers"].items()}
    return Request(
        made["method"], path, query, headers, list(headers.items()), body or b"", "http", "127.0.0.1", "id"
    )


def _without_streams(shape: StructureShape | None, params: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value
        for name, value in params.items()
        if shape is not None and not shape.members[name].serialization.get("eventstream")
    }


def _same(ours: Any, theirs: Any) -> bool:
    """Equal, but for what JSON and HTTP can not tell apart."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(_same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, str) and isinstance(theirs, bytes):  # botocore decodes a blob that is a payload
        return ours.encode() == theirs
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    return bool(ours == theirs)


@pytest.mark.parametrize(("service", "name"), PAIRS)
def test_requests_are_read_as_boto3_writes_them(service: str, name: str) -> None:
    spoken, sample = protocol(service, name), Sample(output=False)
    for operation_name in _operations(service):
        shape = model.load(service).botocore.operation_model(operation_name).input_shape
        params = _without_streams(shape, sample.of(shape)) if shape is not None else {}
        request = _sent(service, operation_name, name, dict(params))
        asked = spoken.find(request)
        assert asked.operation.name == operation_name, f"{request.method} {request.path}"
        read = spoken.read(asked, request)
        assert _same(read, params), f"{operation_name}: {read} != {params}"


@pytest.mark.parametrize(("service", "name"), PAIRS)
def test_answers_are_written_as_boto3_reads_them(service: str, name: str) -> None:
    spoken, sample = protocol(service, name), Sample(output=True)
    parser = create_parser(name)
    for operation_name in _operations(service):
        operation = model.load(service).operation(operation_name)
        assert operation is not None
        shape = operation.output
        result = _without_streams(shape, sample.of(shape)) if shape is not None else {}
        if shape is not None and shape.event_stream_name:
            continue  # read by its own test
        response = spoken.answer(operation, dict(result), str(uuid.uuid4()))
        told = _parse(parser, response, shape)
        assert _same(told, result), f"{operation_name}:\n{told}\n!=\n{result}\n{response.body!r}"


def _parse(parser: Any, response: Response, shape: StructureShape | None) -> dict[str, Any]:
    from botocore.awsrequest import HeadersDict

    assert isinstance(response.body, bytes)
    told = parser.parse(
        {"status_code": 200, "headers": HeadersDict(response.headers), "body": response.body}, shape
    )
    told.pop("ResponseMetadata")
    for name in list(told):
        if hasattr(told[name], "read"):
            told[name] = told[name].read()
    return dict(told)


@pytest.mark.parametrize(("service", "name"), PAIRS)
def test_errors_are_written_as_boto3_reads_them(service: str, name: str) -> None:
    spoken, parser = protocol(service, name), create_parser(name)
    for code, status in (("ThrottlingException", 429), ("Odd.Code", 400), ("InternalFailure", 500)):
        response = spoken.error(AwsError(code, AWKWARD, status), "the-id")
        from botocore.awsrequest import HeadersDict

        told = parser.parse(
            {"status_code": response.status, "headers": HeadersDict(response.headers), "body": response.body},
            None,
        )
        assert told["Error"]["Code"] == code
        assert told["Error"]["Message"] == AWKWARD
        assert told["ResponseMetadata"]["HTTPStatusCode"] == status
        assert told["ResponseMetadata"]["RequestId"] == "the-id"
