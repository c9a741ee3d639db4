"""Requests through an API's data plane in this process, with a function that is a Python callable."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
import pytest

from undercast.services.apigatewayv2.serving import compiled
from undercast.services.apigatewayv2.serving.directory import Directory
from undercast.services.apigatewayv2.serving.endpoint import Endpoint
from undercast.services.base import AwsError, Caller, HttpRequest, HttpResponse
from web_support import EchoServer, serving

ACCOUNT = "123456789012"
FUNCTION = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:f"
AUTHORIZER = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:auth"
HOST = "api1.execute-api.us-east-1.localhost:4566"
Handler = Callable[[dict[str, Any]], Any]


class Lab:
    """An API with one integration, `integrations/f`, and everything a test adds to it."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.log_lines: list[str] = []
        self.handlers: dict[str, Handler] = {FUNCTION: lambda event: event, AUTHORIZER: lambda event: {}}
        self.integration: dict[str, Any] = {
            "IntegrationType": "AWS_PROXY",
            "IntegrationMethod": "POST",
            "IntegrationUri": FUNCTION,
            "PayloadFormatVersion": "2.0",
            "TimeoutInMillis": 30_000,
        }
        self.content: dict[str, Any] = {
            "routes": [],
            "integrations": {"f": self.integration},
            "authorizers": {},
        }
        self.members: dict[str, Any] = {}

    def route(self, key: str, **members: Any) -> None:
        self.content["routes"].append({"RouteKey": key, "Target": "integrations/f", **members})

    def authorizer(self, **members: Any) -> None:
        self.content["authorizers"]["a"] = {
            "AuthorizerType": "REQUEST",
            "AuthorizerUri": AUTHORIZER,
            "AuthorizerPayloadFormatVersion": "2.0",
            "AuthorizerResultTtlInSeconds": 0,
            "EnableSimpleResponses": True,
            "IdentitySource": ["$request.header.Authorization"],
            **members,
        }

    async def _invoke(self, account: str, region: str, function: str, payload: bytes, **options: Any) -> Any:
        event = orjson.loads(payload)
        self.events.append((function, event, options))
        returned = self.handlers[function](event)
        if asyncio.iscoroutine(returned):
            returned = await returned
        if isinstance(returned, Exception):
            if isinstance(returned, AwsError):
                raise returned
            failed = orjson.dumps({"errorMessage": str(returned), "errorType": type(returned).__name__})
            return SimpleNamespace(payload=failed, function_error="Unhandled", request_id="r")
        return SimpleNamespace(payload=orjson.dumps(returned), function_error=None, request_id="r")

    def _authenticate(self, request: HttpRequest) -> Caller:
        headers = dict(request.headers)
        if headers.get("authorization") != "signed":
            raise AwsError("MissingAuthenticationTokenException", "Missing Authentication Token", 403)
        account = headers.get("x-account", ACCOUNT)
        return Caller(account, f"arn:aws:iam::{account}:user/ann", "AIDA1", "AKIA1")

    def send(self, *requests: tuple[str, str] | HttpRequest, stage: str = "$default") -> list[HttpResponse]:
        """The answers to some requests, one after the other."""
        directory = Directory(None)  # type: ignore[arg-type] # nothing is read from a store here
        api = compiled.Api("api1", ACCOUNT, "us-east-1")
        api.stages[stage] = compiled.stage(api, stage, self.members, self.content)
        directory._apis["api1"] = api
        cloud = SimpleNamespace(
            authenticate=self._authenticate,
            lambda_invoker=SimpleNamespace(invoke=self._invoke),
            logs=SimpleNamespace(append=lambda *args: self.log_lines.append(args[4][0][1])),
            settings=SimpleNamespace(public_pool="198.18.0.0/16"),
            iam=SimpleNamespace(check_service_role=lambda *args: None),
        )

        async def run() -> list[HttpResponse]:
            endpoint = Endpoint(cloud, directory)  # type: ignore[arg-type]
            await endpoint.start()
            try:
                sent = [one if isinstance(one, HttpRequest) else request(*one) for one in requests]
                answers = [await endpoint.handle(one) for one in sent]
                return [answer for answer in answers if answer is not None]
            finally:
                await endpoint.stop()

        return asyncio.run(run())


def request(
    method: str,
    target: str,
    headers: list[tuple[str, str]] | None = None,
    body: bytes = b"",
    host: str = HOST,
) -> HttpRequest:
    path, _, query = target.partition("?")
    sent = [("host", host), ("user-agent", "test"), *(headers or [])]
    return HttpRequest(method, path, path, query, sent, body, "10.0.0.9", "http", host, "gateway-id")


