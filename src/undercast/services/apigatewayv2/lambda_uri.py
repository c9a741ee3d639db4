"""The two ways to name a function in an integration or authorizer."""

from __future__ import annotations

import re

_INVOCATION = re.compile(
    r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/2015-03-31/functions/(?P<arn>.+)/invocations"
)
_FUNCTION = re.compile(r"arn:aws[a-z-]*:lambda:[a-z0-9-]+:\d{12}:function:.+")
_VARIABLE = re.compile(r"\$\{stageVariables\.([A-Za-z0-9_]+)\}")


def function_in(uri: str) -> str | None:
    """The function's ARN in an integration URI, stage variables unresolved, or None when there is none."""
    if match := _INVOCATION.fullmatch(uri):
        uri = match["arn"]
    return uri if _FUNCTION.fullmatch(uri) else None


def substituted(text: str, variables: dict[str, str]) -> str:
    """The text with `${stageVariables.NAME}` replaced; a variable that is not there becomes empty."""
    if "${" not in text:
        return text
    return _VARIABLE.sub(lambda match: variables.get(match[1], ""), text)


def is_variable(uri: str) -> bool:
    """Whether the URI begins with a stage variable, so that only the stage knows what it is."""
    return bool(_VARIABLE.match(uri))


def account_of(arn: str) -> str:
    """The account in an ARN; empty when there is none."""
    return (arn.split(":", 5) + [""] * 5)[4]
