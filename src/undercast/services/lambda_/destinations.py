"""Where the outcome of an asynchronous invocation goes: destinations and dead-letter targets."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import orjson

from undercast.services.base import Call
from undercast.services.lambda_ import errors
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.names import LATEST, Ref

_FUNCTION = re.compile(r"arn:aws[a-zA-Z-]*:lambda:([^:]+):(\d{12}):function:([a-zA-Z0-9-_]+)(?::([^:]+))?")
_TO_COME = {"sqs": "SQS queues", "sns": "SNS topics", "events": "EventBridge buses", "s3": "S3 buckets"}
_INSTEAD = "Name a function's ARN, which can do the same: it receives {} as its event."


def parse_function(arn: str) -> Ref | None:
    """The function an ARN names, or None when it names something else."""
    match = _FUNCTION.fullmatch(arn)
    return Ref(match[2], match[1], match[3], match[4]) if match else None


def check_dead_letter(core: Core, call: Call, arn: str) -> None:
    """Refuse a dead-letter target nothing can be delivered to."""
    if not arn:
        return
    target = parse_function(arn)
    if target is None:
        service = arn.split(":")[2] if arn.count(":") >= 5 else ""
        if service in _TO_COME:
            what = f"A dead-letter target among {_TO_COME[service]}"
            raise errors.unsupported(what, _INSTEAD.format("what the failed one received"))
        raise errors.invalid(f"The target ARN {arn} of the DeadLetterConfig is invalid.")
    _check_function(core, call, arn, target)


def check(core: Core, call: Call, function: Ref, config: dict[str, Any]) -> None:
    """Refuse destinations that are not there. Raises AWS's errors."""
    given = {on: (config.get(on) or {}).get("Destination") for on in ("OnSuccess", "OnFailure")}
    for arn in filter(None, given.values()):
        target = parse_function(arn)
        service = arn.split(":")[2] if arn.count(":") >= 5 else ""
        if target is not None:
            if target.key == function.key:
                raise errors.invalid("You can't specify the function as a destination for itself.")
            _check_function(core, call, arn, target)
        elif service in _TO_COME:
            raise errors.unsupported(
                f"A destination among {_TO_COME[service]}", _INSTEAD.format("the record")
            )
        else:
            shown = {on: f"On{on[2:]}(destination={arn})" if (arn := given[on]) else "null" for on in given}
            raise errors.invalid(
                f"The provided destination config DestinationConfig(onSuccess={shown['OnSuccess']}, "
                f"onFailure={shown['OnFailure']}) is invalid."
            )


def _check_function(core: Core, call: Call, arn: str, target: Ref) -> None:
    known = core.directory.functions.get(target.key)
    here = target.account == call.account and target.region == call.region
    if known is None or not here or not known.exists(target.qualifier):
        raise errors.invalid(f"The destination ARN {arn} is invalid.")


def record(
    *,
    request_id: str,
    function_arn: str,
    qualifier: str | None,
    condition: str,
    attempts: int,
    payload: bytes,
    response: dict[str, Any] | None,
) -> bytes:
    """The record a destination gets, format 1.0.

    https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
    """
    moment = dt.datetime.now(dt.UTC)
    document: dict[str, Any] = {
        "version": "1.0",
        "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
        "requestContext": {
            "requestId": request_id,
            "functionArn": f"{function_arn}:{qualifier or LATEST}",
            "condition": condition,
            "approximateInvokeCount": attempts,
        },
        "requestPayload": orjson.Fragment(payload),
    }
    if response is not None:
        context = {"statusCode": 200, "executedVersion": response["version"]}
        if response["error"]:
            context["functionError"] = response["error"]
        document["responseContext"] = context
        document["responsePayload"] = _json_or_text(response["payload"] or "null")
    return orjson.dumps(document)


def _json_or_text(text: str) -> Any:
    """A result inside a record: as it is, or as a string when a runtime answered something else than JSON."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    return orjson.Fragment(text)


def dead_letter_context(request_id: str, message: str) -> str:
    """What a dead-letter queue gets as message attributes, as the ClientContext of a function."""
    attributes = {"RequestID": request_id, "ErrorCode": "200", "ErrorMessage": message[:1024]}
    return orjson.dumps({"custom": attributes}).decode()
