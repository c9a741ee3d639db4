"""Shapes as form fields: how the query and EC2 protocols ask (`Filter.1.Name=...`)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from botocore.model import ListShape, MapShape, Shape, StructureShape

from undercast.gateway import timestamps
from undercast.services.base import AwsError

MAX_DEPTH = 32  # no AWS shape nests deeper; a hostile field name could

# A tree of field names: a leaf is the text, a branch the fields below it.
Node = Any
Reader = Callable[[Node, str], Any]


def fields(encoded: str) -> dict[str, str]:
    """The fields of a form. Of a repeated one the last counts."""
    return dict(parse_qsl(encoded, keep_blank_values=True, strict_parsing=False, max_num_fields=20_000))


def tree(form: dict[str, str]) -> dict[str, Node]:
    """The fields by the dots in their names. A field that is a text and a branch at once keeps the branch."""
    root: dict[str, Node] = {}
    for name, text in form.items():
        parts = name.split(".")
        if len(parts) > MAX_DEPTH:
            raise AwsError("MalformedQueryString", f"The parameter {name[:80]} nests too deep")
        node = root
        for part in parts[:-1]:
            below = node.get(part)
            if not isinstance(below, dict):
                below = node[part] = {}
            node = below
        if not isinstance(node.get(parts[-1]), dict):
            node[parts[-1]] = text
    return root


def _numbered(node: Node) -> list[Node]:
    """The branches 1, 2, 3 ... in order."""
    if not isinstance(node, dict):
        return []
    return [node[index] for index in sorted((key for key in node if key.isdecimal()), key=int)]


class FormReaders:
    """Makes readers for one service. `ec2`: that dialect's names, and every list flattened."""

    def __init__(self, ec2: bool) -> None:
        self._ec2 = ec2
        self._structures: dict[str, Reader] = {}

    def reader(self, shape: Shape) -> Reader:
        """The reader of a shape: takes the node and the field's name for error messages."""
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        return self._scalar(shape)

    def _name(self, member: str, shape: Shape) -> str:
        traits = shape.serialization
        if self._ec2:
            if "queryName" in traits:
                return str(traits["queryName"])
            name = str(traits.get("name", member))
            return name[:1].upper() + name[1:]
        if (
            isinstance(shape, ListShape)
            and traits.get("flattened")
            and shape.member.serialization.get("name")
        ):
            return str(shape.member.serialization["name"])
        return str(traits.get("name", member))

    def _structure(self, shape: StructureShape) -> Reader:
        if (known := self._structures.get(shape.name)) is not None:
            return known
        members: list[tuple[str, str, Reader]] = []

        def read(node: Node, path: str) -> dict[str, Any]:
            found: dict[str, Any] = {}
            if not isinstance(node, dict):
                return found
            for member, name, reader in members:
                if (content := node.get(name)) is not None:
                    found[member] = reader(content, f"{path}.{name}" if path else name)
            return found

        self._structures[shape.name] = read
        for member, part in shape.members.items():
            members.append((member, self._name(member, part), self.reader(part)))
        return read

    def _list(self, shape: ListShape) -> Reader:
        item = self.reader(shape.member)
        flattened = self._ec2 or bool(shape.serialization.get("flattened"))
        item_name = str(shape.member.serialization.get("name", "member"))

        def read(node: Node, path: str) -> list[Any]:
            if not flattened and isinstance(node, dict):
                node = node.get(item_name, node.get("member", {}))
                path = f"{path}.{item_name}"
            return [item(one, f"{path}.{index}") for index, one in enumerate(_numbered(node), 1)]

        return read

    def _map(self, shape: MapShape) -> Reader:
        key_name = str(shape.key.serialization.get("name", "key"))
        value_name = str(shape.value.serialization.get("name", "value"))
        content = self.reader(shape.value)
        flattened = self._ec2 or bool(shape.serialization.get("flattened"))

        def read(node: Node, path: str) -> dict[str, Any]:
            if not flattened and isinstance(node, dict):
                node = node.get("entry", {})
            return {
                str(entry.get(key_name, "")): content(entry.get(value_name, ""), f"{path}.{value_name}")
                for entry in _numbered(node)
                if isinstance(entry, dict)
            }

        return read

    def _scalar(self, shape: Shape) -> Reader:
        kind = shape.type_name
        if kind in ("string", "character"):
            return lambda node, path: node if isinstance(node, str) else ""
        convert = _CONVERTERS[kind]
        ec2 = self._ec2

        def read(node: Node, path: str) -> Any:
            text = node if isinstance(node, str) else ""
            try:
                return convert(text)
            except (ValueError, TypeError, binascii.Error) as error:
                raise _bad_value(ec2, kind, text, path) from error

        return read


def _boolean(text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ValueError(text)
    return lowered == "true"


_CONVERTERS: dict[str, Callable[[str], Any]] = {
    "boolean": _boolean,
    "integer": int,
    "long": int,
    "short": int,
    "float": float,
    "double": float,
    "timestamp": timestamps.parse,
    "blob": lambda text: base64.b64decode(text, validate=True),
}


def _bad_value(ec2: bool, kind: str, text: str, path: str) -> AwsError:
    if ec2:
        wanted = {"boolean": "boolean", "timestamp": "date", "blob": "base64"}.get(kind, "integer")
        if wanted == "date":
            return AwsError("InvalidParameterValue", f"Value ({text}) for parameter {path} is invalid.")
        if wanted == "base64":
            return AwsError("InvalidParameterValue", f"Invalid BASE64 encoding of {path}")
        return AwsError("InvalidParameterValue", f"Invalid value '{text}' for {path}. Expected: {wanted}.")
    return AwsError(
        "MalformedInput",
        "Unexpected list element termination" if not text else f"Invalid {kind} value: {text}",
    )
