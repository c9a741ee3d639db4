"""The REST protocols: members in the path, the query string and headers, the rest in a JSON or XML body."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

import orjson
from botocore.model import Shape, StructureShape

from undercast.gateway.eventstream import CONTENT_TYPE, EventWriter
from undercast.gateway.http_bindings import RequestBindings, ResponseBindings
from undercast.gateway.json_shapes import Codec, Readers, Writers
from undercast.gateway.model import Model, Operation
from undercast.gateway.protocols.base import Asked, Protocol
from undercast.gateway.protocols.errors import json_error, query_error, s3_error
from undercast.gateway.protocols.json import load
from undercast.gateway.request import Request, Response
from undercast.gateway.routing import RestRouter
from undercast.gateway.xml_shapes import XmlReaders, XmlWriters, parse_document
from undercast.services.base import AwsError, Params, Result

_RAW = frozenset({"blob", "string"})


class _Compiled:
    """What one operation needs, looked up once."""

    __slots__ = ("events", "output", "read_body", "request", "response", "write_body")

    def __init__(self, operation: Operation) -> None:
        self.request = RequestBindings(operation.input, operation.uri)
        self.response = ResponseBindings(operation.output)
        self.read_body: Codec | None = None  # bytes → value of the payload, or the body's members
        self.write_body: Codec | None = None  # value of the payload, or the result → bytes
        self.events: EventWriter | None = None
        self.output = operation.output


class _RestProtocol(Protocol):
    """What REST-JSON and REST-XML have in common."""

    content_type: str

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._router = RestRouter(model)
        self._compiled: dict[str, _Compiled] = {}

    def find(self, request: Request) -> Asked:
        match = self._router.find(request)
        if match is None:
            raise AwsError(
                "UnknownOperationException",
                f"{self.model.name} has no operation {request.method} {unquote(request.path)}",
                404,
            )
        return Asked(match.operation, match.labels)

    def _of(self, operation: Operation) -> _Compiled:
        known = self._compiled.get(operation.name)
        if known is None:
            known = self._compiled[operation.name] = self._compile(operation)
        return known

    def _compile(self, operation: Operation) -> _Compiled:
        compiled = _Compiled(operation)
        if operation.input is not None:
            if compiled.request.payload:
                shape = operation.input.members[compiled.request.payload]
                compiled.read_body = self._payload_reader(shape)
            elif compiled.request.has_body:
                compiled.read_body = self._body_reader(operation.input)
        if operation.output is not None:
            stream = operation.model.get_event_stream_output()
            if isinstance(stream, StructureShape):
                compiled.events = EventWriter(stream, self._event_writer, self.content_type)
            elif (payload := compiled.response.payload_shape) is not None:
                compiled.write_body = self._payload_writer(payload, str(compiled.response.payload))
            elif compiled.response.has_body:
                compiled.write_body = self._body_writer(operation)
        return compiled

    def read(self, asked: Asked, request: Request) -> Params:
        compiled = self._of(asked.operation)
        params = compiled.request.read(request, asked.found)
        if compiled.read_body is not None:
            if (payload := compiled.request.payload) is not None:
                if request.body:
                    params[payload] = compiled.read_body(request.body)
            elif request.body:
                params |= compiled.read_body(request.body)
        return params

    def answer(self, operation: Operation, result: Result, request_id: str) -> Response:
        compiled = self._of(operation)
        bindings = compiled.response
        status = result.get("HTTPStatusCode") or (result.get(bindings.status) if bindings.status else None)
        headers = bindings.headers(result)
        headers.append(("x-amzn-requestid", request_id))
        body: bytes | AsyncIterator[bytes] = b""
        content_type = self.content_type
        if compiled.events is not None:
            if (events := result.get(str(bindings.payload))) is not None:  # a dry run has none
                body, content_type = compiled.events.stream(events), CONTENT_TYPE
        elif bindings.payload is not None and bindings.payload_shape is not None:
            value = result.get(bindings.payload)
            if bindings.payload_shape.type_name in _RAW:
                content_type = self.raw_type(operation)
                if isinstance(value, str):
                    value = value.encode()
                body = value if value is not None else b""
            elif value is not None and compiled.write_body is not None:
                body = compiled.write_body(value)
        elif compiled.write_body is not None:
            body = compiled.write_body(result)
        if not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("content-type", content_type))
        return Response(int(status or operation.status), headers, body)

    def raw_type(self, operation: Operation) -> str:
        """The content type of a blob payload without one of its own."""
        return "binary/octet-stream"

    def _payload_reader(self, shape: Shape) -> Codec:
        if shape.type_name == "blob":
            return bytes
        if shape.type_name == "string":
            return lambda body: body.decode("utf-8", "replace")
        return self._document_reader(shape)

    def _document_reader(self, shape: Shape) -> Codec:
        raise NotImplementedError

    def _body_reader(self, shape: StructureShape) -> Codec:
        return self._document_reader(shape)

    def _payload_writer(self, shape: Shape, member: str) -> Codec:
        raise NotImplementedError

    def _body_writer(self, operation: Operation) -> Codec:
        raise NotImplementedError

    def _event_writer(self, shape: Shape) -> Codec:
        raise NotImplementedError


class RestJsonProtocol(_RestProtocol):
    """A service in REST-JSON."""

    name = "rest-json"
    content_type = "application/json"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._readers, self._writers = Readers(), Writers()

    def raw_type(self, operation: Operation) -> str:
        return "application/json" if self.model.name == "lambda" else "application/octet-stream"

    def _document_reader(self, shape: Shape) -> Codec:
        reader = self._readers.reader(shape)
        return lambda body: reader(load(body))

    def _payload_writer(self, shape: Shape, member: str) -> Codec:
        writer = self._writers.writer(shape)
        return lambda value: orjson.dumps(writer(value))

    def _body_writer(self, operation: Operation) -> Codec:
        assert operation.output is not None
        located = {
            member for member, part in operation.output.members.items() if part.serialization.get("location")
        }
        writer = self._writers.writer(operation.output)
        if not located:
            return lambda result: orjson.dumps(writer(result))
        return lambda result: orjson.dumps(
            writer({name: value for name, value in result.items() if name not in located})
        )

    def _event_writer(self, shape: Shape) -> Codec:
        return self._writers.writer(shape)

    def error(self, error: AwsError, request_id: str) -> Response:
        shape = self.model.error_shape(error.code)
        return json_error(error, shape, self.status_of(error), request_id, self.content_type, typed=False)


class RestXmlProtocol(_RestProtocol):
    """A service in REST-XML."""

    name = "rest-xml"
    content_type = "application/xml"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._readers, self._writers = XmlReaders(), XmlWriters(millis=model.name == "s3")
        self._namespace: str | None = model.metadata.get("xmlNamespace") or (
            "http://s3.amazonaws.com/doc/2006-03-01/" if model.name == "s3" else None
        )

    def _document_reader(self, shape: Shape) -> Codec:
        reader = self._readers.reader(shape)
        return lambda body: reader([parse_document(body)])

    def _root(self, shape: Shape, name: str) -> tuple[str, str]:
        space = f' xmlns="{self._namespace}"' if self._namespace else ""
        root = shape.serialization.get("name", name)
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}{space}>', f"</{root}>"

    def _payload_writer(self, shape: Shape, member: str) -> Codec:
        if not isinstance(shape, StructureShape):
            return lambda value: str(value).encode()
        return self._members_writer(shape, shape.serialization.get("name", shape.name))

    def _body_writer(self, operation: Operation) -> Codec:
        assert operation.output is not None
        name = operation.output.name
        root = name[: -len("Output")] + "Result" if name.endswith("Output") else name
        return self._members_writer(operation.output, root)

    def _members_writer(self, shape: StructureShape, name: str) -> Codec:
        members = self._writers.members(shape)
        opened, closed = self._root(shape, name)

        def write(value: Any) -> bytes:
            out = [opened]
            members(out, value)
            out.append(closed)
            return "".join(out).encode()

        return write

    def _event_writer(self, shape: Shape) -> Codec:
        raise AwsError("NotImplemented", f"Event streams of {self.model.name} are not implemented", 501)

    def error(self, error: AwsError, request_id: str) -> Response:
        if self.model.name == "s3":
            return s3_error(error, self.status_of(error), request_id)
        return query_error(error, self.status_of(error), request_id, self._namespace)
