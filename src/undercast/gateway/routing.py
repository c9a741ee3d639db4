"""REST operations by method and path: a tree of path segments, made once per service."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from undercast.gateway.model import Model, Operation
from undercast.gateway.request import Request


@dataclass(slots=True)
class _Route:
    operation: Operation
    labels: tuple[str, ...]
    query: tuple[tuple[str, str], ...]  # literal parameters that the URI demands (S3's `?acl`)
    required_query: frozenset[str]  # required members tell S3's operations on one path apart
    required_headers: frozenset[str]

    def order(self) -> tuple[int, bool]:
        """The most particular route that fits is meant, and a current operation before a deprecated one."""
        demands = 100 * len(self.query) + len(self.required_query) + len(self.required_headers)
        return -demands, bool(self.operation.model.deprecated)


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    label: _Node | None = None
    greedy: list[_Route] = field(default_factory=list)
    routes: list[_Route] = field(default_factory=list)


@dataclass(slots=True)
class Match:
    """An operation and the texts its path had in place of the labels, percent-decoded."""

    operation: Operation
    labels: dict[str, str]


class RestRouter:
    """Finds the operation a REST request asks for."""

    def __init__(self, model: Model) -> None:
        self._roots: dict[str, _Node] = {}
        for name in model.botocore.operation_names:
            operation = model.operation(name)
            assert operation is not None
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        path, _, query = operation.uri.partition("?")
        literals = tuple(parse_qsl(query, keep_blank_values=True))
        required = _required(operation, "querystring"), _required(operation, "header")
        node, labels = self._roots.setdefault(operation.http_method, _Node()), []
        for segment in _segments(path):
            if segment.startswith("{") and segment.endswith("+}"):
                labels.append(segment[1:-2])
                node.greedy.append(_Route(operation, tuple(labels), literals, *required))
                node.greedy.sort(key=_Route.order)
                return
            if segment.startswith("{"):
                labels.append(segment[1:-1])
                node.label = node.label or _Node()
                node = node.label
            else:
                node = node.literals.setdefault(segment, _Node())
        node.routes.append(_Route(operation, tuple(labels), literals, *required))
        node.routes.sort(key=_Route.order)

    def find(self, request: Request) -> Match | None:
        """The operation for a request; a literal segment wins over a label."""
        root = self._roots.get(request.method)
        if root is None:
            return None
        return _walk(root, _segments(request.path), 0, [], request)


def _required(operation: Operation, location: str) -> frozenset[str]:
    if operation.input is None:
        return frozenset()
    parts = (operation.input.members[name] for name in operation.input.required_members)
    return frozenset(
        part.serialization["name"].lower() if location == "header" else part.serialization["name"]
        for part in parts
        if part.serialization.get("location") == location
    )


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/") if path.strip("/") else []


def _walk(node: _Node, segments: list[str], at: int, labels: list[str], request: Request) -> Match | None:
    if at == len(segments):
        return _choose(node.routes, labels, request)
    segment = segments[at]
    below = node.literals.get(segment) or (node.literals.get(unquote(segment)) if "%" in segment else None)
    if below is not None and (match := _walk(below, segments, at + 1, labels, request)):
        return match
    if node.label is not None and (match := _walk(node.label, segments, at + 1, [*labels, segment], request)):
        return match
    return _choose(node.greedy, [*labels, "/".join(segments[at:])], request) if node.greedy else None


def _choose(routes: list[_Route], labels: list[str], request: Request) -> Match | None:
    """The most particular route that fits. The last resort is the only route there is: what it requires
    and did not get is for the validation to say."""
    for route in routes:
        if (len(routes) > 1 or route.query) and not _fits(route, request):
            continue
        return Match(route.operation, dict(zip(route.labels, map(unquote, labels), strict=True)))
    return None


def _fits(route: _Route, request: Request) -> bool:
    if not route.required_headers <= request.headers.keys():
        return False
    if not route.query and not route.required_query:
        return True
    given = dict(parse_qsl(request.query, keep_blank_values=True))
    return route.required_query <= given.keys() and all(
        name in given and (not text or given[name] == text) for name, text in route.query
    )
