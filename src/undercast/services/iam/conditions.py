"""The conditions of policy statements: whether the facts of a request meet them.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from undercast.services import wildcards

_Test = Callable[[str, str], bool]  # what the policy wants, what the request has

_TESTS: dict[str, _Test] = {
    "StringEquals": lambda wanted, actual: wanted == actual,
    "StringEqualsIgnoreCase": lambda wanted, actual: wanted.lower() == actual.lower(),
    "StringLike": wildcards.matches,
    "ArnEquals": wildcards.arn_like,  # the two are the same
    "ArnLike": wildcards.arn_like,
    "Bool": lambda wanted, actual: wanted.lower() == actual.lower(),
}
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
}


def met(condition: Any, facts: Mapping[str, str]) -> bool | None:
    """Whether every test of a `Condition` holds; None when it has a test nobody here can make.

    `facts` are the request's condition keys, their names in lower case.
    """
    if not isinstance(condition, dict):
        return None
    unknown = False
    for operator, tests in condition.items():
        if not isinstance(tests, dict):
            return None
        for key, wanted in tests.items():
            values = [str(one) for one in (wanted if isinstance(wanted, list) else [wanted])]
            holds = _holds(operator, values, facts.get(key.lower()))
            if holds is False:
                return False
            unknown = unknown or holds is None
    return None if unknown else True


def _holds(operator: str, values: list[str], actual: str | None) -> bool | None:
    if operator == "Null":
        return (values[:1] in (["true"], ["True"])) is (actual is None)
    name = operator.removesuffix("IfExists")
    negated = name in _NEGATED
    test = _TESTS.get(_NEGATED.get(name, name))
    if test is None:
        return None
    if actual is None:  # what is not there differs from everything
        return negated or name != operator
    return any(test(one, actual) for one in values) is not negated
