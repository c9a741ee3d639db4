"""API Gateway v2: HTTP APIs."""

from undercast.services.apigatewayv2.service import ApiGatewayV2, build

__all__ = ["ApiGatewayV2", "build"]
