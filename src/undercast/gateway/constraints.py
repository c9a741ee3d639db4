"""The constraints of a model's shapes as checks, made once per shape.

They find what AWS's own front end finds, and say it in its words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from undercast.gateway.patterns import matcher

# Appends one sentence per violation: (value, path, sentences).
Check = Callable[[Any, str, list[str]], None]
# The words of a violated constraint of a scalar, or None.
Rule = Callable[[Any], str | None]

_NUMBERS = frozenset({"integer", "long", "short", "float", "double"})


def enum_order(values: Iterable[str]) -> list[str]:
    """Enumerations in the order AWS prints them: that of a Java HashSet made with its size."""
    values = list(values)
    size = 1
    while size < len(values):
        size *= 2
    if len(values) > size * 0.75:
        size *= 2
    buckets: dict[int, list[str]] = {}
    for value in values:
        code = 0
        for character in value:
            code = (31 * code + ord(character)) & 0xFFFFFFFF
        buckets.setdefault((code ^ code >> 16) & (size - 1), []).append(value)
    return [value for bucket in sorted(buckets) for value in buckets[bucket]]


def lower_first(name: str) -> str:
    """A member's name as AWS's messages spell it."""
    return name[:1].lower() + name[1:]


def _rules(shape: Shape, listed: bool = False) -> list[tuple[str, Rule]]:
    """The constraints of a scalar: words, and whether a value violates them.

    What is `listed` in the constraints of a list or map has its enumeration in the model's order.
    """
    traits, rules = shape.metadata, []

    def add(words: str, violated: Callable[[Any], bool]) -> None:
        rules.append((words, lambda value: words if violated(value) else None))

    if shape.type_name in _NUMBERS:
        if (most := traits.get("max")) is not None:
            add(f"Member must have value less than or equal to {most}", lambda value: value > most)
        if (least := traits.get("min")) is not None:
            add(f"Member must have value greater than or equal to {least}", lambda value: value < least)
    elif shape.type_name == "string":
        if (longest := traits.get("max")) is not None:
            add(
                f"Member must have length less than or equal to {longest}", lambda value: len(value) > longest
            )
        if (shortest := traits.get("min")) is not None:
            add(
                f"Member must have length greater than or equal to {shortest}",
                lambda value: len(value) < shortest,
            )
        if pattern := traits.get("pattern"):
            fits = matcher(pattern)
            add(f"Member must satisfy regular expression pattern: {pattern}", lambda value: not fits(value))
        if values := traits.get("enum"):
            allowed = frozenset(values)
            shown = ", ".join(values if listed else enum_order(values))
            add(
                f"Member must satisfy enum value set: [{shown}]",
                lambda value: value not in allowed,
            )
    return rules


def text_of(value: Any) -> str:
    """A value as Java prints it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(map(text_of, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{lower_first(key)}={text_of(one)}" for key, one in value.items()) + "}"
    return str(value)


class Checks:
    """Makes the checks of one service's shapes."""

    def __init__(self) -> None:
        self._structures: dict[str, Check | None] = {}

    def check(self, shape: Shape) -> Check | None:
        """The check of a shape; None when nothing can be wrong with it."""
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        return self._scalar(shape)

    def _scalar(self, shape: Shape) -> Check | None:
        rules = [rule for _, rule in _rules(shape)]
        if not rules:
            return None
        secret = bool(shape.metadata.get("sensitive"))
        runtime = shape.name == "Runtime"

        def check(value: Any, path: str, found: list[str]) -> None:
            for rule in rules:
                if (words := rule(value)) is not None:
                    shown = "" if secret else f" {value}" if runtime else f" '{text_of(value)}'"
                    suffix = " or be a valid ARN" if runtime else ""
                    found.append(f"Value{shown} at '{path}' failed to satisfy constraint: {words}{suffix}")

        return check

    def _structure(self, shape: StructureShape) -> Check | None:
        if shape.name in self._structures:
            return self._structures[shape.name]
        required = tuple(shape.required_members)
        members: dict[str, Check] = {}

        def check(value: Any, path: str, found: list[str]) -> None:
            before = f"{path}." if path else ""
            for name in required:
                if name not in value:
                    found.append(
                        f"Value null at '{before}{lower_first(name)}' failed to satisfy constraint: "
                        "Member must not be null"
                    )
            for name, content in value.items():
                if (member := members.get(name)) is not None:
                    member(content, f"{before}{lower_first(name)}", found)

        self._structures[shape.name] = check
        for name, part in shape.members.items():
            if (member := self.check(part)) is not None:
                members[name] = member
        return check

    def _list(self, shape: ListShape) -> Check | None:
        size = _size_rules(shape)
        inner_scalar = not isinstance(shape.member, (StructureShape, ListShape, MapShape))
        rules = _rules(shape.member, listed=True) if inner_scalar else []
        told = ", ".join([*(words for words, _ in rules), "Member must not be null"])
        inner = None if inner_scalar else self.check(shape.member)
        if not size and not rules and inner is None:
            return None

        def check(value: Any, path: str, found: list[str]) -> None:
            _check_size(size, value, path, found)
            if any(rule(one) is not None for one in value for _, rule in rules):
                found.append(
                    f"Value '{text_of(value)}' at '{path}' failed to satisfy constraint: "
                    f"Member must satisfy constraint: [{told}]"
                )
            if inner is not None:
                for index, one in enumerate(value, 1):
                    inner(one, f"{path}.{index}.member", found)

        return check

    def _map(self, shape: MapShape) -> Check | None:
        size = _size_rules(shape)
        keys = _rules(shape.key, listed=True)
        scalar = not isinstance(shape.value, (StructureShape, ListShape, MapShape))
        values = _rules(shape.value, listed=True) if scalar else []
        inner = None if scalar else self.check(shape.value)
        if not size and not keys and not values and inner is None:
            return None

        def check(value: Any, path: str, found: list[str]) -> None:
            _check_size(size, value, path, found)
            for kind, rules, parts in (("keys", keys, value.keys()), ("value", values, value.values())):
                if any(rule(one) is not None for one in parts for _, rule in rules):
                    told = ", ".join([*(words for words, _ in rules), "Member must not be null"])
                    found.append(
                        f"Value at '{path}' failed to satisfy constraint: "
                        f"Map {kind} must satisfy constraint: [{told}]"
                    )
            if inner is not None:
                for key, one in value.items():
                    inner(one, f"{path}.{key}.member", found)

        return check


def _size_rules(shape: Shape) -> list[Rule]:
    rules: list[Rule] = []
    if (most := shape.metadata.get("max")) is not None:
        words = f"Member must have length less than or equal to {most}"
        rules.append(lambda value: words if len(value) > most else None)
    if (least := shape.metadata.get("min")) is not None:
        fewest = f"Member must have length greater than or equal to {least}"
        rules.append(lambda value: fewest if len(value) < least else None)
    return rules


def _check_size(rules: list[Rule], value: Any, path: str, found: list[str]) -> None:
    for rule in rules:
        if (words := rule(value)) is not None:
            found.append(f"Value '{text_of(value)}' at '{path}' failed to satisfy constraint: {words}")
