"""Function URLs: configured through the API, called over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from lambda_support import ECHO, Lambda, live_folder, refused
from support import Account, Server, wait_until

_FORBIDDEN = (
    "Forbidden. For troubleshooting Function URL authorization issues, see: "
    "https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html"
)


@pytest.fixture
def fn(account: Account) -> Lambda:
    return Lambda(account)


def allow(fn: Lambda, name: str, **params: Any) -> None:
    """Let everyone call a function URL without a signature."""
    everyone = {"FunctionName": name, "Principal": "*", **params}
    fn.client.add_permission(
        **everyone, StatementId="url", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="NONE"
    )
    fn.client.add_permission(
        **everyone, StatementId="invoke", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True
    )


def public(fn: Lambda, source: str, **params: Any) -> str:
    """A function everyone may call. Gives its URL."""
    name = fn.create(source)
    made = fn.client.create_function_url_config(FunctionName=name, AuthType="NONE", **params)
    allow(fn, name)
    return str(made["FunctionUrl"])


def test_configuration(fn: Lambda) -> None:
    client, name = fn.client, fn.create(Publish=True)
    made = client.create_function_url_config(FunctionName=name, AuthType="NONE")
    assert made.pop("ResponseMetadata")["HTTPStatusCode"] == 201
    url, created = made.pop("FunctionUrl"), made.pop("CreationTime")
    assert url.startswith("http://") and url.endswith("/")
    assert made == {"AuthType": "NONE", "FunctionArn": fn.arn(name), "InvokeMode": "BUFFERED"}

    second = refused(client.create_function_url_config, FunctionName=name, AuthType="NONE")
    assert (second.code, second.status) == ("ResourceConflictException", 409)
    assert second.message == (
        f"Failed to create function url config for [functionArn = {fn.arn(name)}]. "
        "Error message:  FunctionUrlConfig exists for this Lambda function"
    )
    mode = refused(client.update_function_url_config, FunctionName=name, InvokeMode="UNKNOWN")
    assert (mode.code, mode.status) == ("ValidationException", 400)
    assert mode.message == (
        "1 validation error detected: Value 'UNKNOWN' at 'invokeMode' failed to satisfy constraint: "
        "Member must satisfy enum value set: [RESPONSE_STREAM, BUFFERED]"
    )
    for qualifier in ("$LATEST", "1"):
        wrong = refused(client.get_function_url_config, FunctionName=name, Qualifier=qualifier)
        assert (wrong.code, wrong.status) == ("ValidationException", 400)
    missing = refused(client.create_function_url_config, FunctionName="absent", AuthType="NONE")
    assert (missing.status, missing.message) == (404, "Function does not exist")

    cors = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 60}
    updated = client.update_function_url_config(
        FunctionName=name, Cors=cors, AuthType="AWS_IAM", InvokeMode="RESPONSE_STREAM"
    )
    assert (updated["Cors"], updated["AuthType"], updated["FunctionUrl"]) == (cors, "AWS_IAM", url)
    shown = client.get_function_url_config(FunctionName=name)
    assert (shown["CreationTime"], shown["InvokeMode"]) == (created, "RESPONSE_STREAM")
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    client.create_function_url_config(FunctionName=name, AuthType="NONE", Qualifier="live")
    listed = client.list_function_url_configs(FunctionName=name)["FunctionUrlConfigs"]
    assert [each["FunctionArn"] for each in listed] == [fn.arn(name), f"{fn.arn(name)}:live"]
    client.delete_function_url_config(FunctionName=name)
    assert refused(client.get_function_url_config, FunctionName=name).status == 404
    gone = requests.get(fn.account.url, headers={"Host": urlsplit(url).netloc}, timeout=10)
    assert (gone.status_code, gone.json()) == (404, {"Message": None})


def test_the_event(fn: Lambda) -> None:
    url = public(fn, ECHO)
    answer = requests.post(
        f"{url}some/path%20here?a=1&a=2&b=&c=%C3%A4",
        data='{"x": 1}',
        headers={"Content-Type": "application/json", "X-Custom": "v", "Cookie": "c1=1; c2=2"},
        timeout=10,
    )
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    event = answer.json()
    assert event["version"] == "2.0" and event["routeKey"] == "$default"
    assert event["rawPath"] == "/some/path%20here"
    assert event["rawQueryString"] == "a=1&a=2&b=&c=%C3%A4"
    assert event["queryStringParameters"] == {"a": "1,2", "b": "", "c": "ä"}
    assert event["cookies"] == ["c1=1", "c2=2"]
    assert (event["body"], event["isBase64Encoded"]) == ('{"x": 1}', False)
    headers = event["headers"]
    assert headers["x-custom"] == "v"
    assert {
        "host",
        "x-forwarded-for",
        "x-forwarded-port",
        "x-forwarded-proto",
        "x-amzn-trace-id",
        "x-amzn-tls-version",
        "x-amzn-tls-cipher-suite",
    } <= set(headers)
    context = event["requestContext"]
    assert context["http"]["method"] == "POST" and context["http"]["path"] == "/some/path%20here"
    assert context["http"]["sourceIp"] == "127.0.0.1" and context["accountId"] == "anonymous"
    assert context["domainName"].startswith(context["domainPrefix"] + ".lambda-url.us-east-1.")
    assert context["requestId"] == answer.headers["x-amzn-requestid"]

    plain = requests.get(url, timeout=10).json()
    assert plain["rawPath"] == "/" and "body" not in plain and "queryStringParameters" not in plain
    binary = requests.post(url, files={"f": b"\0\1"}, timeout=10).json()
    assert binary["isBase64Encoded"] is True


_ANSWERS: list[tuple[str, int, str, str]] = [
    # what the handler returns, and the status, content type and body that become of it
    ("{'a': 1, 'b': [2]}", 200, "application/json", '{"a":1,"b":[2]}'),
    ("[1, 'x']", 200, "application/json", '[1,"x"]'),
    ("'text'", 200, "application/json", "text"),
    ("3", 200, "application/json", "3"),
    ("3.1", 200, "application/json", "3.1"),
    ("True", 200, "application/json", "true"),
    ("{'statusCode': 201, 'body': 'made'}", 201, "application/json", "made"),
    ("{'statusCode': '202'}", 202, "application/json", ""),
    ("{'statusCode': 200, 'body': {'k': 2.0}}", 200, "application/json", '{"k":2.0}'),
    ("{'body': 'no status'}", 200, "application/json", '{"body":"no status"}'),
    ("{'statusCode': 200, 'headers': {'Content-Type': 'text/plain'}, 'body': 'p'}", 200, "text/plain", "p"),
    (
        "{'statusCode': 200, 'body': 'aGk=', 'isBase64Encoded': True, 'headers': {'X-N': 5}}",
        200,
        "application/json",
        "hi",
    ),
    ("{'statusCode': 'nonsense'}", 502, "application/json", "Internal Server Error"),
    ("1 / 0", 502, "application/json", "Internal Server Error"),
]


def test_answers(fn: Lambda) -> None:
    code = "def handler(event, context):\n    return eval(event['body'])\n"
    url = public(fn, code)
    for returned, status, content_type, body in _ANSWERS:
        answer = requests.post(url, data=returned, headers={"Content-Type": "text/plain"}, timeout=10)
        got = (answer.status_code, answer.headers["content-type"], answer.text)
        assert got == (status, content_type, body), returned
    cookies = "{'statusCode': 302, 'cookies': ['a=1; Path=/', 'b=2'], 'headers': {'Location': '/x'}}"
    answer = requests.post(
        url, data=cookies, headers={"Content-Type": "text/plain"}, timeout=10, allow_redirects=False
    )
    assert (answer.status_code, answer.headers["location"]) == (302, "/x")
    assert dict(answer.cookies) == {"a": "1", "b": "2"}


def test_who_may_call(fn: Lambda, server: Server) -> None:
    client, name = fn.client, fn.create(Publish=True)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    url = client.create_function_url_config(FunctionName=name, AuthType="NONE", Qualifier="live")[
        "FunctionUrl"
    ]

    def assert_forbidden(answer: requests.Response) -> None:
        assert answer.status_code == 403
        assert answer.json() == {"Message": _FORBIDDEN}
        assert answer.headers["x-amzn-ErrorType"] == "AccessDeniedException"

    assert_forbidden(requests.get(url, timeout=10))
    allow(fn, name)  # the function's policy is not the alias's
    assert_forbidden(requests.get(url, timeout=10))
    allow(fn, name, Qualifier="live")
    assert requests.get(url, timeout=10).status_code == 200

    client.update_function_url_config(FunctionName=name, AuthType="AWS_IAM", Qualifier="live")
    assert_forbidden(requests.get(url, timeout=10))
    path = urlsplit(url).path
    host = urlsplit(url).netloc

    def signed(account: Account) -> requests.Response:
        return account.signed("GET", f"{path}x", "lambda", host=host)

    answer = signed(fn.account)
    assert answer.status_code == 200
    iam = answer.json()["requestContext"]["authorizer"]["iam"]
    assert iam["userArn"] == f"arn:aws:iam::{fn.account.account}:root"
    assert iam["accessKey"] == fn.account.access_key_id
    forged = Account(fn.account.url, fn.account.account, fn.account.access_key_id, "not the secret")
    assert signed(forged).status_code == 403
    stranger = server.account_factory()
    assert_forbidden(signed(stranger))
    client.remove_permission(FunctionName=name, Qualifier="live", StatementId="invoke")
    trusted = {"FunctionName": name, "Qualifier": "live", "Principal": stranger.account}
    client.add_permission(
        **trusted, StatementId="s1", Action="lambda:InvokeFunctionUrl", FunctionUrlAuthType="AWS_IAM"
    )
    assert_forbidden(signed(stranger))  # invoking takes a permission of its own
    client.add_permission(
        **trusted, StatementId="s2", Action="lambda:InvokeFunction", InvokedViaFunctionUrl=True
    )
    direct = refused(stranger.client("lambda").invoke, FunctionName=f"{fn.arn(name)}:live")
    assert direct.code == "AccessDeniedException"  # through the URL alone
    assert signed(stranger).json()["requestContext"]["accountId"] == stranger.account

    client.update_function_url_config(FunctionName=name, AuthType="NONE", Qualifier="live")
    client.delete_alias(FunctionName=name, Name="live")
    assert_forbidden(requests.get(url, timeout=10))


def test_cors(fn: Lambda) -> None:
    cors = {
        "AllowOrigins": ["https://a.example"],
        "AllowMethods": ["GET", "PUT"],
        "AllowHeaders": ["x-one"],
        "ExposeHeaders": ["x-two"],
        "AllowCredentials": True,
        "MaxAge": 60,
    }
    code = (
        "def handler(event, context):\n"
        "    return {'statusCode': 200, 'headers': {'Access-Control-Allow-Origin': 'mine'}, 'body': 'x'}\n"
    )
    url = public(fn, code, Cors=cors)
    asking = {"Origin": "https://a.example", "Access-Control-Request-Method": "PUT"}
    asked = requests.options(url, headers=asking, timeout=10)
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == "https://a.example"
    assert asked.headers["access-control-allow-methods"] == "GET,PUT"
    assert asked.headers["access-control-allow-headers"] == "x-one"
    assert asked.headers["access-control-max-age"] == "60"
    answer = requests.get(url, headers={"Origin": "https://a.example"}, timeout=10)
    assert answer.text == "x"
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-expose-headers"] == "x-two"
    assert answer.headers["access-control-allow-credentials"] == "true"
    stranger = requests.get(url, headers={"Origin": "https://b.example"}, timeout=10)
    assert "access-control-allow-origin" not in stranger.headers


def test_streaming(fn: Lambda) -> None:
    url = public(fn, "def handler(event, context):\n    return 'x' * 100000\n", InvokeMode="RESPONSE_STREAM")
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 200
    assert json.loads(answer.content) == "x" * 100000


def test_throttled(fn: Lambda) -> None:
    name = fn.create()
    url = fn.client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    allow(fn, name)
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    answer = requests.get(url, timeout=10)
    assert answer.status_code == 429
    assert answer.json()["Reason"] == "ReservedFunctionConcurrentInvocationLimitExceeded"


_STREAMER = """#!/usr/bin/python3
import http.client, json, os, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    reply = api.getresponse()
    event, request_id = json.loads(reply.read()), reply.headers["Lambda-Runtime-Aws-Request-Id"]
    kind = event.get("rawPath", "/").strip("/")

    def chunks():
        if kind == "broken":
            yield b"no prelude at all"
            return
        prelude = {"statusCode": 201, "headers": {"X-From": "prelude", "Content-Type": "text/event-stream"},
                   "cookies": ["c=1"]}
        text = json.dumps(prelude).encode() + bytes(8)
        yield text[:10]
        yield text[10:] + b"first;"
        while kind == "held" and not os.path.exists("/var/task/go"):
            time.sleep(0.01)
        for n in range(3):
            yield b"more%d;" % n
        if kind == "large":
            for _ in range(20):
                yield bytes(1024 * 1024)

    api.request(
        "POST",
        f"/2018-06-01/runtime/invocation/{request_id}/response",
        chunks(),
        {"Lambda-Runtime-Function-Response-Mode": "streaming", "Transfer-Encoding": "chunked",
         "Content-Type": "application/vnd.awslambda.http-integration-response"},
        encode_chunked=True,
    )
    api.getresponse().read()
