"""Which route a request takes.

A tree over path segments. Of all routes that fit, the one whose leftmost segments are most literal wins: a
literal segment before a parameter before a greedy parameter; on the same path a named method before ANY; and
`$default` last (https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-routes.html).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote

R = TypeVar("R")


@dataclass(slots=True)
class _Leaf(Generic[R]):
    """The routes that end at one path, by method, each with its parameter names from left to right."""

    methods: dict[str, tuple[R, tuple[str, ...]]] = field(default_factory=dict)

    def pick(self, method: str) -> tuple[R, tuple[str, ...]] | None:
        return self.methods.get(method) or self.methods.get("ANY")


@dataclass(slots=True)
class _Node(Generic[R]):
    literal: dict[str, _Node[R]] = field(default_factory=dict)
    parameter: _Node[R] | None = None
    greedy: _Leaf[R] | None = None
    leaf: _Leaf[R] | None = None


class RouteTable(Generic[R]):
    """The routes of a stage, ready to be searched. Immutable once built."""

    def __init__(self, routes: Iterable[tuple[str, R]]) -> None:
        self.default: R | None = None
        self._root: _Node[R] = _Node()
        for key, route in routes:
            if key == "$default":
                self.default = route
            else:
                method, _, path = key.partition(" ")
                self._insert(method, path, route)

    def _insert(self, method: str, path: str, route: R) -> None:
        node = self._root
        names: list[str] = []
        for segment in path[1:].split("/"):
            if segment.startswith("{") and segment.endswith("+}"):
                names.append(segment[1:-2])
                node.greedy = node.greedy or _Leaf()
                # Of two routes that differ in parameter names only, the older one stays.
                node.greedy.methods.setdefault(method, (route, tuple(names)))
                return
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literal.setdefault(unquote(segment), _Node())
        node.leaf = node.leaf or _Leaf()
        node.leaf.methods.setdefault(method, (route, tuple(names)))

    def match(self, method: str, raw_path: str) -> tuple[R | None, dict[str, str]]:
        """The route of a request and its path parameters, decoded. `raw_path` is as sent."""
        raw = raw_path[1:].split("/")
        segments = [unquote(one) for one in raw] if "%" in raw_path else raw
        values: list[str] = []
        found = _search(self._root, segments, 0, method, values)
        if found is None:
            return self.default, {}
        route, names = found
        return route, dict(zip(names, values, strict=True))


def _search(
    node: _Node[R], segments: list[str], at: int, method: str, values: list[str]
) -> tuple[R, tuple[str, ...]] | None:
    if at == len(segments):
        return node.leaf.pick(method) if node.leaf else None
    segment = segments[at]
    if (following := node.literal.get(segment)) is not None and (
        found := _search(following, segments, at + 1, method, values)
    ):
        return found
    if segment and node.parameter is not None:
        values.append(segment)
        if found := _search(node.parameter, segments, at + 1, method, values):
            return found
        values.pop()
    if node.greedy is not None and (found := node.greedy.pick(method)):
        rest = "/".join(segments[at:])
        if rest:
            values.append(rest)
            return found
    return None
