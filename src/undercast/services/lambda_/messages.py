"""Events as they are kept in the queue, and as a worker holds them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from undercast.services.lambda_.model import Key
from undercast.services.lambda_.names import Ref

TOPIC = "lambda-events"


@dataclass(slots=True)
class Event:
    """One event this process holds."""

    id: int
    key: Key
    payload: bytes
    created: float
    attempts: int  # runs that have ended
    attributes: dict[str, Any] = field(default_factory=dict)

    @property
    def qualifier(self) -> str | None:
        found = self.attributes["qualifier"]
        return str(found) if found else None

    @property
    def request_id(self) -> str:
        return str(self.attributes["request_id"])


def new_message(
    ref: Ref,
    payload: bytes,
    *,
    request_id: str,
    client_context: str | None = None,
    trace_id: str | None = None,
) -> dict[str, Any]:
    """An event as a row of the queue, due at once."""
    now = time.time()
    return {
        "topic": TOPIC,
        "account": ref.account,
        "region": ref.region,
        "key": "/".join(ref.key),
        "body": payload,
        "attributes": {
            "request_id": request_id,
            "qualifier": ref.qualifier,
            "client_context": client_context,
            "trace_id": trace_id,
        },
        "attempts": 0,
        "created": now,
        "due": now,
        "leased_until": 0.0,
    }
