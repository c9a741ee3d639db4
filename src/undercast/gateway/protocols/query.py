"""The query protocol and its EC2 dialect: a form goes in, XML comes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.model import StructureShape

from undercast.gateway.form_shapes import FormReaders, Reader, fields, tree
from undercast.gateway.model import Model, Operation
from undercast.gateway.protocols.base import Asked, Protocol
from undercast.gateway.protocols.errors import ec2_error, query_error
from undercast.gateway.request import Request, Response
from undercast.gateway.xml_shapes import XmlWriters
from undercast.services.base import AwsError, Params, Result


class QueryProtocol(Protocol):
    """A service in the query protocol."""

    name = "query"
    ec2 = False

    def __init__(self, model: Model) -> None:
        super().__init__(model)
        self._readers, self._writers = FormReaders(self.ec2), XmlWriters(millis=self.ec2)
        self._inputs: dict[str, Reader] = {}
        self._outputs: dict[str, Callable[[list[str], Any], None]] = {}
        self._namespace: str = model.metadata.get("xmlNamespace", "")

    def find(self, request: Request) -> Asked:
        form = fields(request.query)
        if request.body:
            form |= fields(request.body.decode("utf-8", "replace"))
        action = form.get("Action")
        if not action:
            raise self._no_action()
        operation = self.model.operation(action)
        if operation is None:
            raise self._unknown(action, form.get("Version", ""))
        return Asked(operation, form)

    def _no_action(self) -> AwsError:
        return AwsError("MissingAction", "Missing Action")

    def _unknown(self, action: str, version: str) -> AwsError:
        return AwsError("InvalidAction", f"Could not find operation {action} for version {version}")

    def read(self, asked: Asked, request: Request) -> Params:
        operation = asked.operation
        if operation.input is None:
            return {}
        reader = self._inputs.get(operation.name)
        if reader is None:
            reader = self._inputs[operation.name] = self._readers.reader(operation.input)
        params: Params = reader(tree(asked.found), "")
        return params

    def _members(self, out: list[str], operation: Operation, result: Result) -> None:
        if operation.output is None:
            return
        writer = self._outputs.get(operation.name)
        if writer is None:
            assert isinstance(operation.output, StructureShape)
            writer = self._outputs[operation.name] = self._writers.members(operation.output)
        writer(out, result)

    def answer(self, operation: Operation, result: Result, request_id: str) -> Response:
        out = [f'<{operation.name}Response xmlns="{self._namespace}">']
        wrapper = (
            operation.output.serialization.get("resultWrapper") if operation.output is not None else None
        )
        if wrapper:
            out.append(f"<{wrapper}>")
        self._members(out, operation, result)
        if wrapper:
            out.append(f"</{wrapper}>")
        out.append(
            f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{operation.name}Response>"
        )
        headers = [("content-type", "text/xml"), ("x-amzn-requestid", request_id)]
        return Response(int(result.get("HTTPStatusCode", 200)), headers, "".join(out).encode())

    def error(self, error: AwsError, request_id: str) -> Response:
        # A model names the shape "NoSuchEntityException", the wire carries "NoSuchEntity".
        shape = self.model.error_shape(error.code)
        if shape is not None and shape.error_code != error.code:
            error = AwsError(shape.error_code, error.message, self.status_of(error), **error.members)
        return query_error(error, self.status_of(error), request_id, self._namespace)


class Ec2Protocol(QueryProtocol):
    """EC2."""

    name = "ec2"
    ec2 = True

    def _no_action(self) -> AwsError:
        return AwsError("MissingAction", "The request must contain the parameter Action")

    def _unknown(self, action: str, version: str) -> AwsError:
        return AwsError("InvalidAction", f"The action {action} is not valid for this web service.")

    def answer(self, operation: Operation, result: Result, request_id: str) -> Response:
        namespace = self._namespace.rstrip("/") + "/"
        out = [
            f'<?xml version="1.0" encoding="UTF-8"?>\n<{operation.name}Response xmlns="{namespace}">',
            f"<requestId>{request_id}</requestId>",
        ]
        if operation.output is None:
            out.append("<return>true</return>")
        self._members(out, operation, result)
        out.append(f"</{operation.name}Response>")
        headers = [("content-type", "text/xml;charset=UTF-8"), ("x-amzn-requestid", request_id)]
        return Response(int(result.get("HTTPStatusCode", 200)), headers, "".join(out).encode())

    def error(self, error: AwsError, request_id: str) -> Response:
        return ec2_error(error, self.status_of(error), request_id)
