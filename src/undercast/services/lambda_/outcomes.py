"""What follows from a finished asynchronous invocation: messages to destinations and dead-letter targets."""

from __future__ import annotations

import logging
import uuid
from typing import Any

import orjson

from undercast.services.lambda_ import destinations
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.messages import Event, new_message
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST

log = logging.getLogger(__name__)


def follow_ups(
    core: Core, event: Event, function: Function, condition: str, last: dict[str, Any] | None
) -> list[dict[str, Any]]:
    """The messages to queue once an event is done with."""
    success = condition == "Success"
    config = function.event_invoke.get(event.qualifier or LATEST, {}).get("DestinationConfig", {})
    arn = (config.get("OnSuccess" if success else "OnFailure") or {}).get("Destination")
    messages = []
    if arn:
        record = destinations.record(
            request_id=event.request_id,
            function_arn=function.arn,
            qualifier=event.qualifier,
            condition=condition,
            attempts=event.attempts,
            payload=event.payload or b"{}",
            response=last,
        )
        messages.append(_message(core, arn, record, None))
    if not success and function.exists(event.qualifier):
        dead = function.version(event.qualifier).config.get("DeadLetterConfig")
        if dead:
            context = destinations.dead_letter_context(event.request_id, _error_message(condition, last))
            messages.append(_message(core, dead["TargetArn"], event.payload, context))
    return [message for message in messages if message is not None]


def _message(core: Core, arn: str, body: bytes, context: str | None) -> dict[str, Any] | None:
    target = destinations.parse_function(arn)
    if target is None or target.key not in core.directory.functions:
        log.warning("the destination %s is gone; its record is lost", arn)
        return None
    return new_message(target, body, request_id=str(uuid.uuid4()), client_context=context)


def _error_message(condition: str, last: dict[str, Any] | None) -> str:
    if last is None:
        return condition
    try:
        return str(orjson.loads(last["payload"])["errorMessage"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return condition
