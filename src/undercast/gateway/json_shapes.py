"""Shapes as JSON (and as CBOR, which carries the same documents): readers and writers made once per shape."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape

from undercast.gateway import timestamps
from undercast.services.base import AwsError

Codec = Callable[[Any], Any]

_INTEGERS = frozenset({"integer", "long", "short", "byte"})
_FLOATS = frozenset({"float", "double"})
_SPECIAL_FLOATS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class BadDocument(AwsError):
    """The body has a type where the model has another, in the words of AWS's own parser."""

    def __init__(self, message: str) -> None:
        super().__init__("SerializationException", message)


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "TRUE_VALUE" if value else "FALSE_VALUE"
    if isinstance(value, int):
        return "NUMBER_VALUE"
    if isinstance(value, float):
        return "DECIMAL_VALUE"
    return "STRING_VALUE"


def _mismatch(value: object, wanted: str) -> BadDocument:
    if isinstance(value, list):
        return BadDocument("Start of list found where not expected")
    if isinstance(value, dict):
        return BadDocument("Start of structure or map found where not expected.")
    if wanted in ("List", "Map", "Structure"):
        return BadDocument("Unexpected field type")
    return BadDocument(f"{_kind(value)} can not be converted to {'an' if wanted[0] in 'I' else 'a'} {wanted}")


def _read_string(value: Any) -> str:
    if not isinstance(value, str):
        raise _mismatch(value, "String")
    return value


def _read_boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise _mismatch(value, "Boolean")


def _read_integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise _mismatch(value, "Integer")


def _read_float(value: Any) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and value in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[value]
    raise _mismatch(value, "Double")


def _read_blob(value: Any) -> bytes:
    if isinstance(value, bytes):  # CBOR
        return value
    if not isinstance(value, str):
        raise _mismatch(value, "Blob")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadDocument("Failed to decode base64 blob") from error


def _read_timestamp(value: Any) -> Any:
    try:
        return timestamps.parse(value)
    except (ValueError, TypeError) as error:
        raise _mismatch(value, "Timestamp") from error


_SCALAR_READERS: dict[str, Codec] = {
    "string": _read_string,
    "character": _read_string,
    "boolean": _read_boolean,
    "blob": _read_blob,
    "timestamp": _read_timestamp,
    **dict.fromkeys(_INTEGERS, _read_integer),
    **dict.fromkeys(_FLOATS, _read_float),
}


class Readers:
    """Makes readers for one service: from a decoded document to boto3's parameters."""

    def __init__(self) -> None:
        self._structures: dict[str, Codec] = {}

    def reader(self, shape: Shape) -> Codec:
        """The reader of a shape. It raises `BadDocument`."""
        if isinstance(shape, StructureShape):
            if getattr(shape, "is_document_type", False):
                return lambda value: value
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        return _SCALAR_READERS[shape.type_name]

    def _structure(self, shape: StructureShape) -> Codec:
        if (known := self._structures.get(shape.name)) is not None:
            return known
        fields: dict[str, tuple[str, Codec]] = {}

        def read(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise _mismatch(value, "Structure")
            found = {}
            for name, content in value.items():
                if content is not None and (member := fields.get(name)) is not None:
                    found[member[0]] = member[1](content)
            return found

        self._structures[shape.name] = read  # before its members: shapes may contain themselves
        for name, member in shape.members.items():
            fields[member.serialization.get("name", name)] = (name, self.reader(member))
        return read

    def _list(self, shape: ListShape) -> Codec:
        item = self.reader(shape.member)

        def read(value: Any) -> list[Any]:
            if not isinstance(value, list):
                raise _mismatch(value, "List")
            return [item(one) for one in value if one is not None]

        return read

    def _map(self, shape: MapShape) -> Codec:
        content = self.reader(shape.value)

        def read(value: Any) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise _mismatch(value, "Map")
            return {key: content(one) for key, one in value.items() if one is not None}

        return read


def _write_blob(value: Any) -> str:
    return base64.b64encode(value.encode() if isinstance(value, str) else bytes(value)).decode()


def _write_float(value: Any) -> Any:
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


class Writers:
    """Makes writers for one service: from a result to a document.

    With `native`, blobs and timestamps stay what they are, as CBOR carries them.
    """

    def __init__(self, native: bool = False) -> None:
        self._native = native
        self._structures: dict[str, Codec] = {}

    def writer(self, shape: Shape) -> Codec:
        """The writer of a shape. Members that are None or unknown to the model are left out."""
        if isinstance(shape, StructureShape):
            if getattr(shape, "is_document_type", False):
                return lambda value: value
            return self._structure(shape)
        if isinstance(shape, ListShape):
            item = self.writer(shape.member)
            return lambda value: [item(one) for one in value]
        if isinstance(shape, MapShape):
            content = self.writer(shape.value)
            return lambda value: {str(key): content(one) for key, one in value.items()}
        return self._scalar(shape)

    def _scalar(self, shape: Shape) -> Codec:
        kind = shape.type_name
        if kind == "blob":
            return bytes if self._native else _write_blob
        if kind == "timestamp":
            if self._native:
                return timestamps.parse
            fmt = shape.serialization.get("timestampFormat", "unixTimestamp")
            return lambda value: timestamps.render(value, fmt)
        if kind == "boolean":
            return bool
        if kind in _INTEGERS:
            return int
        if kind in _FLOATS:
            return float if self._native else _write_float
        return str

    def _structure(self, shape: StructureShape) -> Codec:
        if (known := self._structures.get(shape.name)) is not None:
            return known
        fields: dict[str, tuple[str, Codec]] = {}

        def write(value: Any) -> dict[str, Any]:
            written = {}
            for name, content in value.items():
                if content is not None and (member := fields.get(name)) is not None:
                    written[member[0]] = member[1](content)
            return written

        self._structures[shape.name] = write
        for name, member in shape.members.items():
            fields[name] = (member.serialization.get("name", name), self.writer(member))
        return write
