"""Parameter mapping: changing requests before the integration sees them, and responses after.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-parameter-mapping.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote

import orjson

from undercast.services.apigatewayv2.serving import variables
from undercast.services.apigatewayv2.serving.exchange import Exchange

MAX_PARAMETERS = 10  # per integration and direction

_KEY = re.compile(r"(append|overwrite|remove):(header|querystring|path|statuscode)(?:\.(.+))?")
_SELECTOR = re.compile(
    r"\$\{(request|response|context|stageVariables)([^}]*)\}"
    r"|\$(request|response|context|stageVariables)((?:\.[A-Za-z0-9_\-\[\]]+)*)"
)
# What can be selected from each source.
_SELECTED = {
    "request": re.compile(r"(header|querystring)\..+|(path|body)(\..+)?"),
    "response": re.compile(r"header\..+|body(\..+)?"),
    "context": re.compile(r".+"),
    "stageVariables": re.compile(r".+"),
}
_STATUS = re.compile(r"[2-5]\d\d")
_RESTRICTED = re.compile(
    r"(access-control-.*|apigw-.*|x-amz-.*|x-amzn-.*|authorization|connection|content-encoding|content-length"
    r"|content-location|forwarded|keep-alive|origin|proxy-authenticate|proxy-authorization|te|trailers"
    r"|transfer-encoding|upgrade|via|x-forwarded-for|x-forwarded-host|x-forwarded-proto)",
    re.IGNORECASE,
)

Resolve = Callable[[str, str], str | None]
Pairs = list[tuple[str, str]]


class BadMapping(ValueError):
    """A mapping AWS does not take. Its text is the error's message."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change: what is done to which part, and the value's pieces (literal text, or a selector)."""

    action: Literal["append", "overwrite", "remove"]
    place: Literal["header", "querystring", "path", "statuscode"]
    name: str
    value: tuple[str | tuple[str, str], ...]

    def evaluate(self, resolve: Resolve) -> str | None:
        """The value, or None when nothing it refers to is there."""
        found = [piece if isinstance(piece, str) else resolve(*piece) for piece in self.value]
        if self.value and all(piece is None for piece in found):
            return None
        return "".join(piece or "" for piece in found)


def compile_request(parameters: Mapping[str, str]) -> tuple[Change, ...]:
    """The changes of RequestParameters. Raises BadMapping."""
    changes = _compile(parameters, places=("header", "querystring", "path"))
    for change in changes:
        if any(isinstance(piece, tuple) and piece[0] == "response" for piece in change.value):
            raise BadMapping("Request parameters must not refer to the response")
    return changes


def compile_responses(parameters: Mapping[str, Mapping[str, str]]) -> dict[int, tuple[Change, ...]]:
    """The changes of ResponseParameters by status code. Raises BadMapping."""
    compiled: dict[int, tuple[Change, ...]] = {}
    for status, mapping in parameters.items():
        if not _STATUS.fullmatch(status):
            raise BadMapping(
                f"Invalid status code {status} in response parameters. Must be between 200 and 599"
            )
        compiled[int(status)] = _compile(mapping, places=("header", "statuscode"))
    return compiled


def _compile(parameters: Mapping[str, str], places: tuple[str, ...]) -> tuple[Change, ...]:
    if len(parameters) > MAX_PARAMETERS:
        raise BadMapping(f"At most {MAX_PARAMETERS} parameters can be mapped")
    return tuple(_change(key, value, places) for key, value in parameters.items())


def _change(key: str, value: str, places: tuple[str, ...]) -> Change:
    match = _KEY.fullmatch(key)
    if match is None or match[2] not in places:
        raise BadMapping(f"Invalid mapping expression specified: {key}")
    action, place, name = match[1], match[2], match[3] or ""
    named = place in ("header", "querystring")
    if named != bool(name) or (not named and action != "overwrite"):
        raise BadMapping(f"Invalid mapping expression specified: {key}")
    if place == "header" and _RESTRICTED.fullmatch(name):
        raise BadMapping(f"Operations on header {name} are restricted")
    # The match guarantees the literals.
    return Change(action, place, name, () if action == "remove" else _pieces(value))  # type: ignore[arg-type]


def _pieces(value: str) -> tuple[str | tuple[str, str], ...]:
    pieces: list[str | tuple[str, str]] = []
    at = 0
    for match in _SELECTOR.finditer(value):
        if match.start() > at:
            pieces.append(value[at : match.start()])
        source, name = match[1] or match[3], (match[2] or match[4] or "").removeprefix(".")
        if not _SELECTED[source].fullmatch(name):
            raise BadMapping(f"Invalid mapping expression specified: {value}")
        pieces.append((source, name))
        at = match.end()
    if at < len(value):
        pieces.append(value[at:])
    return tuple(pieces)


def apply_request(
    exchange: Exchange, changes: tuple[Change, ...]
) -> tuple[dict[str, str], Pairs, str | None]:
    """The headers, the query and the path (None: as it was) after the changes."""
    headers, query, path = dict(exchange.headers), list(exchange.query), None
    body = _Document(exchange.request.body)

    def resolve(source: str, name: str) -> str | None:
        if source == "request":
            return _of_request(exchange, body, name)
        return _common(exchange, source, name)

    for change in changes:
        value = change.evaluate(resolve)
        if change.action != "remove" and value is None:
            continue
        if change.place == "path":
            path = quote(unquote(value or ""), safe="/:@!$&'()*+,;=~-._")
        elif change.place == "header":
            _change_header(headers, change, value or "")
        else:
            query = _changed_query(query, change, value or "")
    return headers, query, path


def _change_header(headers: dict[str, str], change: Change, value: str) -> None:
    name = change.name.lower()
    if change.action == "remove":
        headers.pop(name, None)
    elif change.action == "append" and name in headers:
        headers[name] = f"{headers[name]},{value}"
    else:
        headers[name] = value


def _changed_query(query: Pairs, change: Change, value: str) -> Pairs:
    kept = query if change.action == "append" else [pair for pair in query if pair[0] != change.name]
    return kept if change.action == "remove" else [*kept, (change.name, value)]


def apply_response(
    exchange: Exchange, changes: tuple[Change, ...], status: int, headers: Pairs, body: bytes
) -> tuple[int, Pairs]:
    """The status and the headers of a response after the changes."""
    document = _Document(body)
    original = {name.lower(): value for name, value in headers}

    def resolve(source: str, name: str) -> str | None:
        if source == "response":
            place, _, rest = name.partition(".")
            if place == "header":
                return original.get(rest.lower())
            return document.select(rest) if place == "body" else None
        return _common(exchange, source, name)

    headers = list(headers)
    for change in changes:
        value = change.evaluate(resolve)
        if change.place == "statuscode":
            if value is not None and value.isdecimal() and 200 <= int(value) <= 599:
                status = int(value)
            continue
        if change.action == "remove" or (change.action == "overwrite" and value is not None):
            headers = [pair for pair in headers if pair[0].lower() != change.name.lower()]
        if change.action != "remove" and value is not None:
            headers.append((change.name, value))
    return status, headers


def _of_request(exchange: Exchange, body: _Document, name: str) -> str | None:
    place, _, rest = name.partition(".")
    if place == "header":
        return exchange.headers.get(rest.lower())
    if place == "querystring":
        return exchange.joined_query().get(rest)
    if place == "path":
        return exchange.path_parameters.get(rest) if rest else exchange.raw_path
    return body.select(rest) if place == "body" else None


def _common(exchange: Exchange, source: str, name: str) -> str | None:
    if source == "context":
        return variables.lookup(exchange, name)
    if source == "stageVariables":
        return exchange.stage.variables.get(name)
    return None


class _Document:
    """A JSON body that is parsed when something is selected from it."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._parsed: Any = None

    def select(self, path: str) -> str | None:
        """The value at a dotted path with indices in brackets; the whole body for an empty path."""
        if not path:
            return self._raw.decode(errors="replace") or None
        if self._parsed is None:
            try:
                self._parsed = orjson.loads(self._raw)
            except orjson.JSONDecodeError:
                return None
        value = self._parsed
        for step in re.findall(r"[^.\[\]]+", path):
            if isinstance(value, list) and step.isdecimal() and int(step) < len(value):
                value = value[int(step)]
            elif isinstance(value, dict) and step in value:
                value = value[step]
            else:
                return None
        return value if isinstance(value, str) else orjson.dumps(value).decode()
