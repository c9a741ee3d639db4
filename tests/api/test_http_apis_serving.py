"""HTTP APIs served by a real server: names, proxies, tokens, signatures, logs, domains, restarts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa

from support import Account, Server, unique, wait_until
from web_support import EchoServer, Issuer, serving


@pytest.fixture(scope="module")
def echo() -> Iterator[EchoServer]:
    server = EchoServer()
    with serving(server):
        yield server


@pytest.fixture
def gateway(account: Account) -> Any:
    return account.client("apigatewayv2")


class Api:
    """An API with an auto-deploying `$default` stage that leads to the echo server."""

    def __init__(self, account: Account, echo: EchoServer, **params: Any) -> None:
        self.account = account
        self.client = account.client("apigatewayv2")
        self.echo = echo
        made = self.client.create_api(Name=unique("api"), ProtocolType="HTTP", **params)
        self.id, self.url = made["ApiId"], made["ApiEndpoint"]
        self.path_url = f"{account.url}/_aws/execute-api/{self.id}"
        self.client.create_stage(ApiId=self.id, StageName="$default", AutoDeploy=True)

    def integrate(self, path: str = "/x", **params: Any) -> str:
        made = self.client.create_integration(
            ApiId=self.id,
            IntegrationType="HTTP_PROXY",
            IntegrationMethod="ANY",
            IntegrationUri=f"{self.echo.url}{path}",
            PayloadFormatVersion="1.0",
            **params,
        )
        return f"integrations/{made['IntegrationId']}"

    def route(self, key: str, target: str | None = None, **params: Any) -> str:
        target = target or self.integrate()
        made: str = self.client.create_route(ApiId=self.id, RouteKey=key, Target=target, **params)["RouteId"]
        return made


@pytest.fixture
def api(account: Account, echo: EchoServer) -> Api:
    return Api(account, echo)


def get(url: str, **headers: str) -> requests.Response:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.get(url, headers=sent, timeout=20, allow_redirects=False)


def test_an_endpoint_answers_under_its_name_and_under_its_path(api: Api, needs_root: None) -> None:
    api.route("GET /hello/{name}", api.integrate("/to/{name}"))
    assert f"//{api.id}.execute-api.us-east-1.localhost:" in api.url
    by_name, by_path = (get(f"{url}/hello/a%20b?x=1&x=2") for url in (api.url, api.path_url))
    curl = subprocess.run(
        ["curl", "-sS", "--max-time", "10", f"{api.url}/hello/a%20b?x=1&x=2"],
        capture_output=True,
        text=True,
        timeout=20,
        stdin=subprocess.DEVNULL,
    )
    assert by_name.json()["path"] == by_path.json()["path"] == "/to/a%20b?x=1&x=2"
    assert json.loads(curl.stdout)["path"] == "/to/a%20b?x=1&x=2"
    assert len(by_name.headers["apigw-requestid"]) == 16
    assert by_name.headers["x-amzn-remapped-server"].startswith("BaseHTTP")
    assert by_name.raw.headers.getlist("set-cookie") == ["a=1", "b=2"]
    missing = get(f"{api.url}/other")
    assert (missing.status_code, missing.text) == (404, '{"message":"Not Found"}')
    api.client.delete_api(ApiId=api.id)
    assert get(f"{api.path_url}/hello/x").status_code == 404


def test_the_proxy_passes_requests_on(api: Api) -> None:
    api.route("ANY /{proxy+}", api.integrate("/{proxy}"))
    sent = requests.post(
        f"{api.path_url}/a/b?q=1",
        data="body",
        headers={"X-One": "1", "Cookie": "c=d", "Connection": "close", "Content-Type": "text/plain"},
        timeout=20,
    ).json()
    assert (sent["method"], sent["path"], sent["body"]) == ("POST", "/a/b?q=1", "body")
    headers = sent["headers"]
    assert headers["x-one"] == "1" and headers["cookie"] == "c=d" and headers["content-type"] == "text/plain"
    assert headers["via"] == "HTTP/1.1 AmazonAPIGateway"
    assert headers["forwarded"].startswith("by=127.0.0.1;for=127.0.0.1;host=127.0.0.1:")
    assert headers["x-amzn-trace-id"].startswith("Root=1-")
    assert headers["host"] == api.echo.url.removeprefix("http://")
    for status in (204, 302, 404, 503):
        assert get(f"{api.path_url}/status/{status}").status_code == status
    assert requests.head(f"{api.path_url}/a", timeout=20).content == b""


def test_endpoints_that_are_slow_or_not_there(api: Api) -> None:
    api.route("GET /slow", api.integrate("/slow", TimeoutInMillis=100))
    dead = EchoServer()
    dead.server_close()
    made = api.client.create_integration(
        ApiId=api.id,
        IntegrationType="HTTP_PROXY",
        IntegrationMethod="GET",
        IntegrationUri=dead.url,
        PayloadFormatVersion="1.0",
    )
    api.route("GET /dead", f"integrations/{made['IntegrationId']}")
    api.client.create_route(ApiId=api.id, RouteKey="GET /bare")
    answers = [get(f"{api.path_url}/{path}") for path in ("slow", "dead", "bare")]
    assert [(one.status_code, one.text) for one in answers] == [
        (503, '{"message":"Service Unavailable"}'),
        (503, '{"message":"Service Unavailable"}'),
        (500, '{"message":"Internal Server Error"}'),
    ]


def test_stages_serve_what_they_were_deployed_with(api: Api) -> None:
    target = api.integrate("/stage", RequestParameters={"overwrite:header.x-v": "$stageVariables.v"})
    route = api.route("GET /a", target)
    deployment = api.client.create_deployment(ApiId=api.id)["DeploymentId"]
    api.client.create_stage(
        ApiId=api.id, StageName="v1", DeploymentId=deployment, StageVariables={"v": "one"}
    )
    api.client.create_stage(ApiId=api.id, StageName="empty")
    api.client.update_route(ApiId=api.id, RouteId=route, RouteKey="GET /b")
    assert get(f"{api.path_url}/v1/a").json()["headers"]["x-v"] == "one"
    assert get(f"{api.path_url}/b").status_code == 200
    for path in ("a", "v1/b", "v1", "empty/a"):
        assert get(f"{api.path_url}/{path}").status_code == 404
    api.client.create_deployment(ApiId=api.id, StageName="v1")
    assert get(f"{api.path_url}/v1/b").status_code == 200
    api.client.update_api(ApiId=api.id, DisableExecuteApiEndpoint=True)
    assert get(f"{api.path_url}/b").status_code == 404
    assert get(f"{api.path_url}/v1/b").status_code == 200  # not deployed there yet


def test_tokens_decide_who_passes(api: Api) -> None:
    issuer = Issuer()
    with serving(issuer):
        authorizer = api.client.create_authorizer(
            ApiId=api.id,
            Name="jwt",
            AuthorizerType="JWT",
            IdentitySource=["$request.header.Authorization"],
            JwtConfiguration={"Issuer": issuer.url, "Audience": ["app", "other"]},
        )["AuthorizerId"]
        mapped = api.integrate(RequestParameters={"overwrite:header.x-sub": "$context.authorizer.claims.sub"})
        jwt_route: dict[str, Any] = {"AuthorizationType": "JWT", "AuthorizerId": authorizer}
        api.route("GET /open", mapped, **jwt_route)
        api.route("GET /scoped", mapped, AuthorizationScopes=["read", "write"], **jwt_route)

        def ask(token: str | None, path: str = "open") -> requests.Response:
            return get(f"{api.path_url}/{path}", **({"authorization": token} if token else {}))

        good = issuer.token()
        for token in (f"Bearer {good}", f"bearer {good}", good, f"Bearer {issuer.token(aud=['x', 'other'])}"):
            passed = ask(token)
            assert passed.status_code == 200 and passed.json()["headers"]["x-sub"] == "ann"
        assert ask(f"Bearer {issuer.token(aud=None, client_id='app')}").status_code == 200
        assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]

        none = ask(None)
        assert (none.status_code, none.text) == (401, '{"message":"Unauthorized"}')
        assert none.headers["www-authenticate"] == "Bearer"
        stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        for token, why in (
            (issuer.token(aud="wrong"), "the token does not have a valid audience"),
            (issuer.token(exp=1), "the token has expired"),
            (issuer.token(exp=None), "the token has expired"),
            (issuer.token(nbf=9_999_999_999), "the token is not valid yet"),
            (issuer.token(iss="http://other"), "issuer does not match"),
            (issuer.token(key=stranger), "the token's signature is invalid"),
            (issuer.token(kid="k2"), "no matching public key was found for the token's kid"),
            (issuer.token(key="x" * 32, algorithm="HS256"), "signing method HS256 is invalid"),
            ("rubbish", "the token is malformed"),
        ):
            refused = ask(f"Bearer {token}")
            assert (refused.status_code, refused.text) == (401, '{"message":"Unauthorized"}')
            assert refused.headers["www-authenticate"] == (
                f'Bearer scope="" error="invalid_token" error_description="{why}"'
            )
        scoped = ask(f"Bearer {issuer.token(scope='other')}", "scoped")
        assert (scoped.status_code, scoped.text) == (403, '{"message":"Forbidden"}')
        assert scoped.headers["www-authenticate"].startswith(
            'Bearer scope="read write" error="insufficient_scope"'
        )
        assert ask(f"Bearer {issuer.token(scope='a write')}", "scoped").status_code == 200
        assert ask(f"Bearer {issuer.token(scp=['read'])}", "scoped").status_code == 200


def test_an_issuer_that_is_not_there(api: Api) -> None:
    issuer = Issuer()
    issuer.server_close()
    authorizer = api.client.create_authorizer(
        ApiId=api.id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.querystring.token"],
        JwtConfiguration={"Issuer": issuer.url, "Audience": ["app"]},
    )["AuthorizerId"]
    api.route("GET /", AuthorizationType="JWT", AuthorizerId=authorizer)
    refused = get(f"{api.path_url}/?token={issuer.token()}")
    assert refused.status_code == 401
    assert "OIDC discovery endpoint communication error" in refused.headers["www-authenticate"]


def test_signed_requests(server: Server, api: Api) -> None:
    api.route("GET /signed", AuthorizationType="AWS_IAM")
    path = f"/_aws/execute-api/{api.id}/signed"
    assert get(f"{api.path_url}/signed").text == '{"message":"Forbidden"}'
    assert api.account.signed("GET", path).status_code == 200
    assert server.account_factory().signed("GET", path).status_code == 403
    host = api.url.removeprefix("http://")
    assert "execute-api" not in host or api.account.signed("GET", "/signed", host=host).status_code == 200


def test_cors_and_throttling(account: Account, echo: EchoServer) -> None:
    api = Api(account, echo, CorsConfiguration={"AllowOrigins": ["https://a.example"], "AllowMethods": ["*"]})
    api.route("GET /a")
    preflight = requests.options(
        f"{api.path_url}/a",
        headers={"origin": "https://a.example", "access-control-request-method": "GET"},
        timeout=20,
    )
    assert preflight.status_code == 204 and preflight.headers["access-control-allow-methods"] == "*"
    seen = get(f"{api.path_url}/a", origin="https://a.example").headers
    assert seen["access-control-allow-origin"] == "https://a.example"
    assert "access-control-allow-origin" not in get(f"{api.path_url}/a", origin="https://b.example").headers
    api.client.delete_cors_configuration(ApiId=api.id)
    assert "access-control-allow-origin" not in get(f"{api.path_url}/a", origin="https://a.example").headers
    api.client.update_stage(
        ApiId=api.id,
        StageName="$default",
        DefaultRouteSettings={"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 2},
    )
    answers = [get(f"{api.path_url}/a") for _ in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert answers[2].text == '{"message":"Too Many Requests"}'


def test_access_logs_reach_cloudwatch(account: Account, api: Api) -> None:
    logs = account.client("logs")
    group = unique("/apis/log")
    logs.create_log_group(logGroupName=group)
    api.route("GET /a")
    api.client.update_stage(
        ApiId=api.id,
        StageName="$default",
        AccessLogSettings={
            "DestinationArn": f"arn:aws:logs:us-east-1:{account.account}:log-group:{group}",
            "Format": '{"id":"$context.requestId","ip":"$context.identity.sourceIp",'
            '"route":"$context.routeKey","status":$context.status,"length":$context.responseLength,"m":"$context.httpMethod"}',
        },
    )
    answer = get(f"{api.path_url}/a")
    get(f"{api.path_url}/none")

    def lines() -> list[Any] | None:
        found = [json.loads(one["message"]) for one in logs.filter_log_events(logGroupName=group)["events"]]
        return found if len(found) == 2 else None

    first, second = sorted(wait_until(lines, what="two access log lines"), key=lambda one: one["status"])
    assert first == {
        "id": answer.headers["apigw-requestid"],
        "ip": "127.0.0.1",
        "route": "GET /a",
        "status": 200,
        "length": len(answer.content),
        "m": "GET",
    }
    assert (second["route"], second["status"]) == ("-", 404)
    api.client.delete_access_log_settings(ApiId=api.id, StageName="$default")
    assert "AccessLogSettings" not in api.client.get_stage(ApiId=api.id, StageName="$default")


def test_custom_domain_names_lead_to_stages(api: Api, needs_root: None) -> None:
    api.route("GET /a", api.integrate("/default"))
    deployment = api.client.create_deployment(ApiId=api.id)["DeploymentId"]
    api.client.create_stage(ApiId=api.id, StageName="v1", DeploymentId=deployment)
    name = f"{unique('shop')}.test"
    api.client.create_domain_name(
        DomainName=name,
        DomainNameConfigurations=[{"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/x"}],
    )
    api.client.create_api_mapping(DomainName=name, ApiId=api.id, Stage="$default")
    api.client.create_api_mapping(DomainName=name, ApiId=api.id, Stage="v1", ApiMappingKey="old/v1")
    port = api.account.url.rpartition(":")[2]
    assert get(f"http://{name}:{port}/a").status_code == 200
    assert get(f"http://{name}:{port}/old/v1/a").status_code == 200
    assert get(f"http://{name}:{port}/old/v1x/a").status_code == 404
    real = {"DomainName": f"{unique('shop')}.example.com"}
    target = api.client.create_domain_name(
        DomainNameConfigurations=[{"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/x"}],
        **real,
    )["DomainNameConfigurations"][0]["ApiGatewayDomainName"]
    api.client.create_api_mapping(ApiId=api.id, Stage="$default", **real)
    assert get(f"{api.account.url}/a", host=real["DomainName"]).status_code == 200
    assert get(f"http://{target}:{port}/a").status_code == 200
    api.client.delete_domain_name(**real)
    assert get(f"{api.account.url}/a", host=real["DomainName"]).status_code != 200


def test_a_role_cannot_make_an_api_that_leads_to_this_machine(account: Account, echo: EchoServer) -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": account.account}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    role = account.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    keys = account.client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    session = Account(
        account.url, account.account, keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]
    )
    api = Api(session, echo)
    api.route("GET /a")
    assert get(f"{api.path_url}/a").status_code == 503
    integration = api.client.get_integrations(ApiId=api.id)["Items"][0]
    assert not any(name.startswith("_") for name in integration)
    # The account's own key takes it over.
    account.client("apigatewayv2").update_integration(
        ApiId=api.id, IntegrationId=integration["IntegrationId"], TimeoutInMillis=5000
    )
    assert get(f"{api.path_url}/a").status_code == 200


def test_apis_survive_a_kill_and_go_with_a_reset(
    start_server: Callable[..., Server], echo: EchoServer
) -> None:
    quick = {"servers_enabled": "false", "functions_enabled": "false"}
    server = start_server(**quick)
    api = Api(server, echo)
    api.route("GET /a")
    assert get(f"{api.path_url}/a").status_code == 200
    data = server.data
    server.stop(kill=True)
    again = start_server(data, hosts_file="false", **quick)
    url = f"{again.url}/_aws/execute-api/{api.id}/a"
    assert get(url).status_code == 200
    # Without the hosts file the path form is what is printed.
    assert again.client("apigatewayv2").get_api(ApiId=api.id)["ApiEndpoint"] == url.removesuffix("/a")
    assert again.signed("POST", "/_undercast/reset", "undercast").status_code < 300
    assert get(url).status_code == 404
    assert again.client("apigatewayv2").get_apis()["Items"] == []
