"""The IAM policies that Lambda authorizers return: may this request be made."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

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
    if not any(_matches(pattern.lower(), _ACTION) for pattern in actions):
        return False
    return any(_matches(pattern, resource) for pattern in _patterns(statement.get("Resource")))


def _patterns(value: Any) -> list[str]:
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(one, str) for one in found):
        raise BadPolicy("policyDocument")
    return found


def _matches(pattern: str, text: str) -> bool:
    return _expression(pattern).fullmatch(text) is not None


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    # IAM's wildcards: `*` for any text, `?` for one character. Runs of `*` mean one.
    parts = re.split(r"(\*+|\?)", pattern)
    return re.compile(
        "".join(".*" if p.startswith("*") else "." if p == "?" else re.escape(p) for p in parts), re.DOTALL
    )
