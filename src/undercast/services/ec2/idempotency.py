"""Client tokens: the same request twice makes one thing.

https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html
"""

from __future__ import annotations

import hashlib
from typing import Any

import orjson

from undercast.services.base import AwsError, Params
from undercast.services.ec2.estate import Change, Record


def earlier(change: Change, kind: str, params: Params) -> Record | None:
    """What an earlier request with this token made, or None.

    Raises AWS's IdempotentParameterMismatch when that request asked for something else.
    """
    token = params.get("ClientToken")
    if not token:
        return None
    for record in change.all(kind):
        if record.get("_ClientToken") == token:
            if record["_Request"] != _digest(params):
                raise mismatch()
            return record
    return None


def members(params: Params) -> dict[str, Any]:
    """What a record remembers of the request that made it."""
    token = params.get("ClientToken")
    return {"_ClientToken": token, "_Request": _digest(params)} if token else {}


def mismatch() -> AwsError:
    """AWS's answer to a token that was used for another request."""
    return AwsError(
        "IdempotentParameterMismatch",
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s).",
    )


def _digest(params: Params) -> str:
    asked = {name: value for name, value in params.items() if name not in ("ClientToken", "DryRun")}
    return hashlib.sha256(orjson.dumps(asked, default=repr, option=orjson.OPT_SORT_KEYS)).hexdigest()
