"""Shapes as XML: writers for the query, EC2 and REST-XML protocols, and readers for REST-XML bodies."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from botocore.model import ListShape, MapShape, Shape, StructureShape
from defusedxml.common import DefusedXmlException

from undercast.gateway import timestamps
from undercast.services.base import AwsError, Kept

# Appends one element (name, value) to a list of text pieces.
Writer = Callable[[list[str], str, Any], None]
Reader = Callable[[list[Element]], Any]

# XML 1.0 can not carry these at all; AWS answers with the replacement character too.
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_is_plain = re.compile("[ !#-%'-;=?-~]*").fullmatch
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", '"': "&quot;"})


def escape(text: str) -> str:
    """A text as XML content."""
    if _is_plain(text):
        return text
    return _UNPRINTABLE.sub("\ufffd", text).translate(_ESCAPED)


def _scalar_text(shape: Shape, millis: bool) -> Callable[[Any], str]:
    kind = shape.type_name
    if kind == "blob":
        return lambda value: base64.b64encode(value.encode() if isinstance(value, str) else value).decode()
    if kind == "boolean":
        return lambda value: "true" if value else "false"
    if kind == "timestamp":
        fmt = shape.serialization.get("timestampFormat", "iso8601")
        if fmt == "iso8601" and millis:
            return timestamps.iso8601_millis
        return lambda value: str(timestamps.render(value, fmt))
    if kind in ("integer", "long", "short"):
        return _integer
    if kind in ("float", "double"):
        return lambda value: repr(float(value))
    return _text


def _integer(value: Any) -> str:
    return str(value) if type(value) is int else str(int(value))


def _text(value: Any) -> str:
    return value if type(value) is str and _is_plain(value) else escape(str(value))


class XmlWriters:
    """Makes writers for one service. `millis`: timestamps always carry milliseconds (EC2, S3)."""

    def __init__(self, millis: bool = False) -> None:
        self._millis = millis
        self._members: dict[str, Callable[[list[str], Any], None]] = {}

    def writer(self, shape: Shape) -> Writer:
        """What writes a value of this shape as one element, or as several for a flattened one."""
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        text = _scalar_text(shape, self._millis)
        return lambda out, name, value: out.append(f"<{name}>{text(value)}</{name}>")

    def members(self, shape: StructureShape) -> Callable[[list[str], Any], None]:
        """What writes the members of a structure without an element around them."""
        if (known := self._members.get(shape.name)) is not None:
            return known
        # A long answer is tens of thousands of scalars: their elements are put together here, without a call.
        fields: list[tuple[str, str, Writer | None, str, Callable[[Any], str] | None, str]] = []

        def write(out: list[str], value: Any) -> None:
            get, append = value.get, out.append
            for member, element, writer, before, text, after in fields:
                if (content := get(member)) is not None:
                    if text is not None:
                        append(before + text(content) + after)
                    elif writer is not None:
                        writer(out, element, content)

        self._members[shape.name] = write
        for name, member in shape.members.items():
            traits = member.serialization
            if traits.get("location") or traits.get("xmlAttribute"):
                continue
            element = traits.get("name", name)
            if isinstance(member, ListShape) and traits.get("flattened"):
                # A flattened list's items are named by the item when that has a name of its own.
                element = member.member.serialization.get("name", element)
            if isinstance(member, StructureShape | ListShape | MapShape):
                fields.append((name, element, self.writer(member), "", None, ""))
            else:
                text = _scalar_text(member, self._millis)
                fields.append((name, element, None, f"<{element}>", text, f"</{element}>"))
        return write

    def _structure(self, shape: StructureShape) -> Writer:
        write_members = self.members(shape)
        attributes = [
            (member, part.serialization["name"])
            for member, part in shape.members.items()
            if part.serialization.get("xmlAttribute")
        ]
        space = shape.serialization.get("xmlNamespace", {})
        uri = space.get("uri") if isinstance(space, dict) else space
        prefix = space.get("prefix") if isinstance(space, dict) else None
        declared = f' xmlns{f":{prefix}" if prefix else ""}="{uri}"' if uri else ""

        def write_plain(out: list[str], name: str, value: Any) -> None:
            if type(value) is Kept:
                if (text := value.written.get((shape.name, name))) is None:
                    inner: list[str] = []
                    write_members(inner, value)
                    text = value.written[shape.name, name] = f"<{name}>{''.join(inner)}</{name}>"
                out.append(text)
                return
            out.append(f"<{name}>")
            write_members(out, value)
            out.append(f"</{name}>")

        if not attributes and not declared:
            return write_plain

        def write(out: list[str], name: str, value: Any) -> None:
            given = "".join(
                f' {attribute}="{escape(str(value[member]))}"'
                for member, attribute in attributes
                if value.get(member) is not None
            )
            out.append(f"<{name}{declared}{given}>")
            write_members(out, value)
            out.append(f"</{name}>")

        return write

    def _list(self, shape: ListShape) -> Writer:
        item = self.writer(shape.member)
        if shape.serialization.get("flattened"):

            def write_flat(out: list[str], name: str, value: Any) -> None:
                for one in value:
                    item(out, name, one)

            return write_flat
        item_name = shape.member.serialization.get("name", "member")

        def write(out: list[str], name: str, value: Any) -> None:
            out.append(f"<{name}>")
            for one in value:
                item(out, item_name, one)
            out.append(f"</{name}>")

        return write

    def _map(self, shape: MapShape) -> Writer:
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        content = self.writer(shape.value)
        flattened = bool(shape.serialization.get("flattened"))

        def write(out: list[str], name: str, value: Any) -> None:
            entry = name if flattened else "entry"
            if not flattened:
                out.append(f"<{name}>")
            for key, one in value.items():
                out.append(f"<{entry}><{key_name}>{escape(str(key))}</{key_name}>")
                content(out, value_name, one)
                out.append(f"</{entry}>")
            if not flattened:
                out.append(f"</{name}>")

        return write


class MalformedXml(AwsError):
    """The body is not XML, or has a text where the model has a number."""

    def __init__(self) -> None:
        super().__init__(
            "MalformedXML",
            "The XML you provided was not well-formed or did not validate against our published schema",
        )


def parse_document(body: bytes) -> Element:
    """The root element of a body, with namespaces dropped. Raises `MalformedXml`."""
    try:
        root: Element = defusedxml.ElementTree.fromstring(body, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError) as error:
        raise MalformedXml from error
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
    return root


def _scalar_value(shape: Shape) -> Callable[[str], Any]:
    kind = shape.type_name
    if kind == "boolean":
        return lambda text: text.strip().lower() in ("true", "1")
    if kind in ("integer", "long", "short"):
        return int
    if kind in ("float", "double"):
        return float
    if kind == "timestamp":
        return timestamps.parse
    if kind == "blob":
        return base64.b64decode
    return lambda text: text


class XmlReaders:
    """Makes readers for one service: from the elements that bear a member's name to its value."""

    def __init__(self) -> None:
        self._structures: dict[str, Reader] = {}

    def reader(self, shape: Shape) -> Reader:
        """The reader of a shape. It raises `MalformedXml`."""
        if isinstance(shape, StructureShape):
            return self._structure(shape)
        if isinstance(shape, ListShape):
            return self._list(shape)
        if isinstance(shape, MapShape):
            return self._map(shape)
        convert = _scalar_value(shape)

        def read(elements: list[Element]) -> Any:
            try:
                return convert(elements[0].text or "")
            except (ValueError, TypeError) as error:
                raise MalformedXml from error

        return read

    def _structure(self, shape: StructureShape) -> Reader:
        if (known := self._structures.get(shape.name)) is not None:
            return known
        fields: list[tuple[str, str, bool, Reader]] = []

        def read(elements: list[Element]) -> dict[str, Any]:
            element, found = elements[0], {}
            for member, tag, attribute, reader in fields:
                if attribute:
                    # `xsi:type` is spelled with its namespace in braces once parsed.
                    local = tag.rpartition(":")[2]
                    for name, text in element.attrib.items():
                        if name.rpartition("}")[2] == local:
                            found[member] = text
                elif children := element.findall(tag):
                    found[member] = reader(children)
            return found

        self._structures[shape.name] = read
        for name, member in shape.members.items():
            traits = member.serialization
            if traits.get("location"):
                continue
            tag = traits.get("name", name)
            if isinstance(member, ListShape) and traits.get("flattened"):
                tag = member.member.serialization.get("name", tag)
            fields.append((name, tag, bool(traits.get("xmlAttribute")), self.reader(member)))
        return read

    def _list(self, shape: ListShape) -> Reader:
        item = self.reader(shape.member)
        if shape.serialization.get("flattened"):
            return lambda elements: [item([one]) for one in elements]
        item_name = shape.member.serialization.get("name", "member")
        return lambda elements: [item([one]) for one in elements[0].findall(item_name)]

    def _map(self, shape: MapShape) -> Reader:
        key_name = shape.key.serialization.get("name", "key")
        value_name = shape.value.serialization.get("name", "value")
        content = self.reader(shape.value)
        flattened = bool(shape.serialization.get("flattened"))

        def read(elements: list[Element]) -> dict[str, Any]:
            entries = elements if flattened else elements[0].findall("entry")
            return {
                entry.findtext(key_name, ""): content(entry.findall(value_name))
                for entry in entries
                if entry.find(value_name) is not None
            }

        return read
