"""AWS's own description of a service, from botocore: loaded at first use and kept."""

from __future__ import annotations

import functools
import threading
from collections.abc import Mapping
from typing import Any

from botocore import xform_name
from botocore.loaders import Loader
from botocore.model import OperationModel, OperationNotFoundError, ServiceModel, Shape, StructureShape

# Signing names that are not botocore's service names, of the services Undercast serves.
SIGNING_NAMES = {
    "apigatewayv2": "apigateway",
    "cloudwatch": "monitoring",
    "elb": "elasticloadbalancing",
    "elbv2": "elasticloadbalancing",
    "ec2-instance-connect": "ec2-instance-connect",
}

_loader = Loader()
_loading = threading.Lock()


class Operation:
    """One operation, with what is asked of it at every call looked up once."""

    __slots__ = (
        "errors",
        "http_method",
        "input",
        "method",
        "model",
        "name",
        "output",
        "service",
        "status",
        "uri",
    )

    def __init__(self, service: Model, model: OperationModel) -> None:
        self.service = service
        self.model = model
        self.name: str = model.name
        self.method: str = xform_name(model.name)  # boto3's name, also our method's
        self.input: StructureShape | None = model.input_shape
        self.output: StructureShape | None = model.output_shape
        self.http_method: str = model.http.get("method", "POST")
        self.uri: str = model.http.get("requestUri", "/")
        self.status: int = int(model.http.get("responseCode", 200))


class Model:
    """One service's description."""

    def __init__(self, name: str, description: Mapping[str, Any]) -> None:
        self.name = name
        self.botocore = ServiceModel(description, name)
        self.metadata: Mapping[str, Any] = description["metadata"]
        self.protocol: str = self.metadata["protocol"]
        self.protocols: tuple[str, ...] = tuple(self.metadata.get("protocols", (self.protocol,)))
        self.api_version: str = self.metadata["apiVersion"]
        self.operation_names: frozenset[str] = frozenset(self.botocore.operation_names)
        self._operations: dict[str, Operation] = {}
        self._codes: dict[str, Shape] | None = None

    def operation(self, name: str) -> Operation | None:
        """The operation of that name ("CreateFunction"), or None."""
        known = self._operations.get(name)
        if known is None:
            try:
                known = Operation(self, self.botocore.operation_model(name))
            except OperationNotFoundError:
                return None
            self._operations[name] = known
        return known

    def error_shape(self, code: str) -> Shape | None:
        """The shape of an error, by its code on the wire or by its name."""
        if self._codes is None:
            codes: dict[str, Shape] = {}
            for shape in self.botocore.error_shapes:
                codes.setdefault(shape.name, shape)
                codes[shape.error_code] = shape
            self._codes = codes
        return self._codes.get(code)


@functools.lru_cache(maxsize=64)
def load(name: str) -> Model:
    """The model of a service by botocore's name.

    Raises `botocore.exceptions.UnknownServiceError`.
    """
    with _loading:
        return Model(name, _loader.load_service_model(name, "service-2"))


def signing_name(service: str) -> str:
    """The name a service has in a signature's scope."""
    return SIGNING_NAMES.get(service, service)
