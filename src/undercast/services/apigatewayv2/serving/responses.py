"""What a Lambda function returned, as an HTTP response.

Format 2.0 infers: a value without `statusCode` is the body of a 200 in JSON. Format 1.0 wants the full shape.
Scalars where text belongs are written as JSON writes them (a body of 2.0 is `2.0`); lists and objects there
are the wrong shape.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import orjson

Headers = list[tuple[str, str]]

# Set by the server for the connection it has, whatever the function says.
_DROPPED = frozenset({"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"})
_DEFAULT_TYPE = ("content-type", "text/plain;charset=UTF-8")
_JSON_TYPE = ("content-type", "application/json")


class WrongShape(ValueError):
    """The function's answer is no response. The text says why, for the access log."""

    def __init__(self, field: str) -> None:
        super().__init__(
            "The response from the Lambda function doesn't match the format that API Gateway expects. "
            f"Lambda body contains the wrong type for field '{field}'"
        )


def from_payload(payload: bytes, version: str) -> tuple[int, Headers, bytes]:
    """Status, headers and body of a function's answer. Raises WrongShape."""
    try:
        returned = orjson.loads(payload) if payload else None
    except orjson.JSONDecodeError as error:
        raise WrongShape("body") from error
    if isinstance(returned, dict) and "statusCode" in returned:
        return _structured(returned, version)
    if version == "2.0":
        return 200, [_JSON_TYPE], returned.encode() if isinstance(returned, str) else orjson.dumps(returned)
    raise WrongShape("statusCode")


def _structured(returned: dict[str, Any], version: str) -> tuple[int, Headers, bytes]:
    status = _status(returned["statusCode"])
    headers = _headers(returned.get("headers"))
    if version == "1.0":
        headers = _merged(headers, returned.get("multiValueHeaders"))
    elif (cookies := returned.get("cookies")) is not None:
        if not isinstance(cookies, list):
            raise WrongShape("cookies")
        headers += [("set-cookie", _text(cookie, "cookies")) for cookie in cookies]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.insert(0, _DEFAULT_TYPE)
    return status, headers, _body(returned)


def _status(value: Any) -> int:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 200 <= value <= 599:
        raise WrongShape("statusCode")
    return value


def _body(returned: dict[str, Any]) -> bytes:
    text = _text(returned.get("body"), "body").encode()
    encoded = returned.get("isBase64Encoded")
    if encoded not in (None, True, False):
        raise WrongShape("isBase64Encoded")
    if not encoded:
        return text
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise WrongShape("body") from error


def _headers(given: Any) -> Headers:
    if given is None:
        return []
    if not isinstance(given, dict):
        raise WrongShape("headers")
    return [(name, _line(value, "headers")) for name, value in given.items() if _kept(name, value)]


def _merged(headers: Headers, many: Any) -> Headers:
    """Headers and multi-value headers: of a name in both, the multiple values count."""
    if many is None:
        return headers
    if not isinstance(many, dict):
        raise WrongShape("multiValueHeaders")
    for values in many.values():
        if not isinstance(values, list):
            raise WrongShape("multiValueHeaders")
    named = {name.lower() for name in many}
    merged = [pair for pair in headers if pair[0].lower() not in named]
    for name, values in many.items():
        merged += [(name, _line(value, "multiValueHeaders")) for value in values if _kept(name, value)]
    return merged


def _kept(name: str, value: Any) -> bool:
    if not name or not name.isascii() or any(char in name for char in " \r\n:"):
        raise WrongShape("headers")
    return value is not None and name.lower() not in _DROPPED


def _line(value: Any, field: str) -> str:
    text = _text(value, field)
    if "\r" in text or "\n" in text or "\0" in text:
        raise WrongShape(field)
    return text


def _text(value: Any, field: str) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    raise WrongShape(field)
