"""REST operations by method and path: a tree of path segments, made once per service."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote

from undercast.gateway.model import Model, Operation


@dataclass(slots=True)
class _Route:
    operation: Operation
    labels: tuple[str, ...]
    query: tuple[tuple[str, str], ...]  # literal parameters that the URI demands (S3's `?acl`)


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
        node, labels = self._roots.setdefault(operation.http_method, _Node()), []
        for segment in _segments(path):
            if segment.startswith("{") and segment.endswith("+}"):
                labels.append(segment[1:-2])
                node.greedy.append(_Route(operation, tuple(labels), literals))
                node.greedy.sort(key=lambda route: -len(route.query))
                return
            if segment.startswith("{"):
                labels.append(segment[1:-1])
                node.label = node.label or _Node()
                node = node.label
            else:
                node = node.literals.setdefault(segment, _Node())
        node.routes.append(_Route(operation, tuple(labels), literals))
        node.routes.sort(key=lambda route: -len(route.query))

    def find(self, method: str, path: str, query: str) -> Match | None:
        """The operation for a request, its path and query as sent; a literal segment wins over a label."""
        root = self._roots.get(method)
        if root is None:
            return None
        return _walk(root, _segments(path), 0, [], query)


def _segments(path: str) -> list[str]:
    return path.strip("/").split("/") if path.strip("/") else []


def _walk(node: _Node, segments: list[str], at: int, labels: list[str], query: str) -> Match | None:
    if at == len(segments):
        return _choose(node.routes, labels, query)
    segment = segments[at]
    below = node.literals.get(segment) or (node.literals.get(unquote(segment)) if "%" in segment else None)
    if below is not None and (match := _walk(below, segments, at + 1, labels, query)):
        return match
    if node.label is not None and (match := _walk(node.label, segments, at + 1, [*labels, segment], query)):
        return match
    return _choose(node.greedy, [*labels, "/".join(segments[at:])], query)


def _choose(routes: list[_Route], labels: list[str], query: str) -> Match | None:
    for route in routes:
        if route.query and not _has(route.query, query):
            continue
        return Match(route.operation, dict(zip(route.labels, map(unquote, labels), strict=True)))
    return None


def _has(wanted: tuple[tuple[str, str], ...], query: str) -> bool:
    given = dict(parse_qsl(query, keep_blank_values=True))
    return all(name in given and (not text or given[name] == text) for name, text in wanted)
