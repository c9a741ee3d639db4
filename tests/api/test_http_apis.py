"""The control plane of HTTP APIs, as boto3 sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError

from support import Account, unique

FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
INVOCATION = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations"


@pytest.fixture
def gateway(account: Account) -> Any:
    return account.client("apigatewayv2")


@pytest.fixture
def api_id(gateway: Any) -> str:
    made: str = gateway.create_api(Name=unique("api"), ProtocolType="HTTP")["ApiId"]
    return made


def failure(operation: Any, **params: Any) -> tuple[str, int, str]:
    """The code, status and message an operation fails with."""
    with pytest.raises(ClientError) as caught:
        operation(**params)
    error = caught.value.response
    return error["Error"]["Code"], error["ResponseMetadata"]["HTTPStatusCode"], error["Error"]["Message"]


def test_quick_create_makes_everything_and_update_changes_it(account: Account, gateway: Any) -> None:
    api = gateway.create_api(Name="quick", ProtocolType="HTTP", Target=FUNCTION, Tags={"a": "b"})
    api_id = api["ApiId"]
    assert len(api_id) == 10
    assert api["ApiKeySelectionExpression"] == "$request.header.x-api-key"
    assert api["RouteSelectionExpression"] == "$request.method $request.path"
    assert api["DisableExecuteApiEndpoint"] is False and api["Tags"] == {"a": "b"}
    (integration,) = gateway.get_integrations(ApiId=api_id)["Items"]
    assert integration == {
        "ApiGatewayManaged": True,
        "ConnectionType": "INTERNET",
        "IntegrationId": integration["IntegrationId"],
        "IntegrationMethod": "POST",
        "IntegrationType": "AWS_PROXY",
        "IntegrationUri": FUNCTION,
        "PayloadFormatVersion": "2.0",
        "TimeoutInMillis": 30000,
    }
    (route,) = gateway.get_routes(ApiId=api_id)["Items"]
    assert (
        route["RouteKey"] == "$default" and route["Target"] == f"integrations/{integration['IntegrationId']}"
    )
    (stage,) = gateway.get_stages(ApiId=api_id)["Items"]
    assert stage["StageName"] == "$default" and stage["AutoDeploy"] is True
    (deployment,) = gateway.get_deployments(ApiId=api_id)["Items"]
    assert deployment["AutoDeployed"] is True and deployment["DeploymentStatus"] == "DEPLOYED"
    assert deployment["DeploymentId"] == stage["DeploymentId"]

    updated = gateway.update_api(ApiId=api_id, Name="new", RouteKey="GET /x", Target="http://127.0.0.1:9/y")
    assert updated["Name"] == "new"
    assert gateway.get_routes(ApiId=api_id)["Items"][0]["RouteKey"] == "GET /x"
    assert gateway.get_integrations(ApiId=api_id)["Items"][0]["IntegrationType"] == "HTTP_PROXY"
    assert gateway.get_stage(ApiId=api_id, StageName="$default")["DeploymentId"] != stage["DeploymentId"]
    gateway.delete_api(ApiId=api_id)
    code, status, message = failure(gateway.get_api, ApiId=api_id)
    assert (code, status) == ("NotFoundException", 404)
    assert message == f"Invalid API identifier specified {account.account}:{api_id}"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"ProtocolType": "WEBSOCKET"},
            "The protocol type WEBSOCKET is not supported by Undercast. Use HTTP.",
        ),
        ({"RouteKey": "GET /"}, "RouteKey and CredentialsArn are only allowed together with Target"),
        ({"Target": "nowhere"}, "Invalid HTTP endpoint specified for URI"),
        ({"CorsConfiguration": {"AllowOrigins": ["a b"]}}, "Invalid format for origin a b"),
        (
            {"CorsConfiguration": {"AllowOrigins": ["*"], "AllowCredentials": True}},
            "allowCredentials is not supported for origin *",
        ),
        ({"Tags": {"aws:x": "y"}}, "Invalid tag key: aws:x"),
    ],
)
def test_apis_that_cannot_be(gateway: Any, params: dict[str, Any], message: str) -> None:
    given = {"Name": "x", "ProtocolType": "HTTP", **params}
    assert failure(gateway.create_api, **given) == ("BadRequestException", 400, message)
    assert gateway.get_apis()["Items"] == []


def test_other_accounts_and_regions_see_nothing(
    account: Account, gateway: Any, api_id: str, server: Any
) -> None:
    other = server.account_factory().client("apigatewayv2")
    elsewhere = account.client("apigatewayv2", region="eu-west-1")
    for client in (other, elsewhere):
        assert failure(client.get_routes, ApiId=api_id)[0] == "NotFoundException"
        assert failure(client.delete_api, ApiId=api_id)[0] == "NotFoundException"
        assert client.get_apis()["Items"] == []
    assert [one["ApiId"] for one in gateway.get_apis()["Items"]] == [api_id]


BAD_KEY = (
    "The provided route key is not formatted properly for HTTP protocol. "
    'Format should be "<HTTP METHOD> /<RESOURCE PATH>" or "$default"'
)


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("create_route", {"RouteKey": "GET"}, ("BadRequestException", BAD_KEY)),
        (
            "create_route",
            {"RouteKey": "GET /taken"},
            ("ConflictException", "Route with key GET /taken already exists for this API"),
        ),
        (
            "create_route",
            {"RouteKey": "GET /x", "Target": "integrations/none"},
            ("NotFoundException", "Invalid Integration identifier specified: none"),
        ),
        (
            "create_route",
            {"RouteKey": "GET /x", "AuthorizationType": "JWT"},
            ("BadRequestException", "AuthorizerId is required for authorization type JWT"),
        ),
        (
            "create_route",
            {"RouteKey": "GET /x", "ApiKeyRequired": True},
            ("BadRequestException", "API keys are not supported for HTTP APIs"),
        ),
        ("get_route", {"RouteId": "none"}, ("NotFoundException", "Invalid Route identifier specified")),
        (
            "get_integration",
            {"IntegrationId": "none"},
            ("NotFoundException", "Invalid Integration identifier specified"),
        ),
        ("get_stage", {"StageName": "none"}, ("NotFoundException", "Invalid stage identifier specified")),
        (
            "get_deployment",
            {"DeploymentId": "none"},
            ("NotFoundException", "Invalid Deployment identifier specified"),
        ),
        (
            "get_authorizer",
            {"AuthorizerId": "none"},
            ("NotFoundException", "Invalid Authorizer identifier specified"),
        ),
        (
            "create_integration",
            {"IntegrationType": "MOCK"},
            (
                "BadRequestException",
                "Currently, an API with a protocol type of HTTP may only be "
                "associated with proxy integrations (AWS_PROXY, HTTP_PROXY)",
            ),
        ),
        (
            "create_integration",
            {"IntegrationType": "AWS_PROXY", "IntegrationSubtype": "SQS-SendMessage"},
            (
                "BadRequestException",
                "The AWS service integration SQS-SendMessage is not supported by "
                "Undercast. Put a Lambda function in between, or use HTTP_PROXY.",
            ),
        ),
        (
            "create_integration",
            {"IntegrationType": "HTTP_PROXY", "ConnectionType": "VPC_LINK", "ConnectionId": "x"},
            (
                "BadRequestException",
                "A private integration (ConnectionType VPC_LINK) is not supported by "
                "Undercast. Use ConnectionType INTERNET.",
            ),
        ),
        (
            "create_integration",
            {
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": FUNCTION,
                "RequestParameters": {"append:header.authorization": "x"},
            },
            ("BadRequestException", "Operations on header authorization are restricted"),
        ),
        (
            "create_stage",
            {"StageName": "a b"},
            ("BadRequestException", "Stage name only allows a-zA-Z0-9_- and $default, up to 128 characters"),
        ),
        (
            "create_stage",
            {"StageName": "s", "RouteSettings": {"GET /none": {"ThrottlingBurstLimit": 1}}},
            ("NotFoundException", "Unable to find Route by key GET /none within the provided RouteSettings"),
        ),
        (
            "create_stage",
            {"StageName": "s", "DefaultRouteSettings": {"LoggingLevel": "INFO"}},
            ("BadRequestException", "Execution logs are not supported on protocol type HTTP"),
        ),
        (
            "create_stage",
            {
                "StageName": "s",
                "AccessLogSettings": {
                    "DestinationArn": "arn:aws:logs:us-east-1:000000000000:log-group:g",
                    "Format": "x",
                },
            },
            (
                "BadRequestException",
                "Access log format must contain at least $context.requestId or $context.extendedRequestId",
            ),
        ),
        (
            "create_authorizer",
            {"Name": "a", "AuthorizerType": "REQUEST", "AuthorizerUri": INVOCATION, "IdentitySource": []},
            (
                "BadRequestException",
                "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer",
            ),
        ),
        (
            "create_authorizer",
            {"Name": "a", "AuthorizerType": "JWT", "IdentitySource": ["$request.header.Authorization"]},
            (
                "BadRequestException",
                "JWT authorizer requires an issuer and at least one audience in JwtConfiguration",
            ),
        ),
        (
            "create_model",
            {"Name": "m", "Schema": "{}"},
            ("BadRequestException", "Models are not supported for HTTP APIs"),
        ),
        (
            "get_routes",
            {"MaxResults": "x"},
            ("BadRequestException", "Invalid max results value specified. Must be between 1 and 500."),
        ),
        ("get_routes", {"NextToken": "%"}, ("BadRequestException", "Invalid next token specified")),
    ],
)
def test_parts_that_cannot_be(
    gateway: Any, api_id: str, operation: str, params: dict[str, Any], expected: tuple[str, str]
) -> None:
    gateway.create_route(ApiId=api_id, RouteKey="GET /taken")
    code, _, message = failure(getattr(gateway, operation), ApiId=api_id, **params)
    assert (code, message) == expected


def test_the_life_of_routes_integrations_and_authorizers(gateway: Any, api_id: str) -> None:
    integration = gateway.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=INVOCATION,
        PayloadFormatVersion="2.0",
        RequestParameters={"append:header.a": "1", "append:header.b": "2"},
    )
    identifier = integration["IntegrationId"]
    updated = gateway.update_integration(
        ApiId=api_id, IntegrationId=identifier, TimeoutInMillis=500, RequestParameters={"append:header.a": ""}
    )
    assert updated["TimeoutInMillis"] == 500 and updated["RequestParameters"] == {"append:header.b": "2"}
    authorizer = gateway.create_authorizer(
        ApiId=api_id,
        Name="jwt",
        AuthorizerType="JWT",
        IdentitySource=["$request.header.Authorization"],
        JwtConfiguration={"Issuer": "https://issuer.example", "Audience": ["a"]},
    )["AuthorizerId"]
    route = gateway.create_route(
        ApiId=api_id,
        RouteKey="GET /a",
        Target=f"integrations/{identifier}",
        AuthorizationType="JWT",
        AuthorizerId=authorizer,
        AuthorizationScopes=["s"],
        OperationName="op",
    )
    assert route["ApiKeyRequired"] is False and route["AuthorizationScopes"] == ["s"]
    assert failure(gateway.delete_integration, ApiId=api_id, IntegrationId=identifier)[:2] == (
        "ConflictException",
        409,
    )
    assert failure(gateway.delete_authorizer, ApiId=api_id, AuthorizerId=authorizer) == (
        "ConflictException",
        409,
        "Cannot delete authorizer 'jwt', is referenced in route: GET /a",
    )
    changed = gateway.update_route(
        ApiId=api_id, RouteId=route["RouteId"], RouteKey="POST /a", AuthorizationType="NONE"
    )
    assert changed["RouteKey"] == "POST /a" and "AuthorizerId" not in changed
    gateway.delete_authorizer(ApiId=api_id, AuthorizerId=authorizer)
    gateway.delete_route(ApiId=api_id, RouteId=route["RouteId"])
    gateway.delete_integration(ApiId=api_id, IntegrationId=identifier)
    assert (
        gateway.get_integrations(ApiId=api_id)["Items"]
        == gateway.get_authorizers(ApiId=api_id)["Items"]
        == []
    )


def test_pages(gateway: Any, api_id: str) -> None:
    made = [gateway.create_route(ApiId=api_id, RouteKey=f"GET /{n}")["RouteId"] for n in range(5)]
    seen: list[str] = []
    token = None
    for _ in range(3):
        page = gateway.get_routes(ApiId=api_id, MaxResults="2", **({"NextToken": token} if token else {}))
        seen += [one["RouteId"] for one in page["Items"]]
        token = page.get("NextToken")
    assert seen == made and token is None


def test_deployments_and_stages(gateway: Any, api_id: str) -> None:
    assert failure(gateway.create_deployment, ApiId=api_id) == (
        "BadRequestException",
        400,
        "Unable to deploy API because no routes exist in this API",
    )
    auto = gateway.create_stage(ApiId=api_id, StageName="auto", AutoDeploy=True)
    assert auto["LastDeploymentStatusMessage"] == (
        "Deployment attempt failed: Unable to deploy API because no routes exist in this API"
    )
    gateway.create_route(ApiId=api_id, RouteKey="GET /a")
    first = gateway.get_stage(ApiId=api_id, StageName="auto")
    assert first["LastDeploymentStatusMessage"] == (
        f"Successfully deployed stage with deployment ID '{first['DeploymentId']}'"
    )
    deployment = gateway.create_deployment(ApiId=api_id, Description="d")
    assert deployment["AutoDeployed"] is False and deployment["Description"] == "d"
    stage = gateway.create_stage(
        ApiId=api_id,
        StageName="manual",
        DeploymentId=deployment["DeploymentId"],
        StageVariables={"a": "1", "b": "2"},
        Tags={"t": "1"},
    )
    assert stage["StageVariables"] == {"a": "1", "b": "2"} and "AutoDeploy" not in stage
    assert failure(gateway.create_stage, ApiId=api_id, StageName="manual")[0] == "ConflictException"
    assert failure(gateway.delete_deployment, ApiId=api_id, DeploymentId=deployment["DeploymentId"]) == (
        "BadRequestException",
        400,
        "Active stages pointing to this deployment must be moved or deleted",
    )
    updated = gateway.update_stage(
        ApiId=api_id,
        StageName="manual",
        StageVariables={"a": "", "c": "3"},
        RouteSettings={"GET /a": {"ThrottlingBurstLimit": 5}},
        DefaultRouteSettings={"ThrottlingRateLimit": 10.5},
    )
    assert updated["StageVariables"] == {"b": "2", "c": "3"}
    assert updated["RouteSettings"]["GET /a"]["ThrottlingBurstLimit"] == 5
    assert updated["DefaultRouteSettings"]["ThrottlingRateLimit"] == 10.5
    gateway.delete_route_settings(ApiId=api_id, StageName="manual", RouteKey="GET /a")
    assert gateway.get_stage(ApiId=api_id, StageName="manual")["RouteSettings"] == {}
    assert failure(gateway.create_deployment, ApiId=api_id, StageName="auto")[0] == "BadRequestException"
    gateway.delete_stage(ApiId=api_id, StageName="manual")
    gateway.delete_deployment(ApiId=api_id, DeploymentId=deployment["DeploymentId"])


def test_tags(gateway: Any, api_id: str) -> None:
    gateway.create_stage(ApiId=api_id, StageName="s")
    for resource in (f"apis/{api_id}", f"apis/{api_id}/stages/s"):
        arn = f"arn:aws:apigateway:us-east-1::/{resource}"
        gateway.tag_resource(ResourceArn=arn, Tags={"a": "1", "b": "2"})
        gateway.untag_resource(ResourceArn=arn, TagKeys=["a"])
        assert gateway.get_tags(ResourceArn=arn)["Tags"] == {"b": "2"}
    assert gateway.get_api(ApiId=api_id)["Tags"] == {"b": "2"}
    assert (
        failure(gateway.get_tags, ResourceArn="arn:aws:apigateway:us-east-1::/x/y")[0]
        == "BadRequestException"
    )


def test_domain_names_and_mappings(gateway: Any, api_id: str) -> None:
    name = f"{unique('d')}.example.test"
    certificate = "arn:aws:acm:us-east-1:000000000000:certificate/x"
    assert failure(gateway.create_domain_name, DomainName=name)[0] == "BadRequestException"
    made = gateway.create_domain_name(
        DomainName=name, DomainNameConfigurations=[{"CertificateArn": certificate}]
    )
    configuration = made["DomainNameConfigurations"][0]
    assert configuration["DomainNameStatus"] == "AVAILABLE" and configuration["EndpointType"] == "REGIONAL"
    again = {"DomainName": name, "DomainNameConfigurations": [{"CertificateArn": certificate}]}
    assert failure(gateway.create_domain_name, **again)[:2] == ("ConflictException", 409)
    assert failure(gateway.create_api_mapping, DomainName=name, ApiId=api_id, Stage="s")[2] == (
        "Invalid stage identifier specified"
    )
    gateway.create_stage(ApiId=api_id, StageName="s")
    mapping = gateway.create_api_mapping(DomainName=name, ApiId=api_id, Stage="s", ApiMappingKey="a/b")
    identifier = mapping["ApiMappingId"]
    assert mapping["ApiMappingKey"] == "a/b"
    assert failure(gateway.create_api_mapping, DomainName=name, ApiId=api_id, Stage="s", ApiMappingKey="a/b")[
        0
    ] == ("ConflictException")
    assert failure(gateway.create_api_mapping, DomainName=name, ApiId=api_id, Stage="s", ApiMappingKey="/a")[
        2
    ] == ("API mapping key should not start with a '/' or have consecutive '/'s.")
    assert failure(gateway.delete_stage, ApiId=api_id, StageName="s")[0] == "BadRequestException"
    assert failure(gateway.delete_api, ApiId=api_id)[0] == "BadRequestException"
    updated = gateway.update_api_mapping(
        DomainName=name, ApiMappingId=identifier, ApiId=api_id, ApiMappingKey="c"
    )
    assert updated["ApiMappingKey"] == "c"
    assert [one["ApiMappingId"] for one in gateway.get_api_mappings(DomainName=name)["Items"]] == [identifier]
    gateway.delete_api_mapping(DomainName=name, ApiMappingId=identifier)
    assert (
        failure(gateway.get_api_mapping, DomainName=name, ApiMappingId=identifier)[0] == "NotFoundException"
    )
    gateway.delete_domain_name(DomainName=name)
    assert failure(gateway.get_domain_name, DomainName=name)[2] == (
        "The domain name resource specified in the request was not found."
    )


@pytest.mark.parametrize(
    "name",
    [
        "localhost",
        "127.0.0.1",
        "a_b.test",
        "*.localhost",
        "s3.localhost",
        "lambda.us-east-1.localhost",
        "x.execute-api.us-east-1.localhost",
        "sts.amazonaws.com",
    ],
)
def test_names_the_cloud_is_called_by_cannot_be_taken(gateway: Any, name: str) -> None:
    configuration = {"CertificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/x"}
    assert (
        failure(gateway.create_domain_name, DomainName=name, DomainNameConfigurations=[configuration])[0]
        == "BadRequestException"
    )


DEFINITION: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "pets", "version": "7", "description": "about pets"},
    "tags": [{"name": "team", "x-amazon-apigateway-tag-value": "zoo"}],
    "servers": [{"url": "https://x/{basePath}", "variables": {"basePath": {"default": "/v1/zoo"}}}],
    "paths": {
        "/pets/{id}": {
            "get": {
                "operationId": "getPet",
                "security": [{"jwt": ["read"]}],
                "x-amazon-apigateway-integration": {
                    "$ref": "#/components/x-amazon-apigateway-integrations/fn"
                },
            },
            "x-amazon-apigateway-any-method": {
                "security": [{"asked": []}],
                "x-amazon-apigateway-integration": {
                    "type": "http_proxy",
                    "httpMethod": "ANY",
                    "uri": "http://127.0.0.1:9/pets/{id}",
                    "payloadFormatVersion": "1.0",
                    "requestParameters": {"append:header.x": "1"},
                },
            },
        },
        "/signed": {
            "post": {
                "security": [{"sigv4": []}],
                "x-amazon-apigateway-integration": {
                    "$ref": "#/components/x-amazon-apigateway-integrations/fn"
                },
            }
        },
        "/$default": {
            "x-amazon-apigateway-any-method": {
                "isDefaultRoute": True,
                "x-amazon-apigateway-integration": {
                    "$ref": "#/components/x-amazon-apigateway-integrations/fn"
                },
            }
        },
    },
    "components": {
        "x-amazon-apigateway-integrations": {
            "fn": {"type": "aws_proxy", "httpMethod": "POST", "uri": INVOCATION, "payloadFormatVersion": 2.0}
        },
        "securitySchemes": {
            "jwt": {
                "type": "oauth2",
                "x-amazon-apigateway-authorizer": {
                    "type": "jwt",
                    "identitySource": "$request.header.Authorization",
                    "jwtConfiguration": {"issuer": "https://issuer.example", "audience": ["a"]},
                },
            },
            "asked": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authorizer": {
                    "type": "request",
                    "identitySource": "$request.header.A, $request.querystring.b",
                    "authorizerUri": INVOCATION,
                    "authorizerPayloadFormatVersion": "2.0",
                    "authorizerResultTtlInSeconds": 60,
                    "enableSimpleResponses": True,
                },
            },
            "sigv4": {
                "type": "apiKey",
                "name": "Authorization",
                "in": "header",
                "x-amazon-apigateway-authtype": "awsSigv4",
            },
        },
    },
    "x-amazon-apigateway-cors": {"allowOrigins": ["https://a.example"], "maxAge": 9},
}


def _without_ids(gateway: Any, api_id: str) -> Any:
    """An API's routes with what they refer to in place of the references."""
    integrations = {one.pop("IntegrationId"): one for one in gateway.get_integrations(ApiId=api_id)["Items"]}
    authorizers = {one.pop("AuthorizerId"): one for one in gateway.get_authorizers(ApiId=api_id)["Items"]}
    routes = {}
    for one in gateway.get_routes(ApiId=api_id)["Items"]:
        del one["RouteId"]
        one["Target"] = integrations[one["Target"].removeprefix("integrations/")]
        one["AuthorizerId"] = authorizers.get(one.get("AuthorizerId", ""))
        routes[one["RouteKey"]] = one
    return routes


