"""The parts of the HTTP APIs' data plane that are pure: matching, inference, mapping, policies, CORS."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from undercast.services.apigatewayv2 import routes
from undercast.services.apigatewayv2.serving import (
    access_log,
    parameter_mapping,
    policies,
    responses,
    throttling,
)
from undercast.services.apigatewayv2.serving.cross_origin import CorsRules
from undercast.services.apigatewayv2.serving.matching import RouteTable
from undercast.services.base import AwsError

KEYS = [
    "GET /",
    "GET /pets/dog/1",
    "GET /pets/dog/{id}",
    "GET /pets/{kind}/1",
    "GET /pets/{proxy+}",
    "ANY /pets/cat",
    "POST /pets/cat",
    "POST /pets/{id}/toys/{toy}",
    "ANY /{proxy+}",
    "$default",
]


@pytest.mark.parametrize(
    ("method", "path", "key", "parameters"),
    [
        ("GET", "/", "GET /", {}),
        ("POST", "/", "$default", {}),
        ("GET", "/pets/dog/1", "GET /pets/dog/1", {}),
        ("GET", "/pets/dog/2", "GET /pets/dog/{id}", {"id": "2"}),
        ("GET", "/pets/fish/1", "GET /pets/{kind}/1", {"kind": "fish"}),
        ("GET", "/pets/fish/2/x", "GET /pets/{proxy+}", {"proxy": "fish/2/x"}),
        ("GET", "/pets/cat", "ANY /pets/cat", {}),
        ("POST", "/pets/cat", "POST /pets/cat", {}),
        ("POST", "/pets/7/toys/ball", "POST /pets/{id}/toys/{toy}", {"id": "7", "toy": "ball"}),
        ("POST", "/pets/dog/1", "ANY /{proxy+}", {"proxy": "pets/dog/1"}),
        ("GET", "/pets/dog/a%2Fb%20c", "GET /pets/dog/{id}", {"id": "a/b c"}),
        ("GET", "/pets/", "ANY /{proxy+}", {"proxy": "pets/"}),
        ("GET", "/pets//x", "GET /pets/{proxy+}", {"proxy": "/x"}),
        ("DELETE", "/x/y", "ANY /{proxy+}", {"proxy": "x/y"}),
    ],
)
def test_the_most_specific_route_wins(method: str, path: str, key: str, parameters: dict[str, str]) -> None:
    table = RouteTable([(one, one) for one in KEYS])
    assert table.match(method, path) == (key, parameters)


def test_without_a_default_route_there_may_be_none() -> None:
    table = RouteTable([("GET /a", 1), ("GET /a/{x}", 2)])
    assert table.match("GET", "/b") == (None, {})
    assert table.match("POST", "/a") == (None, {})
    assert table.match("GET", "/a/") == (None, {})
    assert table.match("GET", "/a/1/2") == (None, {})


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ("$default", True),
        ("GET /", True),
        ("ANY /a/{b}/{c+}", True),
        ("PATCH /a-b_c.d~e", True),
        ("get /a", False),
        ("GET a", False),
        ("GET/a", False),
        ("FETCH /a", False),
        ("GET /{a+}/b", False),
        ("GET /{a}/{a}", False),
        ("GET /a b", False),
        ("GET /{}", False),
    ],
)
def test_route_keys(key: str, good: bool) -> None:
    if good:
        routes.check_key(key)
    else:
        with pytest.raises(AwsError) as caught:
            routes.check_key(key)
        assert caught.value.code == "BadRequestException"


TEXT = ("content-type", "text/plain;charset=UTF-8")
JSON = ("content-type", "application/json")


@pytest.mark.parametrize(
    ("returned", "status", "headers", "body"),
    [
        ({"statusCode": 200, "body": 2.0}, 200, [TEXT], b"2.0"),
        ({"statusCode": 200, "body": 3}, 200, [TEXT], b"3"),
        ({"statusCode": 200, "body": True}, 200, [TEXT], b"true"),
        ({"statusCode": "201", "body": "x"}, 201, [TEXT], b"x"),
        ({"statusCode": 204}, 204, [TEXT], b""),
        ({"statusCode": 200, "body": None, "headers": None}, 200, [TEXT], b""),
        ({"a": [1, 2.5, None]}, 200, [JSON], b'{"a":[1,2.5,null]}'),
        ({"body": "no status"}, 200, [JSON], b'{"body":"no status"}'),
        ([1, 2], 200, [JSON], b"[1,2]"),
        ("plain text", 200, [JSON], b"plain text"),
        (7, 200, [JSON], b"7"),
        (3.1, 200, [JSON], b"3.1"),
        (True, 200, [JSON], b"true"),
        (None, 200, [JSON], b"null"),
        (
            {
                "statusCode": 302,
                "headers": {"Location": "/x", "X-N": 1, "Content-Length": "99"},
                "cookies": ["a=1", "b=2"],
            },
            302,
            [TEXT, ("Location", "/x"), ("X-N", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")],
            b"",
        ),
        (
            {
                "statusCode": 200,
                "headers": {"Content-Type": "image/png"},
                "isBase64Encoded": True,
                "body": base64.b64encode(b"\x00\xff").decode(),
            },
            200,
            [("Content-Type", "image/png")],
            b"\x00\xff",
        ),
    ],
)
def test_format_2_infers_the_response(returned: Any, status: int, headers: Any, body: bytes) -> None:
    assert responses.from_payload(orjson.dumps(returned), "2.0") == (status, headers, body)


@pytest.mark.parametrize(
    "returned",
    [
        {"statusCode": "abc"},
        {"statusCode": 99},
        {"statusCode": 600},
        {"statusCode": True},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "body": [1]},
        {"statusCode": 200, "headers": ["a"]},
        {"statusCode": 200, "headers": {"a": {}}},
        {"statusCode": 200, "headers": {"a": "x\r\nset-cookie: evil=1"}},
        {"statusCode": 200, "cookies": "a=1"},
        {"statusCode": 200, "body": "*", "isBase64Encoded": True},
    ],
)
@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_wrong_shapes_are_told_apart(returned: Any, version: str) -> None:
    if version == "1.0" and "cookies" in returned:
        assert responses.from_payload(orjson.dumps(returned), version)[0] == 200
        return
    with pytest.raises(responses.WrongShape):
        responses.from_payload(orjson.dumps(returned), version)


def test_format_1_wants_the_full_shape_and_knows_multi_value_headers() -> None:
    returned = {
        "statusCode": 200,
        "headers": {"a": "1", "B": "2"},
        "multiValueHeaders": {"b": ["3", "4"]},
        "body": "x",
    }
    assert responses.from_payload(orjson.dumps(returned), "1.0") == (
        200,
        [TEXT, ("a", "1"), ("b", "3"), ("b", "4")],
        b"x",
    )
    for wrong in (
        b'"text"',
        b"{}",
        b"null",
        b"not json",
        b'{"statusCode":200,"multiValueHeaders":{"a":"x"}}',
    ):
        with pytest.raises(responses.WrongShape):
            responses.from_payload(wrong, "1.0")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"append:header.Authorization": "x"}, "Operations on header Authorization are restricted"),
        ({"overwrite:header.x-amz-date": "x"}, "Operations on header x-amz-date are restricted"),
        ({"set:header.a": "x"}, "Invalid mapping expression specified: set:header.a"),
        ({"append:path": "x"}, "Invalid mapping expression specified: append:path"),
        ({"append:header.a": "$request.headers.b"}, r"specified: \$request\.headers\.b"),
        ({"append:header.a": "x-${request.querystring}"}, "specified: x-"),
        ({"append:header.a": "$context"}, r"specified: \$context"),
        ({"append:header": "x"}, "Invalid mapping expression specified: append:header"),
        ({"overwrite:statuscode": "200"}, "Invalid mapping expression specified: overwrite:statuscode"),
        ({f"append:header.h{n}": "x" for n in range(11)}, "At most 10 parameters can be mapped"),
    ],
)
def test_bad_mappings_are_refused(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(parameter_mapping.BadMapping, match=message):
        parameter_mapping.compile_request(parameters)


ARN = "arn:aws:execute-api:us-east-1:123456789012:abc/dev/GET/pets"


def _statement(effect: str, resource: Any, action: Any = "execute-api:Invoke", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        (_statement("Allow", ARN), True),
        ([_statement("Allow", "*")], True),
        ([_statement("Allow", "arn:aws:execute-api:*:*:abc/*/GET/p?ts", ["execute-api:*"])], True),
        ([_statement("Allow", ["x", ARN])], True),
        ([_statement("Allow", "*"), _statement("Deny", ARN)], False),
        ([_statement("Allow", "arn:aws:execute-api:us-east-1:123456789012:abc/dev/POST/*")], False),
        ([_statement("Allow", "*", "s3:GetObject")], False),
        ([_statement("Allow", "*", Condition={"IpAddress": {}})], False),
        ([], False),
    ],
)
def test_authorizer_policies(statements: Any, allowed: bool) -> None:
    assert policies.allows({"Version": "2012-10-17", "Statement": statements}, ARN) is allowed


def test_a_hostile_policy_is_matched_in_time() -> None:
    pattern = "*a" * 40 + "b"
    assert not policies.allows({"Statement": _statement("Allow", pattern)}, "a" * 5000)
    assert policies.allows({"Statement": _statement("Allow", "a*a?a*")}, "aaaa")


@pytest.mark.parametrize("document", [None, {}, {"Statement": ["x"]}, {"Statement": {"Effect": "Maybe"}}])
def test_what_is_no_policy(document: Any) -> None:
    with pytest.raises(policies.BadPolicy):
        policies.allows(document, ARN)


def test_cors_answers_and_replaces() -> None:
    rules = CorsRules(
        {
            "AllowOrigins": ["https://a.example", "http://*"],
            "AllowMethods": ["GET", "POST"],
            "AllowHeaders": ["x-a"],
            "ExposeHeaders": ["x-b"],
            "MaxAge": 60,
            "AllowCredentials": True,
        }
    )
    assert rules.preflight("https://A.example") == [
        ("access-control-allow-origin", "https://A.example"),
        ("access-control-allow-methods", "GET,POST"),
        ("access-control-allow-headers", "x-a"),
        ("access-control-max-age", "60"),
        ("access-control-allow-credentials", "true"),
        ("access-control-expose-headers", "x-b"),
    ]
    assert rules.preflight("https://evil.example") == []
    assert rules.preflight(None) == []
    assert rules.preflight("http://any.example")[0] == ("access-control-allow-origin", "http://any.example")
    theirs = [("Access-Control-Allow-Origin", "*"), ("x", "y")]
    assert rules.apply(theirs, "https://evil.example") == [("x", "y")]
    assert CorsRules({"AllowOrigins": ["*"]}).apply([], "https://x") == [("access-control-allow-origin", "*")]


def test_a_bucket_gives_its_burst_and_no_more() -> None:
    limit = throttling.bucket({"ThrottlingRateLimit": 0.001, "ThrottlingBurstLimit": 3})
    assert limit is not None
    assert [limit.take() for _ in range(5)] == [True, True, True, False, False]
    assert throttling.bucket({"DetailedMetricsEnabled": False}) is None
    blocked = throttling.bucket({"ThrottlingRateLimit": 0, "ThrottlingBurstLimit": 0})
    assert blocked is not None and not blocked.take()


@pytest.mark.parametrize("bad", ["", "no id", "$context.requestId\nx", "$context.requestId" + "x" * 4000])
def test_access_log_formats(bad: str) -> None:
    access_log.check('{"id":"$context.requestId","s":$context.status}\n')
    with pytest.raises(ValueError, match="Access log format must"):
        access_log.check(bad)
