"""AWS's filters: names that point at members, values with the wildcards `*` and `?`."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import re2

from undercast.services.base import AwsError
from undercast.services.ec2.estate import Record

Field = str | Callable[[Record], Any]
Predicate = Callable[[Record], bool]


class Filters:
    """The filters of one Describe operation.

    Each name maps to a dotted path of members ("Placement.AvailabilityZone"; lists on the way are searched)
    or to a function of the record that gives a value or several. Unless `tagged` is False, `tag:KEY`,
    `tag-key` and `tag-value` are known as well. https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html
    """

    def __init__(self, fields: Mapping[str, Field], *, tagged: bool = True) -> None:
        self.fields = dict(fields)
        if tagged:
            self.fields.setdefault("tag-key", "Tags.Key")
            self.fields.setdefault("tag-value", "Tags.Value")
        self.tagged = tagged

    def select(self, records: Iterable[Record], filters: list[dict[str, Any]] | None) -> list[Record]:
        """The records every filter lets through. Raises AWS's error for a filter it does not know."""
        if not filters:
            return list(records)
        predicates = [self._predicate(f.get("Name", ""), f.get("Values")) for f in filters]
        return [record for record in records if all(predicate(record) for predicate in predicates)]

    def _predicate(self, name: str, values: list[str] | None) -> Predicate:
        if not values:
            raise AwsError(
                "InvalidParameterValue",
                "The filter value list cannot be empty" if name else "The filter 'null' is invalid",
            )
        matches = _matcher(values)
        if self.tagged and name.startswith("tag:"):
            key = name[4:]
            return lambda record: any(
                tag["Key"] == key and matches(tag["Value"]) for tag in record.get("Tags") or ()
            )
        field = self.fields.get(name)
        if field is None:
            raise AwsError("InvalidParameterValue", f"The filter '{name}' is invalid")
        find = _path(field) if isinstance(field, str) else field
        return lambda record: any(matches(text) for text in _texts(find(record)))


def _path(path: str) -> Callable[[Record], Any]:
    names = path.split(".")

    def find(record: Record) -> list[Any]:
        values: list[Any] = [record]
        for name in names:
            values = [v[name] for v in _flat(values) if isinstance(v, Mapping) and name in v]
        return values

    return find


def _flat(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list | tuple | set | frozenset):
            yield from _flat(value)
        else:
            yield value


def _texts(found: Any) -> Iterator[str]:
    for value in _flat([found]):
        if value is None:
            continue
        if isinstance(value, bool):
            yield "true" if value else "false"
        elif isinstance(value, dt.datetime):
            yield (
                value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
            )
        else:
            yield str(value)


def _matcher(values: list[str]) -> Callable[[str], bool]:
    exact = {value for value in values if not re.search(r"[*?\\]", value)}
    patterns = [_pattern(value) for value in values if value not in exact]
    return lambda text: text in exact or any(pattern.fullmatch(text) for pattern in patterns)


def _pattern(value: str) -> Any:
    """`*` is any number of characters, `?` one; a backslash takes a wildcard literally.

    RE2 runs in linear time, so a hostile value cannot make it backtrack.
    """
    parts: list[str] = []
    for piece in re.findall(r"\\.|\*|\?|[^\\*?]+|\\", value, re.DOTALL):
        if piece in ("*", "?"):
            parts.append(".*" if piece == "*" else ".")
        else:
            parts.append(re2.escape(piece[1:] if len(piece) == 2 and piece[0] == "\\" else piece))
    return re2.compile("(?s)" + "".join(parts))
