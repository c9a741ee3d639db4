"""The IAM policies that Lambda authorizers return: may this request be made."""

from __future__ import annotations

from typing import Any

from undercast.services import wildcards

_ACTION = "execute-api:invoke"


class BadPolicy(ValueError):
    """What the function returned is no policy."""


def allows(document: Any, resource: str) -> bool:
    """Whether a policy document allows invoking a resource (an execute-api ARN). Raises BadPolicy."""
    if not isinstance(document, dict) or "Statement" not in document:
        raise BadPolicy("policyDocument")
    statements = document["Statement"]
    allowed = False
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or statement.get("Effect") not in ("Allow", "Deny"):
            raise BadPolicy("policyDocument")
        if statement.get("Condition") and statement["Effect"] == "Allow":
            continue  # a condition nobody evaluates must not open anything
        if not _applies(statement, resource):
            continue
        if statement["Effect"] == "Deny":
            return False
        allowed = True
    return allowed


def _applies(statement: dict[str, Any], resource: str) -> bool:
    actions = _patterns(statement.get("Action"))
    if not any(wildcards.matches(pattern.lower(), _ACTION) for pattern in actions):
        return False
    return any(wildcards.matches(pattern, resource) for pattern in _patterns(statement.get("Resource")))


def _patterns(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in found):
        raise BadPolicy("policyDocument")
    return found