def told(answer: HttpResponse) -> tuple[int, Any]:
    assert isinstance(answer.body, bytes)
    return answer.status, orjson.loads(answer.body)


@pytest.fixture
def lab() -> Lab:
    return Lab()


def test_the_event_of_format_2_is_aws_s(lab: Lab) -> None:
    lab.route("POST /pets/{id}")
    lab.members = {"StageVariables": {"color": "red"}}
    headers = [
        ("x-a", "1"),
        ("x-a", "2"),
        ("cookie", "a=1; b=2"),
        ("content-type", "application/json"),
        ("x-amzn-trace-id", "Root=1-2-3"),
    ]
    sent = request("POST", "/dev/pets/a%20b?q=1&q=2&empty=&p=x%20y", headers, b'{"n":1}')
    (answer,) = lab.send(sent, stage="dev")
    status, event = told(answer)
    assert status == 200
    context = event.pop("requestContext")
    assert event == {
        "version": "2.0",
        "routeKey": "POST /pets/{id}",
        "rawPath": "/dev/pets/a b",
        "rawQueryString": "q=1&q=2&empty=&p=x%20y",
        "cookies": ["a=1", "b=2"],
        "headers": {
            "host": HOST,
            "user-agent": "test",
            "x-a": "1,2",
            "content-type": "application/json",
            "content-length": "7",
            "x-amzn-trace-id": "Root=1-2-3",
            "x-forwarded-for": "10.0.0.9",
            "x-forwarded-port": "4566",
            "x-forwarded-proto": "http",
        },
        "queryStringParameters": {"q": "1,2", "empty": "", "p": "x y"},
        "pathParameters": {"id": "a b"},
        "stageVariables": {"color": "red"},
        "body": '{"n":1}',
        "isBase64Encoded": False,
    }
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context.pop("time"))
    assert context.pop("timeEpoch") > 1_700_000_000_000
    assert context.pop("requestId") == dict(answer.headers)["apigw-requestid"]
    assert context == {
        "accountId": ACCOUNT,
        "apiId": "api1",
        "domainName": "api1.execute-api.us-east-1.localhost",
        "domainPrefix": "api1",
        "http": {
            "method": "POST",
            "path": "/dev/pets/a b",
            "protocol": "HTTP/1.1",
            "sourceIp": "10.0.0.9",
            "userAgent": "test",
        },
        "routeKey": "POST /pets/{id}",
        "stage": "dev",
    }
    function, _, options = lab.events[0]
    assert function == FUNCTION
    assert options["source_arn"] == f"arn:aws:execute-api:us-east-1:{ACCOUNT}:api1/dev/POST/pets/{{id}}"
    assert options["trusted"] is False and options["trace_id"] == "Root=1-2-3"


def test_format_2_leaves_out_what_is_not_there(lab: Lab) -> None:
    lab.route("$default")
    (answer,) = lab.send(("GET", "/"))
    _, event = told(answer)
    assert set(event) == {
        "version",
        "routeKey",
        "rawPath",
        "rawQueryString",
        "headers",
        "requestContext",
        "isBase64Encoded",
    }
    assert event["routeKey"] == "$default" and event["headers"]["content-length"] == "0"
    assert lab.events[0][2]["source_arn"] == f"arn:aws:execute-api:us-east-1:{ACCOUNT}:api1/$default/$default"


def test_the_event_of_format_1_is_aws_s(lab: Lab) -> None:
    lab.integration["PayloadFormatVersion"] = "1.0"
    lab.handlers[FUNCTION] = lambda event: {"statusCode": 200, "body": orjson.dumps(event).decode()}
    lab.route("ANY /{proxy+}")
    sent = request("PUT", "/a/b?q=1&q=2", [("x-a", "1"), ("x-a", "2"), ("cookie", "a=1")], b"\xff")
    (answer,) = lab.send(sent)
    _, event = told(answer)
    context = event.pop("requestContext")
    assert event.pop("multiValueHeaders")["x-a"] == ["1", "2"]
    assert event.pop("headers")["cookie"] == "a=1"
    assert event == {
        "version": "1.0",
        "resource": "/{proxy+}",
        "path": "/a/b",
        "httpMethod": "PUT",
        "queryStringParameters": {"q": "2"},
        "multiValueQueryStringParameters": {"q": ["1", "2"]},
        "pathParameters": {"proxy": "a/b"},
        "stageVariables": None,
        "body": "/w==",
        "isBase64Encoded": True,
    }
    assert context["identity"]["sourceIp"] == "10.0.0.9" and context["identity"]["userArn"] is None
    assert context["resourceId"] == "ANY /{proxy+}" and context["resourcePath"] == "/{proxy+}"
    assert context["protocol"] == "HTTP/1.1" and context["requestTimeEpoch"] > 0


