"""Smithy's RPC v2 protocol: JSON's documents in CBOR, the operation in the path."""

from __future__ import annotations

from undercast.gateway import cbor
from undercast.gateway.json_shapes import BadDocument, Codec, Readers, Writers
from undercast.gateway.model import Model, Operation
from undercast.gateway.protocols.base import Asked, Protocol
from undercast.gateway.protocols.errors import document
from undercast.gateway.request import Request, Response
from undercast.services.base import AwsError, Params, Result


class CborProtocol(Protocol):
    """A service in Smithy RPC v2 CBOR."""

    name = "smithy-rpc-v2-cbor"

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._readers, self._writers = Readers(), Writers(native=True)
        self._codecs: dict[str, tuple[Codec | None, Codec | None]] = {}

    def find(self, request: Request) -> Asked:
        asked = request.path.rpartition("/")[2]
        operation = self.model.operation(asked)
        if operation is None:
            raise AwsError("UnknownOperationException", f"The operation {asked} is not known", 404)
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
        if reader is None or not request.body:
            return {}
        try:
            params: Params = reader(cbor.loads(request.body))
        except cbor.BadCbor as error:
            raise BadDocument("Could not parse request body into cbor") from error
        return params

    def _response(self, status: int, body: bytes, request_id: str) -> Response:
        headers = [
            ("content-type", "application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor"),
            ("x-amzn-requestid", request_id),
        ]
        return Response(status, headers, body)

    def answer(self, operation: Operation, result: Result, request_id: str) -> Response:
        _, writer = self._codec(operation)
        body = cbor.dumps(writer(result)) if writer is not None else b""
        return self._response(int(result.get("HTTPStatusCode", 200)), body, request_id)

    def error(self, error: AwsError, request_id: str) -> Response:
        shape = self.model.error_shape(error.code)
        body = {"__type": shape.name if shape is not None else error.code, **document(error, shape)}
        response = self._response(self.status_of(error), cbor.dumps(body), request_id)
        if self.model.metadata.get("awsQueryCompatible") is not None:
            code = getattr(shape, "error_code", error.code)
            response.headers.append(("x-amzn-query-error", f"{code};{error.fault}"))
        return response
