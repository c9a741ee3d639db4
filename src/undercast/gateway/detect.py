"""Which service a request is for, and in which protocol: from scope, target, path and host."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from undercast.gateway import model
from undercast.gateway.request import Request

_FORM = "application/x-www-form-urlencoded"
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")

# JSON services by the prefix of their target, for requests that are not signed.
_TARGETS = {"Logs_20140328": "logs", "GraniteServiceVersion20100801": "cloudwatch"}
# Query services by their API's version, likewise; a version also tells services of one signing name apart.
_VERSIONS = {
    "2010-05-08": "iam",
    "2011-06-15": "sts",
    "2016-11-15": "ec2",
    "2012-06-01": "elb",
    "2015-12-01": "elbv2",
    "2011-01-01": "autoscaling",
    "2010-08-01": "cloudwatch",
}
# REST services by how their paths begin, likewise.
_PATHS = (
    ("/v2/apis", "apigatewayv2"),
    ("/v2/domainnames", "apigatewayv2"),
    ("/v2/tags", "apigatewayv2"),
    ("/v2/vpclinks", "apigatewayv2"),
    ("/restapis", "apigateway"),
)
_DATED_LAMBDA = re.compile(
    r"/20\d\d-\d\d-\d\d/(functions|layers|event-source-mappings|account-settings|tags)"
)


@dataclass(frozen=True, slots=True)
class Target:
    """A service by botocore's name, and the protocol it is spoken to in."""

    service: str
    protocol: str
    known: bool  # whether Undercast serves it


def region(scope_region: str | None, host: str, default: str) -> str:
    """The region a request is for: the scope's, the host name's, or the default."""
    if scope_region and _REGION.fullmatch(scope_region):
        return scope_region
    for part in host.partition(":")[0].split("."):
        if _REGION.fullmatch(part):
            return part
    return default


def target(request: Request, scope_service: str | None, served: Collection[str]) -> Target:
    """Which service and protocol. An unknown service gets the protocol its request looks like."""
    service = _service(request, scope_service, served)
    if service is not None and service in served:
        return Target(service, _protocol(request, model.load(service)), True)
    return Target(service or "unknown", _guess(request), False)


def _service(request: Request, scope: str | None, served: Collection[str]) -> str | None:
    if scope is None:
        return _unsigned(request)
    if scope == "apigateway":
        return "apigatewayv2" if request.path.startswith("/v2/") else "apigateway"
    if scope == "elasticloadbalancing":
        return "elb" if "2012-06-01" in _form_text(request) else "elbv2"
    if scope == "monitoring":
        return "cloudwatch"
    return scope


def _unsigned(request: Request) -> str | None:
    if prefix := request.headers.get("x-amz-target", "").rpartition(".")[0]:
        return _TARGETS.get(prefix, prefix)
    if "Action=" in (text := _form_text(request)):
        for version, service in _VERSIONS.items():
            if f"Version={version}" in text:
                return service
    if _DATED_LAMBDA.match(request.path):
        return "lambda"
    for beginning, service in _PATHS:
        if request.path.startswith(beginning):
            return service
    if request.path.startswith("/service/"):
        return _TARGETS.get(request.path.split("/")[2])
    first = request.host.partition(".")[0]
    return first if first.isalnum() and not first.isdecimal() and "." in request.host else None


def _form_text(request: Request) -> str:
    if request.headers.get("content-type", "").startswith(_FORM):
        return request.body[:4096].decode("latin-1") + "&" + request.query
    return request.query


def _protocol(request: Request, service: model.Model) -> str:
    if len(service.protocols) == 1 or (guess := _guess(request)) not in service.protocols:
        return service.protocol
    return guess


def _guess(request: Request) -> str:
    if request.headers.get("smithy-protocol") == "rpc-v2-cbor":
        return "smithy-rpc-v2-cbor"
    content_type = request.headers.get("content-type", "")
    if "x-amz-target" in request.headers or content_type.startswith("application/x-amz-json"):
        return "json"
    if content_type.startswith(_FORM) or "Action=" in request.query:
        return "query"
    return "rest-xml" if "xml" in content_type else "rest-json"