"""


def test_a_custom_runtime_streams(fn: Lambda, tmp_path: Path) -> None:
    folder = live_folder(tmp_path, _STREAMER, name="bootstrap")
    name = fn.create(
        Runtime="provided.al2023",
        Handler="any",
        Code={"S3Bucket": "hot-reload", "S3Key": str(folder)},
        MemorySize=512,
    )
    url = fn.client.create_function_url_config(
        FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM"
    )["FunctionUrl"]
    allow(fn, name)
    with requests.get(f"{url}held", timeout=10, stream=True) as answer:
        assert (answer.status_code, answer.headers["x-from"]) == (201, "prelude")
        assert answer.headers["content-type"] == "text/event-stream"
        assert dict(answer.cookies) == {"c": "1"}
        pieces = answer.iter_content(None)
        assert next(pieces) == b"first;"  # while the function has not got any further
        (folder / "go").touch()
        assert b"".join(pieces) == b"more0;more1;more2;"
    large = requests.get(f"{url}large", timeout=30)
    assert len(large.content) == 20 * 1024 * 1024 + 24
    assert requests.get(f"{url}broken", timeout=10).status_code == 502

    with requests.get(f"{url}large", timeout=10, stream=True) as leaving:
        next(leaving.iter_content(6))
    fn.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    wait_until(lambda: requests.get(url, timeout=10).status_code == 201, 15, "the slot of the one who left")
