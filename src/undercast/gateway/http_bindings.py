"""Members that travel outside a REST body: in the path, the query string, headers and the status."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import orjson
from botocore.model import ListShape, MapShape, Shape, StructureShape

from undercast.gateway import timestamps
from undercast.gateway.request import Request
from undercast.services.base import AwsError

Convert = Callable[[str], Any]


def _text_reader(shape: Shape, fmt: str) -> Convert:
    kind = shape.type_name
    if shape.serialization.get("jsonvalue"):
        return lambda text: orjson.loads(base64.b64decode(text))
    if kind == "boolean":
        return lambda text: text.strip().lower() == "true"
    if kind in ("integer", "long", "short"):
        return int
    if kind in ("float", "double"):
        return float
    if kind == "timestamp":
        return lambda text: timestamps.parse(text, fmt)
    if kind == "blob":
        return base64.b64decode
    return lambda text: text


def _text_writer(shape: Shape) -> Callable[[Any], str]:
    kind = shape.type_name
    if shape.serialization.get("jsonvalue"):
        return lambda value: base64.b64encode(orjson.dumps(value)).decode()
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind == "timestamp":
        fmt = shape.serialization.get("timestampFormat", "rfc822")
        return lambda value: str(timestamps.render(value, fmt))
    if kind == "blob":
        return lambda value: base64.b64encode(value).decode()
    if isinstance(shape, ListShape):
        item = _text_writer(shape.member)
        return lambda value: ",".join(map(item, value))
    return str


@dataclass(slots=True)
class _Bound:
    member: str
    name: str
    shape: Shape
    convert: Convert


class RequestBindings:
    """Reads the located members of one input shape."""

    def __init__(self, shape: StructureShape | None, uri: str = "") -> None:
        self._uri: list[_Bound] = []
        self._query: list[_Bound] = []
        self._query_maps: list[str] = []
        self._headers: list[_Bound] = []
        self._prefixes: list[tuple[str, str]] = []
        self.payload: str | None = None
        self.has_body = False
        # What the URI itself demands (`?mode=import`) is no member of a map of parameters.
        self._bound_query = frozenset(name for name, _ in parse_qsl(uri.partition("?")[2], True))
        if shape is not None:
            self._read_shape(shape)

    def _read_shape(self, shape: StructureShape) -> None:
        self.payload = shape.serialization.get("payload")
        for member, part in shape.members.items():
            traits = part.serialization
            name = traits.get("name", member)
            inner = part.member if isinstance(part, ListShape) else part
            match traits.get("location"):
                case "uri":
                    self._uri.append(_Bound(member, name, part, _text_reader(part, "iso8601")))
                case "querystring" if isinstance(part, MapShape):
                    self._query_maps.append(member)
                case "querystring":
                    self._query.append(_Bound(member, name, part, _text_reader(inner, "iso8601")))
                case "header":
                    self._headers.append(_Bound(member, name.lower(), part, _text_reader(inner, "rfc822")))
                case "headers":
                    self._prefixes.append((member, name.lower()))
                case _:
                    self.has_body = True
        self._bound_query |= frozenset(bound.name for bound in self._query)

    def read(self, request: Request, labels: dict[str, str]) -> dict[str, Any]:
        """The located members of a request. Raises `AwsError` (ValidationException) on a wrong type."""
        params: dict[str, Any] = {}
        for bound in self._uri:
            if bound.name in labels:
                params[bound.member] = _convert(bound, labels[bound.name])
        if request.query and (self._query or self._query_maps):
            self._read_query(request.query, params)
        headers = request.headers
        for bound in self._headers:
            if (text := headers.get(bound.name)) is not None:
                if isinstance(bound.shape, ListShape):
                    params[bound.member] = [_convert(bound, one.strip()) for one in text.split(",")]
                else:
                    params[bound.member] = _convert(bound, text)
        for member, prefix in self._prefixes:
            params[member] = {
                name[len(prefix) :]: text for name, text in headers.items() if name.startswith(prefix)
            }
        return params

    def _read_query(self, query: str, params: dict[str, Any]) -> None:
        given: dict[str, list[str]] = {}
        for name, text in parse_qsl(query, keep_blank_values=True):
            given.setdefault(name, []).append(text)
        for bound in self._query:
            if (texts := given.get(bound.name)) is not None:
                if isinstance(bound.shape, ListShape):
                    params[bound.member] = [_convert(bound, text) for text in texts]
                else:
                    params[bound.member] = _convert(bound, texts[-1])
        for member in self._query_maps:
            params[member] = {
                name: texts[-1] for name, texts in given.items() if name not in self._bound_query
            }


def _convert(bound: _Bound, text: str) -> Any:
    try:
        return bound.convert(text)
    except (ValueError, TypeError) as error:
        lowered = bound.member[:1].lower() + bound.member[1:]
        raise AwsError(
            "ValidationException",
            f"1 validation error detected: Value '{text}' at '{lowered}' failed to satisfy constraint: "
            f"Member must be of type {bound.shape.type_name}",
        ) from error


class ResponseBindings:
    """Writes the located members of one output shape."""

    def __init__(self, shape: StructureShape | None) -> None:
        self._headers: list[tuple[str, str, Callable[[Any], str]]] = []
        self._prefixes: list[tuple[str, str]] = []
        self.status: str | None = None
        self.payload: str | None = None
        self.payload_shape: Shape | None = None
        self.has_body = False
        if shape is None:
            return
        self.payload = shape.serialization.get("payload")
        if self.payload:
            self.payload_shape = shape.members[self.payload]
        for member, part in shape.members.items():
            name = part.serialization.get("name", member)
            match part.serialization.get("location"):
                case "header":
                    self._headers.append((member, name, _text_writer(part)))
                case "headers":
                    self._prefixes.append((member, name))
                case "statusCode":
                    self.status = member
                case _:
                    self.has_body = True

    def headers(self, result: dict[str, Any]) -> list[tuple[str, str]]:
        """The headers that carry members of a result."""
        written = [
            (name, write(result[member]))
            for member, name, write in self._headers
            if result.get(member) is not None
        ]
        for member, prefix in self._prefixes:
            written += [(f"{prefix}{name}", str(text)) for name, text in (result.get(member) or {}).items()]
        return written
