"""What roles, users, groups, policies and instance profiles have in common: finding, naming, listing."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Params, Result
from undercast.services.iam import ids
from undercast.services.pagination import BadToken, page
from undercast.store.tables.iam import IamEntity

T = TypeVar("T")

# How AWS's messages name each kind.
_NOUN = {
    "role": "role",
    "user": "user",
    "group": "group",
    "policy": "policy",
    "instance-profile": "Instance Profile",
}


def find(session: Session, account: str, kind: str, name: str) -> IamEntity:
    """The entity, whatever the case of its name. Raises NoSuchEntity."""
    found = session.scalar(
        select(IamEntity).where(
            IamEntity.account == account,
            IamEntity.kind == kind,
            func.lower(IamEntity.name) == name.lower(),
        )
    )
    if found is None:
        raise AwsError("NoSuchEntity", f"The {_NOUN[kind]} with name {name} cannot be found.", 404)
    return found


def create(
    session: Session, account: str, kind: str, name: str, path: str | None, **members: Any
) -> IamEntity:
    """Add an entity. Raises EntityAlreadyExists; names differ by more than case."""
    taken = session.scalar(
        select(IamEntity.name).where(
            IamEntity.account == account,
            IamEntity.kind == kind,
            func.lower(IamEntity.name) == name.lower(),
        )
    )
    if taken is not None:
        noun = _NOUN[kind][0].upper() + _NOUN[kind][1:]
        raise AwsError("EntityAlreadyExists", f"{noun} with name {name} already exists.", 409)
    entity = IamEntity(
        account=account,
        region="",
        kind=kind,
        name=name,
        path=path or "/",
        id=ids.unique_id(kind),
        created=time.time(),
        doc=members.pop("doc", {}),
        inline={},
        attached=[],
        members=[],
        tags=members.pop("tags", []),
    )
    session.add(entity)
    return entity


def of_kind(session: Session, account: str, kind: str, path_prefix: str | None = None) -> list[IamEntity]:
    """All entities of a kind below a path, sorted by name."""
    query = select(IamEntity).where(IamEntity.account == account, IamEntity.kind == kind)
    found = session.scalars(query.order_by(IamEntity.name)).all()
    return [entity for entity in found if entity.path.startswith(path_prefix or "/")]


def listed(items: Sequence[T], key: Callable[[T], str], params: Params, member: str) -> Result:
    """One page of a list as IAM answers it: `IsTruncated`, `Marker` and the member."""
    limit = params.get("MaxItems", 100)
    try:
        shown, marker = page(sorted(items, key=key), key, params.get("Marker"), limit)
    except BadToken as error:
        raise AwsError("ValidationError", "Invalid Marker.") from error
    result: Result = {member: shown, "IsTruncated": marker is not None}
    if marker is not None:
        result["Marker"] = marker
    return result


def when(unix: float) -> dt.datetime:
    """A Unix time in whole seconds, as IAM prints it."""
    return dt.datetime.fromtimestamp(int(unix), dt.UTC)


def encoded(document: str) -> str:
    """A policy document as IAM's answers carry it: percent-encoded (RFC 3986)."""
    return quote(document, safe="")
