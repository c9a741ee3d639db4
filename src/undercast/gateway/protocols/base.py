"""What every protocol does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from undercast.gateway.model import Model, Operation
from undercast.gateway.request import Request, Response
from undercast.services.base import AwsError, Params, Result


@dataclass(slots=True)
class Asked:
    """What a request asks for: the operation, and what finding it has read already."""

    operation: Operation
    found: dict[str, Any] = field(default_factory=dict)  # path labels, or the form's fields


class Protocol:
    """One service in one protocol."""

    name: ClassVar[str]

    def __init__(self, model: Model) -> None:
        self.model = model

    def find(self, request: Request) -> Asked:
        """The operation asked for. Raises `AwsError` as the protocol answers for an unknown one."""
        raise NotImplementedError

    def read(self, asked: Asked, request: Request) -> Params:
        """The parameters. Raises `AwsError` for a body that can not be read."""
        raise NotImplementedError

    def answer(self, operation: Operation, result: Result, request_id: str) -> Response:
        """A result as the protocol writes it."""
        raise NotImplementedError

    def error(self, error: AwsError, request_id: str) -> Response:
        """An error as the protocol writes it."""
        raise NotImplementedError

    def status_of(self, error: AwsError) -> int:
        """The error's status; the model's own when the service left it at the default."""
        if error.status == 400 and (shape := self.model.error_shape(error.code)) is not None:
            return int(shape.metadata.get("error", {}).get("httpStatusCode", 400))
        return error.status
