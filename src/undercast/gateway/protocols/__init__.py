"""The AWS protocols, both ways: one class each, made per service from its model."""

from __future__ import annotations

import functools
from collections.abc import Iterable

from undercast.gateway import model
from undercast.gateway.protocols.base import Protocol
from undercast.gateway.protocols.cbor import CborProtocol
from undercast.gateway.protocols.json import JsonProtocol
from undercast.gateway.protocols.query import Ec2Protocol, QueryProtocol
from undercast.gateway.protocols.rest import RestJsonProtocol, RestXmlProtocol

PROTOCOLS: dict[str, type[Protocol]] = {
    "json": JsonProtocol,
    "query": QueryProtocol,
    "ec2": Ec2Protocol,
    "rest-json": RestJsonProtocol,
    "rest-xml": RestXmlProtocol,
    "smithy-rpc-v2-cbor": CborProtocol,
}


@functools.lru_cache(maxsize=128)
def protocol(service: str, name: str) -> Protocol:
    """A service in one of its protocols."""
    return PROTOCOLS[name](model.load(service))


def preload(services: Iterable[str]) -> None:
    """Read the descriptions of services, so that nobody's first request waits for that."""
    for service in services:
        protocol(service, model.load(service).protocol)
