"""Policy documents: checked for form when they come in, and read for the one question asked of them here.

Identity policies are stored and attached, not evaluated: every principal may do what its account may.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from undercast.services.base import AwsError
from undercast.services.iam import conditions

_VERSIONS = ("2012-10-17", "2008-10-17")


def parse(document: str, *, trust: bool = False) -> dict[str, Any]:
    """The document as a dictionary. Raises MalformedPolicyDocument, in IAM's words."""
    try:
        parsed = orjson.loads(document)
    except orjson.JSONDecodeError as error:
        raise _malformed("This policy contains invalid Json") from error
    if not isinstance(parsed, dict) or "Statement" not in parsed:
        raise _malformed("Syntax errors in policy.")
    if parsed.get("Version", _VERSIONS[1]) not in _VERSIONS:
        raise _malformed("The policy must contain a valid version string")
    for statement in statements(parsed):
        _check(statement, trust=trust)
    return parsed


def statements(parsed: dict[str, Any]) -> list[dict[str, Any]]:
    """The statements of a document: one alone needs no list."""
    found = parsed["Statement"]
    return found if isinstance(found, list) else [found]


def _check(statement: Any, *, trust: bool) -> None:
    if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
        raise _malformed("Syntax errors in policy.")
    if "Action" not in statement and "NotAction" not in statement:
        raise _malformed("Policy statement must contain actions.")
    if trust:
        actions = statement.get("Action", [])
        for action in [actions] if isinstance(actions, str) else actions:
            if not str(action).lower().startswith("sts:") and action != "*":
                raise _malformed("AssumeRole policy may only specify STS AssumeRole actions.")
        if "Resource" in statement or "NotResource" in statement:
            raise _malformed("Has prohibited field Resource")
        if "Principal" not in statement and "NotPrincipal" not in statement:
            raise _malformed("Missing required field Principal cannot be empty!")
    elif "Principal" in statement or "NotPrincipal" in statement:
        raise _malformed("Policy document should not specify a principal.")
    elif "Resource" not in statement and "NotResource" not in statement:
        raise _malformed("Policy statement must contain resources.")


def trusts(document: str, kind: str, principals: set[str], facts: Mapping[str, str] | None = None) -> bool:
    """Whether a trust policy lets one of the principals of a kind ("Service", "AWS") assume the role.

    `facts` are the request's condition keys in lower case; without them conditions are not looked at. A
    condition that cannot be judged opens nothing.
    """
    allowed = False
    for statement in statements(orjson.loads(document)):
        actions = statement.get("Action", [])
        if not {"sts:AssumeRole", "sts:*", "*"} & set([actions] if isinstance(actions, str) else actions):
            continue
        named = statement.get("Principal", {})
        if named != "*":
            values = named.get(kind, []) if isinstance(named, dict) else []
            if not ({"*"} | principals) & set([values] if isinstance(values, str) else values):
                continue
        holds = True if facts is None else conditions.met(statement.get("Condition", {}), facts)
        if statement["Effect"] == "Deny" and holds is not False:
            return False
        allowed = allowed or (statement["Effect"] == "Allow" and holds is True)
    return allowed


def _malformed(message: str) -> AwsError:
    return AwsError("MalformedPolicyDocument", message)
