"""Function names: plain, partial ARN (`account:function:name`) and full ARN, each also with a qualifier."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from undercast.services.base import Call
from undercast.services.lambda_ import errors, limits

LATEST = "$LATEST"

_NAME = re.compile(
    r"(?:arn:aws[a-zA-Z-]*:lambda:)?(?:(?P<region>(?:eusc-)?[a-z]{2}(?:-gov|-iso[a-z]?)?-[a-z]+-\d):)?"
    r"(?:(?P<account>\d{12}):)?(?:function:)?(?P<name>[a-zA-Z0-9-_.]+)"
    r"(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)
_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?"
    r"(function:)?([a-zA-Z0-9-_]+)(:(\$LATEST|[a-zA-Z0-9-_]+))?"
)


class Ref(NamedTuple):
    """What a caller means: a function and, when given, one of its versions or aliases."""

    account: str
    region: str
    name: str
    qualifier: str | None

    @property
    def key(self) -> tuple[str, str, str]:
        return (self.account, self.region, self.name)

    @property
    def arn(self) -> str:
        """The ARN without the qualifier."""
        return function_arn(self.account, self.region, self.name)

    @property
    def qualified_arn(self) -> str:
        """The ARN as the caller meant it."""
        return f"{self.arn}:{self.qualifier}" if self.qualifier else self.arn


def function_arn(account: str, region: str, name: str) -> str:
    """A function's ARN."""
    return f"arn:aws:lambda:{region}:{account}:function:{name}"


def is_version(qualifier: str) -> bool:
    """Whether a qualifier names a published version (the others are `$LATEST` and aliases)."""
    return qualifier.isascii() and qualifier.isdigit()


def parse(call: Call, name: str, qualifier: str | None = None, *, foreign: bool = False) -> Ref:
    """What `FunctionName` and `Qualifier` of a call mean together. Raises AWS's errors.

    Functions of other accounts are refused unless `foreign`: the caller then checks the resource policy.
    """
    ref = _parse(call.account, call.region, name, qualifier)
    if ref.region != call.region:
        raise errors.missing(
            f"Functions from '{ref.region}' are not reachable in this region ('{call.region}')"
        )
    if ref.account != call.account and not foreign:
        raise errors.not_authorized(call.principal_arn, f"lambda:{call.operation}", ref.qualified_arn)
    return ref


@lru_cache(maxsize=65536)
def _parse(account: str, region: str, name: str, qualifier: str | None) -> Ref:
    match = _NAME.fullmatch(name)
    if match is None:
        raise errors.validation(
            name, "functionName", f"Member must satisfy regular expression pattern: {_PATTERN}"
        )
    embedded = match["qualifier"]
    if qualifier and embedded and qualifier != embedded:
        raise errors.invalid(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return Ref(match["account"] or account, match["region"] or region, match["name"], qualifier or embedded)


def new_name(call: Call, name: str) -> str:
    """The plain name of a function to be made, from a name or an ARN. Raises AWS's errors."""
    if len(name) > limits.NAME and ":" not in name:
        raise errors.invalid(
            f"1 validation error detected: Value '{name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {limits.NAME}"
        )
    ref = parse(call, name)
    if ref.qualifier or "." in ref.name or len(ref.name) > limits.NAME:
        raise errors.validation(
            name, "functionName", f"Member must satisfy regular expression pattern: {_PATTERN}"
        )
    return ref.name


LAYER_ARN = re.compile(r"arn:aws[a-zA-Z-]*:lambda:([^:]+):(\d{12}):layer:([a-zA-Z0-9-_]+)(?::(\d+))?")


def locate_layer(call: Call, name: str) -> tuple[str, str, str]:
    """Account, region and name of a layer given by name or ARN."""
    match = LAYER_ARN.fullmatch(name)
    if match is None:
        return call.account, call.region, name
    return match[2], match[1], match[3]


def parse_arn(account: str, region: str, name: str, qualifier: str | None = None) -> Ref:
    """The same for callers inside the cloud: whatever account and region the ARN names."""
    return _parse(account, region, name, qualifier)
