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

_LOOP = (
    16  # runs in one chain of events: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
)


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
        messages.append(_message(core, event, arn, record, None))
    if not success and function.exists(event.qualifier):
        dead = function.version(event.qualifier).config.get("DeadLetterConfig")
        if dead:
            context = destinations.dead_letter_context(event.request_id, _error_message(condition, last))
            messages.append(_message(core, event, dead["TargetArn"], event.payload, context))
    return [message for message in messages if message is not None]


def _message(core: Core, event: Event, arn: str, body: bytes, context: str | None) -> dict[str, Any] | None:
    target = destinations.parse_function(arn)
    function = core.directory.functions.get(target.key) if target is not None else None
    if target is None or function is None:
        log.warning("the destination %s is gone; its record is lost", arn)
        return None
    # Each event knows how often which function ran in the chain of events that led to it.
    lineage = dict(event.attributes.get("lineage") or {})
    rounds = lineage[target.arn] = lineage.get(target.arn, 0) + 1
    if rounds > _LOOP and function.recursive_loop == "Terminate":
        log.warning("%s was invoked %d times in a loop of destinations; the loop ends here", arn, _LOOP)
        return None
    message = new_message(target, body, request_id=str(uuid.uuid4()), client_context=context)
    message["attributes"]["lineage"] = lineage
    return message


def _error_message(condition: str, last: dict[str, Any] | None) -> str:
    if last is None:
        return condition
    try:
        return str(orjson.loads(last["payload"])["errorMessage"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return condition
