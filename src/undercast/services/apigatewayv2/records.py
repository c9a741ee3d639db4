"""Reading and writing the rows of HTTP APIs: look-ups with AWS's errors, ids, pages."""

from __future__ import annotations

import datetime as dt
import secrets
import string
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from undercast.services import pagination
from undercast.services.apigatewayv2.errors import bad_request, not_found, too_many
from undercast.services.base import Call, Params, Result
from undercast.store.tables.apigatewayv2 import HttpApi, HttpApiPart

Kind = Literal["route", "integration", "authorizer", "stage", "deployment"]
T = TypeVar("T")

DEFAULT_PAGE = 100
_ALPHABET = string.ascii_lowercase + string.digits

# Quotas per API, https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
_QUOTAS: dict[Kind, tuple[int, str]] = {
    "route": (300, "Routes"),
    "integration": (300, "Integrations"),
    "authorizer": (10, "Authorizers"),
    "stage": (10, "Stages"),
}
_NAMES: dict[Kind, str] = {
    "route": "Route",
    "integration": "Integration",
    "authorizer": "Authorizer",
    "stage": "stage",
    "deployment": "Deployment",
}


def new_id(length: int) -> str:
    """A random identifier as API Gateway makes them: lower-case letters and digits."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def moment(unix: float) -> dt.datetime:
    """A point in time as the API shows it: whole seconds, UTC."""
    return dt.datetime.fromtimestamp(int(unix), dt.UTC)


def api(session: Session, call: Call, api_id: str) -> HttpApi:
    """The caller's API. Raises NotFoundException."""
    row = session.get(HttpApi, api_id)
    if row is None or row.account != call.account or row.region != call.region:
        raise not_found(f"Invalid API identifier specified {call.account}:{api_id}", "API")
    return row


def part(session: Session, owner: HttpApi, kind: Kind, identifier: str) -> HttpApiPart:
    """A part of an API. Raises NotFoundException."""
    row = session.get(HttpApiPart, (owner.api_id, kind, identifier))
    if row is None:
        name = _NAMES[kind]
        raise not_found(f"Invalid {name} identifier specified", name.capitalize())
    return row


def parts(session: Session, api_id: str, kind: Kind) -> list[HttpApiPart]:
    """All parts of a kind, oldest first."""
    query = (
        select(HttpApiPart)
        .where(HttpApiPart.api_id == api_id, HttpApiPart.kind == kind)
        .order_by(HttpApiPart.created, HttpApiPart.id)
    )
    return list(session.scalars(query))


def named(session: Session, api_id: str, kind: Kind, name: str) -> HttpApiPart | None:
    """The part of a kind with a name, if there is one."""
    return session.scalar(
        select(HttpApiPart).where(
            HttpApiPart.api_id == api_id, HttpApiPart.kind == kind, HttpApiPart.name == name
        )
    )


def add_part(
    session: Session, owner: HttpApi, kind: Kind, identifier: str, name: str, members: dict[str, Any]
) -> HttpApiPart:
    """A new part of an API. Raises TooManyRequestsException at the quota."""
    if kind in _QUOTAS:
        limit, label = _QUOTAS[kind]
        count = session.scalar(
            select(func.count())
            .select_from(HttpApiPart)
            .where(HttpApiPart.api_id == owner.api_id, HttpApiPart.kind == kind)
        )
        if count is not None and count >= limit:
            raise too_many(f"Maximum number of {label} for this API has been reached. Limit: {limit}")
    row = HttpApiPart(
        api_id=owner.api_id,
        kind=kind,
        id=identifier,
        account=owner.account,
        region=owner.region,
        created=time.time(),
        name=name,
        members=members,
    )
    session.add(row)
    session.flush()
    return row


def page(rows: Sequence[T], key: Callable[[T], str], params: Params, show: Callable[[T], Result]) -> Result:
    """One page of a list operation. Raises BadRequestException for a bad MaxResults or NextToken."""
    limit = DEFAULT_PAGE
    if (asked := params.get("MaxResults")) is not None:
        if not asked.isdecimal() or not 1 <= int(asked) <= 500:
            raise bad_request("Invalid max results value specified. Must be between 1 and 500.")
        limit = int(asked)
    try:
        shown, token = pagination.page(sorted(rows, key=key), key, params.get("NextToken"), limit)
    except pagination.BadToken as error:
        raise bad_request("Invalid next token specified") from error
    result: Result = {"Items": [show(row) for row in shown]}
    if token is not None:
        result["NextToken"] = token
    return result


def shown(members: dict[str, Any]) -> dict[str, Any]:
    """Members without those that are ours alone (`_Name`)."""
    return {name: value for name, value in members.items() if not name.startswith("_")}


def part_key(row: HttpApiPart) -> str:
    """What parts are listed by: their age, then their id."""
    return f"{row.created:017.6f}/{row.id}"


def given(params: Params, names: Sequence[str]) -> dict[str, Any]:
    """The members of a request that were given."""
    return {name: params[name] for name in names if params.get(name) is not None}
