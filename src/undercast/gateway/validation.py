"""Parameters against the model, answered as the service in question answers."""

from __future__ import annotations

import functools
import uuid
from typing import Any

from botocore.model import ListShape, StructureShape

from undercast.gateway.constraints import Check, Checks
from undercast.gateway.model import Model, Operation, load
from undercast.services.base import AwsError, Params

# The code of a violated constraint, where it is not that of the service's protocol.
_CODES = {
    "logs": "InvalidParameterException",
    "apigatewayv2": "BadRequestException",
    "apigateway": "BadRequestException",
}
_PROTOCOL_CODES = {"query": "ValidationError", "rest-xml": "InvalidArgument"}


class Validator:
    """Checks the parameters of one service."""

    def __init__(self, model: Model) -> None:
        self._ec2 = model.protocol == "ec2"
        self._code = _CODES.get(model.name) or _PROTOCOL_CODES.get(model.protocol, "ValidationException")
        if "query" in model.protocols and model.name not in _CODES:
            self._code = "ValidationError"
        self._checks = Checks()
        self._compiled: dict[str, Check | None] = {}
        self._tokens: dict[str, tuple[str, ...]] = {}

    def check(self, operation: Operation, params: Params) -> None:
        """Raises `AwsError` when the parameters are not what the model asks for.

        A required idempotency token that was not sent is filled in, as AWS's SDKs do.
        """
        shape = operation.input
        if shape is None:
            return
        tokens = self._tokens.get(operation.name)
        if tokens is None:
            tokens = self._tokens[operation.name] = _required_tokens(shape)
        for name in tokens:
            if name not in params:
                params[name] = str(uuid.uuid4())
        if self._ec2:
            _check_ec2(shape, params, "")
            return
        if operation.name not in self._compiled:
            self._compiled[operation.name] = self._checks.check(shape)
        check = self._compiled[operation.name]
        if check is None:
            return
        found: list[str] = []
        check(params, "", found)
        if found:
            noun = "error" if len(found) == 1 else "errors"
            raise AwsError(self._code, f"{len(found)} validation {noun} detected: {'; '.join(found)}")


def _required_tokens(shape: StructureShape) -> tuple[str, ...]:
    return tuple(
        name for name in shape.required_members if shape.members[name].metadata.get("idempotencyToken")
    )


def _check_ec2(shape: StructureShape, params: dict[str, Any], path: str) -> None:
    """EC2 names the first parameter that is missing, by its name on the wire."""
    for name in shape.required_members:
        if params.get(name) in (None, [], {}):
            traits = shape.members[name].serialization
            wire = str(traits.get("queryName") or traits.get("name", name))
            wire = wire[:1].upper() + wire[1:]
            raise AwsError("MissingParameter", f"The request must contain the parameter {path}{wire}")
    for name, content in params.items():
        part = shape.members[name]
        if isinstance(part, StructureShape):
            _check_ec2(part, content, f"{name}.")
        elif isinstance(part, ListShape) and isinstance(part.member, StructureShape):
            for index, one in enumerate(content, 1):
                _check_ec2(part.member, one, f"{name}.{index}.")


@functools.lru_cache(maxsize=64)
def validator(service: str) -> Validator:
    """The validator of a service."""
    return Validator(load(service))