@pytest.mark.parametrize(
    ("kind", "body", "encoded"),
    [
        ("text/html; charset=utf-8", b"<p>", False),
        ("application/json", b"{}", False),
        ("application/vnd.api+json", b"{}", False),
        ("application/x-www-form-urlencoded", b"a=b", True),
        ("multipart/form-data; boundary=x", b"--x", True),
        ("application/octet-stream", b"abc", True),
        ("text/plain", b"\xff\xfe", True),
    ],
)
def test_bodies_are_encoded_unless_they_are_text(lab: Lab, kind: str, body: bytes, encoded: bool) -> None:
    lab.route("POST /")
    (answer,) = lab.send(request("POST", "/", [("content-type", kind)], body))
    assert told(answer)[1]["isBase64Encoded"] is encoded


ERROR_500 = {"message": "Internal Server Error"}


@pytest.mark.parametrize(
    ("returned", "status", "message"),
    [
        (ValueError("boom"), 500, "Internal Server Error"),
        (AwsError("AccessDeniedException", "no", 403), 500, "Internal Server Error"),
        (AwsError("ResourceNotFoundException", "no", 404), 500, "Internal Server Error"),
        (AwsError("TooManyRequestsException", "Rate Exceeded.", 429), 503, "Service Unavailable"),
        (AwsError("RequestEntityTooLargeException", "big", 413), 413, "Request Entity Too Large"),
        ({"statusCode": "x"}, 500, "Internal Server Error"),
    ],
)
def test_failing_functions(lab: Lab, returned: Any, status: int, message: str) -> None:
    lab.handlers[FUNCTION] = lambda event: returned
    lab.route("GET /")
    lab.members = {
        "AccessLogSettings": {
            "DestinationArn": f"arn:aws:logs:us-east-1:{ACCOUNT}:log-group:g",
            "Format": "$context.requestId $context.status [$context.error.message] $context.identity.userArn",
        }
    }
    (answer,) = lab.send(("GET", "/"))
    assert told(answer) == (status, {"message": message})
    headers = dict(answer.headers)
    assert headers["content-type"] == "application/json"
    assert lab.log_lines == [f"{headers['apigw-requestid']} {status} [{message}] -"]


def test_a_slow_function_is_cut_off(lab: Lab) -> None:
    lab.handlers[FUNCTION] = lambda event: asyncio.sleep(5)
    lab.integration["TimeoutInMillis"] = 50
    lab.route("GET /")
    (answer,) = lab.send(("GET", "/"))
    assert told(answer) == (503, {"message": "Service Unavailable"})


def test_sizes_routes_and_stages_that_are_refused(lab: Lab) -> None:
    lab.route("POST /a")
    answers = lab.send(
        request("POST", "/a", body=b"x" * (10 * 1024 * 1024 + 1)),
        request("POST", "/a", [("x-long", "x" * 10_240)]),
        ("GET", "/a"),
        ("GET", "/missing"),
        request("GET", "/a", host="other.execute-api.us-east-1.localhost"),
    )
    assert [told(answer) for answer in answers] == [
        (413, {"message": "Request Entity Too Large"}),
        (431, {"message": "Request Header Fields Too Large"}),
        (404, {"message": "Not Found"}),
        (404, {"message": "Not Found"}),
        (404, {"message": "Not Found"}),
    ]
    assert lab.send(request("GET", "/a", host="127.0.0.1:4566")) == []
    assert told(lab.send(request("POST", "/_aws/execute-api/api1/a", host="127.0.0.1:4566"))[0])[0] == 200
    lab.content["endpoint_disabled"] = True
    assert told(lab.send(("POST", "/a"))[0])[0] == 404


def test_throttling_counts_per_route_and_per_stage(lab: Lab) -> None:
    lab.route("GET /own")
    lab.route("GET /a")
    lab.route("GET /b")
    slow = {"ThrottlingRateLimit": 0.001}
    lab.members = {
        "DefaultRouteSettings": {**slow, "ThrottlingBurstLimit": 2},
        "RouteSettings": {"GET /own": {**slow, "ThrottlingBurstLimit": 1}},
    }
    paths = ["/own", "/own", "/a", "/b", "/a"]
    answers = lab.send(*[("GET", path) for path in paths])
    assert [answer.status for answer in answers] == [200, 429, 200, 200, 429]
    assert told(answers[1])[1] == {"message": "Too Many Requests"}


