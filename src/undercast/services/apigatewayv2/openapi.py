"""What importing and exporting share: the names of AWS's OpenAPI extensions and of their members.

https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-swagger-extensions.html
"""

from __future__ import annotations

INTEGRATION = "x-amazon-apigateway-integration"
INTEGRATIONS = "x-amazon-apigateway-integrations"
ANY_METHOD = "x-amazon-apigateway-any-method"
AUTHORIZER = "x-amazon-apigateway-authorizer"
AUTH_TYPE = "x-amazon-apigateway-authtype"
CORS = "x-amazon-apigateway-cors"
ENDPOINT = "x-amazon-apigateway-endpoint-configuration"
VERSION = "x-amazon-apigateway-importexport-version"
TAG_VALUE = "x-amazon-apigateway-tag-value"

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")

# Member of the API → member of the document.
INTEGRATION_MEMBERS = {
    "ConnectionType": "connectionType",
    "CredentialsArn": "credentials",
    "Description": "description",
    "IntegrationMethod": "httpMethod",
    "IntegrationUri": "uri",
    "PayloadFormatVersion": "payloadFormatVersion",
    "RequestParameters": "requestParameters",
    "ResponseParameters": "responseParameters",
    "TimeoutInMillis": "timeoutInMillis",
}
AUTHORIZER_MEMBERS = {
    "AuthorizerCredentialsArn": "authorizerCredentials",
    "AuthorizerPayloadFormatVersion": "authorizerPayloadFormatVersion",
    "AuthorizerResultTtlInSeconds": "authorizerResultTtlInSeconds",
    "AuthorizerUri": "authorizerUri",
    "EnableSimpleResponses": "enableSimpleResponses",
}
CORS_MEMBERS = {
    "AllowCredentials": "allowCredentials",
    "AllowHeaders": "allowHeaders",
    "AllowMethods": "allowMethods",
    "AllowOrigins": "allowOrigins",
    "ExposeHeaders": "exposeHeaders",
    "MaxAge": "maxAge",
}
