"""The JSON protocols 1.0 and 1.1: the operation in `X-Amz-Target`, one document each way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson
from botocore.model import StructureShape

from undercast.gateway.eventstream import CONTENT_TYPE, EventWriter, encode
from undercast.gateway.json_shapes import BadDocument, Codec, Readers, Writers
from undercast.gateway.model import Model, Operation
from undercast.gateway.protocols.base import Asked, Protocol
from undercast.gateway.protocols.errors import json_error
from undercast.gateway.request import Request, Response
from undercast.services.base import AwsError, Params, Result


class JsonProtocol(Protocol):
    """A service in JSON."""

    name = "json"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._content_type = f"application/x-amz-json-{model.metadata.get('jsonVersion', '1.1')}"
        self._readers, self._writers = Readers(), Writers()
        self._codecs: dict[str, tuple[Codec | None, Codec | None]] = {}

    def find(self, request: Request) -> Asked:
        target = request.headers.get("x-amz-target", "")
        operation = self.model.operation(target.rpartition(".")[2])
        if operation is None:
            raise AwsError("UnknownOperationException", f"The operation {target or '(none)'} is not known")
        return Asked(operation)

    def _codec(self, operation: Operation) -> tuple[Codec | None, Codec | None]:
        known = self._codecs.get(operation.name)
        if known is None:
            known = self._codecs[operation.name] = (
                self._readers.reader(operation.input) if operation.input is not None else None,
                self._writers.writer(operation.output) if operation.output is not None else None,
            )
        return known

    def read(self, asked: Asked, request: Request) -> Params:
        reader, _ = self._codec(asked.operation)
        document = load(request.body) if request.body else {}
        params: Params = reader(document) if reader is not None else {}
        return params

    def answer(self, operation: Operation, result: Result, request_id: str) -> Response:
        headers = [("content-type", self._content_type), ("x-amzn-requestid", request_id)]
        stream = operation.model.get_event_stream_output() if operation.output is not None else None
        if isinstance(stream, StructureShape):
            return self._stream(operation, stream, result, request_id)
        _, writer = self._codec(operation)
        body = (
            orjson.dumps(writer(result)) if writer is not None else b"" if operation.output is None else b"{}"
        )
        return Response(int(result.get("HTTPStatusCode", 200)), headers, body)

    def _stream(
        self, operation: Operation, stream: StructureShape, result: Mapping[str, Any], request_id: str
    ) -> Response:
        assert operation.output is not None
        member = operation.output.event_stream_name
        events = EventWriter(stream, self._writers.writer, self._content_type)
        rest = {name: value for name, value in result.items() if name != member}
        _, writer = self._codec(operation)
        initial = orjson.dumps(writer(rest)) if writer is not None else b"{}"

        async def messages() -> AsyncIterator[bytes]:
            yield encode(
                {
                    ":message-type": "event",
                    ":event-type": "initial-response",
                    ":content-type": self._content_type,
                },
                initial,
            )
            async for message in events.stream(result[member]):
                yield message

        return Response(200, [("content-type", CONTENT_TYPE), ("x-amzn-requestid", request_id)], messages())

    def error(self, error: AwsError, request_id: str) -> Response:
        response = json_error(
            error,
            self.model.error_shape(error.code),
            self.status_of(error),
            request_id,
            self._content_type,
            typed=True,
        )
        if self.model.metadata.get("awsQueryCompatible") is not None:
            shape = self.model.error_shape(error.code)
            code = getattr(shape, "error_code", error.code)
            response.headers.append(("x-amzn-query-error", f"{code};{error.fault}"))
        return response


def load(body: bytes) -> Any:
    """A JSON body. Raises `BadDocument`."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadDocument("Could not parse request body into json") from error