def test_import_export_and_import_again_give_the_same_api(gateway: Any) -> None:
    first = gateway.import_api(Body=yaml.safe_dump(DEFINITION))
    assert (first["Name"], first["Description"], first["Version"]) == ("pets", "about pets", "7")
    assert first["CorsConfiguration"] == {"AllowOrigins": ["https://a.example"], "MaxAge": 9}
    assert first["Tags"] == {"team": "zoo"}
    routes = _without_ids(gateway, first["ApiId"])
    assert set(routes) == {"GET /pets/{id}", "ANY /pets/{id}", "POST /signed", "$default"}
    assert routes["GET /pets/{id}"]["AuthorizationScopes"] == ["read"]
    assert routes["POST /signed"]["AuthorizationType"] == "AWS_IAM"
    assert routes["ANY /pets/{id}"]["AuthorizerId"]["IdentitySource"] == [
        "$request.header.A",
        "$request.querystring.b",
    ]
    assert len(gateway.get_integrations(ApiId=first["ApiId"])["Items"]) == 2  # the shared one is one
    for output, read in (("JSON", json.loads), ("YAML", yaml.safe_load)):
        answer = gateway.export_api(ApiId=first["ApiId"], Specification="OAS30", OutputType=output)
        text = answer["body"].read().decode()
        assert read(text)["x-amazon-apigateway-importexport-version"] == "1.0"
        second = gateway.import_api(Body=text)
        assert _without_ids(gateway, second["ApiId"]) == routes
    bare = gateway.export_api(
        ApiId=first["ApiId"], Specification="OAS30", OutputType="JSON", IncludeExtensions=False
    )
    assert b"x-amazon-apigateway-integration" not in bare["body"].read()

    gateway.create_route(ApiId=second["ApiId"], RouteKey="GET /files/{name+}")
    greedy = gateway.export_api(ApiId=second["ApiId"], Specification="OAS30", OutputType="JSON")["body"]
    assert json.load(greedy)["paths"]["/files/{name+}"]["parameters"][0]["name"] == "name+"

    again = gateway.reimport_api(ApiId=first["ApiId"], Body=json.dumps(DEFINITION), Basepath="split")
    assert again["ApiId"] == first["ApiId"]
    assert "GET /zoo/pets/{id}" in _without_ids(gateway, first["ApiId"])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[]", "Invalid OpenAPI input."),
        ("{", "Invalid OpenAPI input."),
        (
            "openapi: 3.0.1\ninfo: {title: x}\na: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + "".join(
                f"{n}: &{n} [{','.join(['*' + m] * 10)}]\n" for m, n in ("ab", "bc", "cd", "de", "ef", "fg")
            ),
            "Invalid OpenAPI input.",
        ),
        (
            '{"swagger": "2.0"}',
            "Unsupported version of OpenAPI. HTTP APIs are imported from OpenAPI 3.0.x only.",
        ),
        ('{"openapi": "3.0.1", "info": {}}', "Invalid OpenAPI input. The definition must have info.title."),
    ],
)
def test_what_cannot_be_imported(gateway: Any, body: str, message: str) -> None:
    assert failure(gateway.import_api, Body=body) == ("BadRequestException", 400, message)


def test_a_failed_import_leaves_nothing(gateway: Any) -> None:
    bare = {"openapi": "3.0.1", "info": {"title": "x"}, "paths": {"/a": {"get": {}}}}
    code, _, message = failure(gateway.import_api, Body=json.dumps(bare), FailOnWarnings=True)
    assert code == "BadRequestException" and "Route GET /a has no integration" in message
    assert gateway.get_apis()["Items"] == []
    assert gateway.import_api(Body=json.dumps(bare))["Warnings"] == ["Route GET /a has no integration"]


def test_the_aws_cli_knows_it_all(account: Account) -> None:
    made = account.aws_json("apigatewayv2", "create-api", "--name", "cli", "--protocol-type", "HTTP")
    listed = account.aws_json("apigatewayv2", "get-apis")["Items"]
    assert [one["ApiId"] for one in listed] == [made["ApiId"]]
    account.aws("apigatewayv2", "delete-api", "--api-id", made["ApiId"])
    failed = account.aws("apigatewayv2", "get-api", "--api-id", made["ApiId"], check=False)
    assert "(NotFoundException) when calling the GetApi operation: Invalid API identifier" in failed.stderr
