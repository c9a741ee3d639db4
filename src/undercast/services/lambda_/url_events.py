"""Function URLs: from an HTTP request to the event (payload format 2.0), and from the result back.

https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html#urls-payloads
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from typing import Any
from urllib.parse import parse_qsl

import orjson

from undercast.services.base import Caller, HttpRequest, HttpResponse

_TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")


def event(
    request: HttpRequest, url_id: str, region: str, path: str, trace_id: str, caller: Caller | None
) -> dict[str, Any]:
    """The event of a request."""
    moment = dt.datetime.now(dt.UTC)
    domain = f"{url_id}.lambda-url.{region}.on.aws"
    headers, cookies = _headers(request, trace_id)
    result: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path or "/",
        "rawQueryString": request.query_string,
    }
    if cookies:
        result["cookies"] = cookies
    result["headers"] = headers
    if query := _query(request.query_string):
        result["queryStringParameters"] = query
    context: dict[str, Any] = {
        "accountId": "anonymous",
        "apiId": url_id,
        "domainName": domain,
        "domainPrefix": url_id,
        "http": {
            "method": request.method,
            "path": path or "/",
            "protocol": "HTTP/1.1",
            "sourceIp": request.source_ip,
            "userAgent": headers.get("user-agent", ""),
        },
        "requestId": request.request_id,
        "routeKey": "$default",
        "stage": "$default",
        "time": moment.strftime("%d/%b/%Y:%H:%M:%S +0000"),
        "timeEpoch": int(moment.timestamp() * 1000),
    }
    if caller is not None:
        context["accountId"] = caller.account
        context["authorizer"] = {
            "iam": {
                "accessKey": caller.access_key_id,
                "accountId": caller.account,
                "callerId": caller.principal_id,
                "cognitoIdentity": None,
                "principalOrgId": None,
                "userArn": caller.principal_arn,
                "userId": caller.principal_id,
            }
        }
    result["requestContext"] = context
    result["isBase64Encoded"] = False
    if request.body:
        result["body"], result["isBase64Encoded"] = _body(request.body, headers.get("content-type", ""))
    return result


def _headers(request: HttpRequest, trace_id: str) -> tuple[dict[str, str], list[str]]:
    headers: dict[str, str] = {}
    cookies: list[str] = []
    for name, text in request.headers:
        if name == "cookie":
            cookies += [cookie.strip() for cookie in text.split(";") if cookie.strip()]
        elif name not in ("connection", "x-amzn-trace-id"):
            headers[name] = f"{headers[name]},{text}" if name in headers else text
    headers["x-amzn-trace-id"] = trace_id
    headers["x-forwarded-for"] = request.source_ip
    headers["x-forwarded-port"] = request.host.rpartition(":")[2] if ":" in request.host else "80"
    headers["x-forwarded-proto"] = request.scheme
    headers["x-amzn-tls-version"] = "TLSv1.3"
    headers["x-amzn-tls-cipher-suite"] = "TLS_AES_128_GCM_SHA256"
    return headers, cookies


def _query(query_string: str) -> dict[str, str]:
    query: dict[str, str] = {}
    for key, text in parse_qsl(query_string, keep_blank_values=True):
        query[key] = f"{query[key]},{text}" if key in query else text
    return query


def _body(body: bytes, content_type: str) -> tuple[str, bool]:
    if not content_type or content_type.lower().startswith(_TEXT_TYPES):
        try:
            return body.decode(), False
        except UnicodeDecodeError:
            pass  # says it is text and is not
    return base64.b64encode(body).decode(), True


def response(payload: bytes) -> HttpResponse:
    """The answer a result means: a dictionary with a statusCode is one, anything else is its body."""
    try:
        result = orjson.loads(payload) if payload else None
    except orjson.JSONDecodeError:  # a runtime of its own kind may answer anything
        return HttpResponse(200, [("content-type", "application/json")], payload)
    if not isinstance(result, dict) or "statusCode" not in result:
        body = result.encode() if isinstance(result, str) else orjson.dumps(result)
        return HttpResponse(200, [("content-type", "application/json")], body)
    try:
        return _full(result)
    except (ValueError, TypeError, AttributeError, binascii.Error):
        return internal_error()


def _full(result: dict[str, Any]) -> HttpResponse:
    headers = header_list(result.get("headers") or {}, result.get("cookies") or [])
    content = result.get("body")
    if result.get("isBase64Encoded"):
        body = base64.b64decode(str(content or ""), validate=True)
    elif content is None:
        body = b""
    else:
        body = content.encode() if isinstance(content, str) else orjson.dumps(content)
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/json"))
    return HttpResponse(_status(result["statusCode"]), headers, body)


def header_list(headers: dict[str, Any], cookies: list[str]) -> list[tuple[str, str]]:
    """The headers of an answer, cookies among them."""
    shown = [(name.lower(), _text(value)) for name, value in headers.items()]
    shown = [(name, text) for name, text in shown if name not in ("content-length", "transfer-encoding")]
    return shown + [("set-cookie", str(cookie)) for cookie in cookies]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _status(value: Any) -> int:
    status = int(value)
    if not 100 <= status <= 599:
        raise ValueError(status)
    return status


def prelude(document: bytes) -> HttpResponse:
    """Status and headers of a streamed answer, from the JSON before its body. Raises ValueError."""
    parsed = orjson.loads(document)
    if not isinstance(parsed, dict):
        raise ValueError("prelude is not an object")
    headers = header_list(parsed.get("headers") or {}, parsed.get("cookies") or [])
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", "application/octet-stream"))
    return HttpResponse(_status(parsed.get("statusCode", 200)), headers)


def internal_error() -> HttpResponse:
    """502: the function failed, or answered what is no answer."""
    return HttpResponse(502, [("content-type", "application/json")], b"Internal Server Error")


def error(status: int, code: str, document: dict[str, Any]) -> HttpResponse:
    """An error of the URL itself."""
    headers = [("content-type", "application/json"), ("x-amzn-errortype", code)]
    return HttpResponse(status, headers, orjson.dumps(document))