def test_cors_answers_preflights_and_owns_the_headers(lab: Lab) -> None:
    lab.content["cors"] = {"AllowOrigins": ["https://a.example"], "AllowMethods": ["GET"], "MaxAge": 5}
    lab.handlers[FUNCTION] = lambda event: {
        "statusCode": 200,
        "headers": {"Access-Control-Allow-Origin": "https://evil.example"},
        "body": "x",
    }
    lab.route("ANY /a")
    origin = ("origin", "https://a.example")
    preflight = request("OPTIONS", "/a", [origin, ("access-control-request-method", "GET")])
    answers = lab.send(
        preflight, request("GET", "/a", [origin]), request("GET", "/none", [origin]), ("GET", "/a")
    )
    assert answers[0].status == 204 and answers[0].body == b""
    assert dict(answers[0].headers)["access-control-allow-methods"] == "GET"
    assert [dict(one.headers).get("access-control-allow-origin") for one in answers] == [
        "https://a.example",
        "https://a.example",
        "https://a.example",
        None,
    ]
    assert len(lab.events) == 2


def test_parameters_are_mapped_both_ways(lab: Lab) -> None:
    lab.integration["RequestParameters"] = {
        "append:header.x-a": "$request.querystring.q",
        "overwrite:header.x-id": "id-${request.path.id}-${context.stage}-${stageVariables.v}",
        "overwrite:header.x-body": "$request.body.a.b[1]",
        "overwrite:header.x-none": "$request.header.missing",
        "remove:header.x-gone": "''",
        "remove:querystring.q": "",
        "append:querystring.z": "1",
        "overwrite:path": "/new/$request.path.id",
    }
    lab.integration["ResponseParameters"] = {
        "200": {
            "overwrite:statuscode": "203",
            "append:header.x-copy": "$response.header.x-from",
            "overwrite:header.x-deep": "$response.body.rawPath",
            "remove:header.x-from": "''",
        }
    }
    lab.members = {"StageVariables": {"v": "7"}}
    lab.handlers[FUNCTION] = lambda event: {
        "statusCode": 200,
        "headers": {"x-from": "there", "content-type": "application/json"},
        "body": orjson.dumps(event).decode(),
    }
    lab.route("POST /p/{id}")
    sent = request("POST", "/p/9?q=5", [("x-a", "1"), ("x-gone", "1")], b'{"a":{"b":[1,{"c":2}]}}')
    (answer,) = lab.send(sent)
    status, event = told(answer)
    headers = dict(answer.headers)
    assert status == 203
    assert headers["x-copy"] == "there" and headers["x-deep"] == "/new/9" and "x-from" not in headers
    assert event["headers"]["x-a"] == "1,5"
    assert event["headers"]["x-id"] == "id-9-$default-7"
    assert event["headers"]["x-body"] == '{"c":2}'
    assert not {"x-gone", "x-none"} & set(event["headers"])
    assert event["rawQueryString"] == "z=1" and event["queryStringParameters"] == {"z": "1"}
    assert event["rawPath"] == "/new/9"


def test_aws_iam_asks_for_a_signature_of_the_same_account(lab: Lab) -> None:
    lab.route("GET /", AuthorizationType="AWS_IAM")
    signed = ("authorization", "signed")
    answers = lab.send(
        ("GET", "/"),
        request("GET", "/", [signed, ("x-account", "999999999999")]),
        request("GET", "/", [signed]),
    )
    assert [told(one)[0] for one in answers] == [403, 403, 200]
    assert told(answers[0])[1] == {"message": "Forbidden"}
    assert told(answers[2])[1]["requestContext"]["authorizer"]["iam"] == {
        "accessKey": "AKIA1",
        "accountId": ACCOUNT,
        "callerId": "AIDA1",
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": f"arn:aws:iam::{ACCOUNT}:user/ann",
        "userId": "AIDA1",
    }


