"""HTTP APIs in front of real functions."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from lambda_support import Lambda
from support import Account, unique, wait_until

MEAN = """
def handler(event, context):
    nums = [float(n) for n in event["queryStringParameters"]["nums"].split(",")]
    return {"statusCode": 200, "body": sum(nums) / len(nums)}
"""

ECHO = """
def handler(event, context):
    if event.get("version") == "1.0":
        return {"statusCode": 200, "multiValueHeaders": {"x-n": ["1", "2"]}, "body": event["path"]}
    return event
"""

AUTHORIZER = """
calls = 0

def handler(event, context):
    global calls
    calls += 1
    who = event["headers"]["authorization"]
    if who == "error":
        raise RuntimeError("no")
    return {"isAuthorized": who == "ann", "context": {"who": who, "calls": calls}}
"""


@pytest.fixture(scope="module")
def owner(server: Any) -> Account:
    return server.account_factory()


@pytest.fixture(scope="module")
def fn(owner: Account) -> Lambda:
    return Lambda(owner)


def _ready(fn: Lambda, source: str) -> str:
    name = fn.create(source)
    fn.client.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
    return name


def _allow(fn: Lambda, name: str, source: str) -> None:
    fn.client.add_permission(
        FunctionName=name,
        StatementId=unique("s"),
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{fn.account.account}:{source}",
    )


def get(url: str, **headers: str) -> requests.Response:
    return requests.get(url, headers=headers, timeout=30)


def test_quick_create_needs_a_permission_and_then_prints_2_0(fn: Lambda) -> None:
    name = _ready(fn, MEAN)
    gateway = fn.account.client("apigatewayv2")
    api = gateway.create_api(Name="mean", ProtocolType="HTTP", Target=fn.arn(name))
    url = f"{api['ApiEndpoint']}/calculate_mean?nums=1,2,3"
    denied = get(url)
    assert (denied.status_code, denied.text) == (500, '{"message":"Internal Server Error"}')
    _allow(fn, name, f"{api['ApiId']}/*/$default")
    answer = get(url)
    assert (answer.status_code, answer.text) == (200, "2.0")
    assert answer.headers["content-type"] == "text/plain;charset=UTF-8"
    failed = get(f"{api['ApiEndpoint']}/calculate_mean")  # the function raises
    assert (failed.status_code, failed.text) == (500, '{"message":"Internal Server Error"}')


def test_step_by_step_with_both_formats_and_an_alias(fn: Lambda) -> None:
    name = _ready(fn, ECHO)
    version = fn.client.publish_version(FunctionName=name)["Version"]
    fn.client.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    gateway = fn.account.client("apigatewayv2")
    api = gateway.create_api(Name="steps", ProtocolType="HTTP")
    api_id, url = api["ApiId"], api["ApiEndpoint"]
    uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{fn.arn(name)}"
    for path, target, payload in (("two", "", "2.0"), ("one", ":${stageVariables.alias}", "1.0")):
        integration = gateway.create_integration(
            ApiId=api_id,
            IntegrationType="AWS_PROXY",
            IntegrationUri=f"{uri}{target}/invocations",
            PayloadFormatVersion=payload,
        )["IntegrationId"]
        gateway.create_route(
            ApiId=api_id, RouteKey=f"GET /{path}/{{x}}", Target=f"integrations/{integration}"
        )
    gateway.create_stage(ApiId=api_id, StageName="dev", AutoDeploy=True, StageVariables={"alias": "live"})
    _allow(fn, name, f"{api_id}/dev/GET/two/*")
    fn.client.add_permission(
        FunctionName=name,
        Qualifier="live",
        StatementId="live",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:us-east-1:{fn.account.account}:{api_id}/*/GET/one/*",
    )
    event = get(f"{url}/dev/two/7?a=1&a=2", cookie="k=v").json()
    assert event["routeKey"] == "GET /two/{x}" and event["pathParameters"] == {"x": "7"}
    assert event["rawPath"] == "/dev/two/7" and event["queryStringParameters"] == {"a": "1,2"}
    assert event["cookies"] == ["k=v"] and event["stageVariables"] == {"alias": "live"}
    assert event["requestContext"]["http"]["method"] == "GET"
    assert event["requestContext"]["accountId"] == fn.account.account
    one = requests.get(f"{url}/dev/one/7", timeout=30)
    assert one.text == "/dev/one/7" and one.raw.headers.getlist("x-n") == ["1", "2"]
    assert requests.post(f"{url}/dev/two/7", timeout=30).status_code == 404


def test_a_function_authorizes_and_is_remembered(fn: Lambda) -> None:
    name, authorizer_name = _ready(fn, ECHO), _ready(fn, AUTHORIZER)
    gateway = fn.account.client("apigatewayv2")
    api = gateway.create_api(Name="asked", ProtocolType="HTTP", Target=fn.arn(name))
    api_id, url = api["ApiId"], api["ApiEndpoint"]
    _allow(fn, name, f"{api_id}/*/$default")
    authorizer = gateway.create_authorizer(
        ApiId=api_id,
        Name="asked",
        AuthorizerType="REQUEST",
        AuthorizerUri=f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{fn.arn(authorizer_name)}"
        "/invocations",
        AuthorizerPayloadFormatVersion="2.0",
        EnableSimpleResponses=True,
        IdentitySource=["$request.header.Authorization"],
        AuthorizerResultTtlInSeconds=300,
    )["AuthorizerId"]
    route = gateway.get_routes(ApiId=api_id)["Items"][0]["RouteId"]
    gateway.update_route(ApiId=api_id, RouteId=route, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
    assert get(url, authorization="ann").status_code == 500  # no permission for the authorizer yet
    _allow(fn, authorizer_name, f"{api_id}/authorizers/{authorizer}")
    answers = [get(url, authorization=who) for who in ("ann", "ann", "bob", "error")]
    assert [one.status_code for one in answers] == [200, 200, 403, 500]
    for answer in answers[:2]:
        context = answer.json()["requestContext"]["authorizer"]["lambda"]
        assert context == {"who": "ann", "calls": 1}
    assert get(url).text == '{"message":"Unauthorized"}'
    gateway.reset_authorizers_cache(ApiId=api_id, StageName="$default")
    again = get(url, authorization="ann").json()
    assert again["requestContext"]["authorizer"]["lambda"]["calls"] > 1


SLOW = """
import time

def handler(event, context):
    if event["rawPath"] == "/slow":
        time.sleep(1.5)
        print("went on to the end")
    return "done"
"""


def test_a_function_goes_on_after_its_caller_was_told_it_is_late(fn: Lambda) -> None:
    name = _ready(fn, SLOW)
    gateway = fn.account.client("apigatewayv2")
    api = gateway.create_api(Name="slow", ProtocolType="HTTP", Target=fn.arn(name))
    _allow(fn, name, f"{api['ApiId']}/*")
    integration = gateway.get_integrations(ApiId=api["ApiId"])["Items"][0]["IntegrationId"]
    assert get(f"{api['ApiEndpoint']}/fast").text == "done"
    gateway.update_integration(ApiId=api["ApiId"], IntegrationId=integration, TimeoutInMillis=300)
    late = get(f"{api['ApiEndpoint']}/slow")
    assert (late.status_code, late.text) == (503, '{"message":"Service Unavailable"}')
    wait_until(lambda: "went on to the end" in fn.logs(name), what="the function's last line")
    gateway.update_integration(ApiId=api["ApiId"], IntegrationId=integration, TimeoutInMillis=30000)
    assert get(f"{api['ApiEndpoint']}/fast").text == "done"
