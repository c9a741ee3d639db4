"""Resource policies: what their statements say, and whether they let somebody in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from undercast.services import wildcards
from undercast.services.lambda_ import errors

INVOKE = "lambda:InvokeFunction"
INVOKE_URL = "lambda:InvokeFunctionUrl"

_ACCOUNT = re.compile(r"\d{12}")
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com(\.cn)?")


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: a service ("apigateway.amazonaws.com"), a principal's ARN, or nobody in particular ("*").

    `context` holds the condition keys of the request, their names in lower case.
    """

    service: str | None = None
    principal_arn: str | None = None
    account: str | None = None
    context: Mapping[str, str] = field(default_factory=dict)


def allows(policy: Mapping[str, Any] | None, action: str, asker: Asker) -> bool:
    """Whether a policy has a statement that allows the action to whoever asks. There is no Deny in them."""
    return policy is not None and any(
        statement["Effect"] == "Allow"
        and _action(statement["Action"], action)
        and _principal(statement["Principal"], asker)
        and _conditions(statement.get("Condition", {}), asker.context)
        for statement in policy["Statement"]
    )


def _action(pattern: str, action: str) -> bool:
    if pattern == "*":
        return True
    return pattern.lower() == action.lower() or (pattern == "lambda:*" and action.startswith("lambda:"))


def _principal(principal: Any, asker: Asker) -> bool:
    if principal == "*":
        return True
    if "Service" in principal:
        return bool(principal["Service"] == asker.service)
    allowed = principal.get("AWS")
    if allowed == "*":
        return True
    return asker.service is None and allowed in (asker.principal_arn, f"arn:aws:iam::{asker.account}:root")


def _conditions(conditions: Mapping[str, Mapping[str, str]], context: Mapping[str, str]) -> bool:
    for operator, tests in conditions.items():
        for key, wanted in tests.items():
            actual = context.get(key.lower())
            if actual is None:
                return False
            if operator == "ArnLike":
                if not wildcards.arn_like(wanted, actual):
                    return False
            elif operator == "Bool":
                if str(wanted).lower() != actual.lower():
                    return False
            elif wanted != actual:  # StringEquals
                return False
    return True


def statement(params: Mapping[str, Any], resource: str) -> dict[str, Any]:
    """The statement AddPermission makes. Raises AWS's error for a principal that is none."""
    result: dict[str, Any] = {
        "Sid": params["StatementId"],
        "Effect": "Allow",
        "Principal": _principal_of(params["Principal"]),
        "Action": params["Action"],
        "Resource": resource,
    }
    equals = {
        "lambda:FunctionUrlAuthType": params.get("FunctionUrlAuthType"),
        "aws:PrincipalOrgID": params.get("PrincipalOrgID"),
        "AWS:SourceAccount": params.get("SourceAccount"),
        "lambda:EventSourceToken": params.get("EventSourceToken"),
    }
    conditions: dict[str, dict[str, str]] = {}
    if given := {key: value for key, value in equals.items() if value}:
        conditions["StringEquals"] = given
    if params.get("SourceArn"):
        conditions["ArnLike"] = {"AWS:SourceArn": params["SourceArn"]}
    if params.get("InvokedViaFunctionUrl") is not None:
        conditions["Bool"] = {"lambda:InvokedViaFunctionUrl": str(params["InvokedViaFunctionUrl"]).lower()}
    if conditions:
        result["Condition"] = conditions
    return result


def _principal_of(principal: str) -> Any:
    if principal == "*":
        return "*"
    if _ACCOUNT.fullmatch(principal):
        return {"AWS": f"arn:aws:iam::{principal}:root"}
    if principal.startswith("arn:aws:iam::") or principal.startswith("arn:aws:sts::"):
        return {"AWS": principal}
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    raise errors.invalid("The provided principal was invalid. Please check the principal and try again.")


def statements(policy: Mapping[str, Any] | None) -> Sequence[Mapping[str, Any]]:
    """A policy's statements."""
    return policy["Statement"] if policy else ()