def test_simple_authorizers_and_their_cache(lab: Lab) -> None:
    lab.authorizer(AuthorizerResultTtlInSeconds=300)
    lab.handlers[AUTHORIZER] = lambda event: {
        "isAuthorized": event["identitySource"] == ["yes"],
        "context": {"user": "ann", "n": 1},
    }
    lab.route("GET /{x}", AuthorizationType="CUSTOM", AuthorizerId="a")
    yes, no = ("authorization", "yes"), ("authorization", "no")
    answers = lab.send(
        request("GET", "/1", [yes]), request("GET", "/2", [yes]), request("GET", "/1", [no]), ("GET", "/1")
    )
    assert [one.status for one in answers] == [200, 200, 403, 401]
    assert told(answers[2])[1] == {"message": "Forbidden"}
    assert told(answers[3])[1] == {"message": "Unauthorized"}
    assert told(answers[1])[1]["requestContext"]["authorizer"] == {"lambda": {"user": "ann", "n": 1}}
    asked = [event for function, event, _ in lab.events if function == AUTHORIZER]
    assert len(asked) == 2  # one per identity
    arn = f"arn:aws:execute-api:us-east-1:{ACCOUNT}:api1"
    assert asked[0]["type"] == "REQUEST" and asked[0]["version"] == "2.0"
    assert asked[0]["routeArn"] == f"{arn}/$default/GET/1" and asked[0]["pathParameters"] == {"x": "1"}
    assert "body" not in asked[0] and asked[0]["routeKey"] == "GET /{x}"
    options = next(options for function, _, options in lab.events if function == AUTHORIZER)
    assert options["source_arn"] == f"{arn}/authorizers/a"


def _policy(effect: str, resource: str) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return {"principalId": "ann", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}


@pytest.mark.parametrize(
    ("verdict", "status"),
    [
        ({**_policy("Allow", "*"), "context": {"k": "v"}}, 200),
        (_policy("Allow", "arn:aws:execute-api:*:*:*/*/POST/*"), 403),
        (_policy("Deny", "*"), 403),
        ({"principalId": "ann"}, 500),
        ({"policyDocument": {}}, 500),
        ("text", 500),
        (Exception("Unauthorized"), 401),
        (Exception("other"), 500),
        (AwsError("AccessDeniedException", "no", 403), 500),
    ],
)
def test_policy_authorizers(lab: Lab, verdict: Any, status: int) -> None:
    lab.authorizer(AuthorizerPayloadFormatVersion="1.0", EnableSimpleResponses=False)
    lab.handlers[AUTHORIZER] = lambda event: verdict
    lab.route("GET /", AuthorizationType="CUSTOM", AuthorizerId="a")
    (answer,) = lab.send(request("GET", "/", [("authorization", "t")]))
    assert answer.status == status
    asked = lab.events[0][1]
    assert asked["methodArn"].endswith(":api1/$default/GET/") and asked["authorizationToken"] == "t"
    if status == 200:
        context = told(answer)[1]["requestContext"]["authorizer"]
        assert context == {"lambda": {"principalId": "ann", "k": "v"}}


def test_a_role_speaks_for_its_own_account_only(lab: Lab) -> None:
    lab.route("GET /")
    lab.integration["CredentialsArn"] = f"arn:aws:iam::{ACCOUNT}:role/r"
    assert lab.send(("GET", "/"))[0].status == 200
    assert lab.events[0][2]["trusted"] is True
    lab.integration["CredentialsArn"] = "arn:aws:iam::999999999999:role/r"
    assert told(lab.send(("GET", "/"))[0]) == (500, ERROR_500)


def test_head_and_stage_variables_in_uris(lab: Lab) -> None:
    lab.integration["IntegrationUri"] = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:${{stageVariables.fn}}"
    lab.members = {"StageVariables": {"fn": "f"}}
    lab.route("ANY /")
    (answer,) = lab.send(("HEAD", "/"))
    assert answer.body == b"" and int(dict(answer.headers)["content-length"]) > 100


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://localhost:{port}/",
        "http://2130706433:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://0.0.0.0:{port}/",
        "http://10.0.0.1:{port}/",
        "http://169.254.169.254:{port}/",
    ],
)
def test_what_a_role_configured_leads_to_public_addresses_only(lab: Lab, url: str) -> None:
    echo = EchoServer()
    with serving(echo):
        lab.integration |= {
            "IntegrationType": "HTTP_PROXY",
            "IntegrationMethod": "GET",
            "IntegrationUri": url.format(port=echo.server_port),
            "PayloadFormatVersion": "1.0",
            "_Guarded": True,
        }
        lab.route("GET /")
        assert told(lab.send(("GET", "/"))[0]) == (503, {"message": "Service Unavailable"})
        if url.startswith("http://127."):
            lab.integration["_Guarded"] = False
            assert lab.send(("GET", "/"))[0].status == 200
