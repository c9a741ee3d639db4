"""Finding groups and streams by what callers name them with, and pages of lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.pagination import BadToken, page
from undercast.store.tables.logs import LogGroup, LogStream


def find_group(session: Session, call: Call, params: Params) -> LogGroup:
    """The group of `logGroupName` or `logGroupIdentifier` (a name or an ARN).

    Raises ResourceNotFoundException, and InvalidParameterException when both or neither are given.
    """
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        which = "both" if name is not None else "neither"
        raise AwsError(
            "InvalidParameterException",
            f"Exactly one of logGroupName and logGroupIdentifier must be specified, {which} were.",
        )
    wanted = name if name is not None else group_name(str(identifier))
    group = session.scalar(
        select(LogGroup).where(
            LogGroup.account == call.account, LogGroup.region == call.region, LogGroup.name == wanted
        )
    )
    if group is None:
        raise AwsError("ResourceNotFoundException", "The specified log group does not exist.")
    return group


def group_name(identifier: str) -> str:
    """The name in a group's ARN; a name stays as it is."""
    if not identifier.startswith("arn:"):
        return identifier
    return identifier.split(":log-group:", 1)[-1].removesuffix(":*")


def find_stream(session: Session, group: LogGroup, name: str) -> LogStream:
    """The stream of a group. Raises ResourceNotFoundException."""
    stream = session.scalar(select(LogStream).where(LogStream.group_id == group.id, LogStream.name == name))
    if stream is None:
        raise AwsError("ResourceNotFoundException", "The specified log stream does not exist.")
    return stream


def paged(
    items: Sequence[Result], key: Callable[[Result], str], params: Params, member: str, limit: int
) -> Result:
    """One page of a list, with `nextToken` where there is more."""
    try:
        shown, token = page(items, key, params.get("nextToken"), params.get("limit", limit))
    except BadToken as error:
        raise bad_token() from error
    result: dict[str, Any] = {member: shown}
    if token is not None:
        result["nextToken"] = token
    return result


def bad_token() -> AwsError:
    """The answer to a token that was not made here."""
    return AwsError("InvalidParameterException", "The specified nextToken is invalid.")
