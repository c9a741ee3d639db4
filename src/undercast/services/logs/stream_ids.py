"""The ids of log streams by name. Groups and streams that are missing are made, all with a few statements."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.store.tables.logs import LogGroup, LogStream

GroupKey = tuple[str, str, str]  # account, region, name
StreamKey = tuple[str, str, str, str]  # account, region, group, name

_AT_ONCE = 500
_Item = TypeVar("_Item")


def stream_ids(session: Session, keys: Collection[StreamKey]) -> dict[StreamKey, int]:
    """The id of every stream."""
    groups = _group_ids(session, list({key[:3] for key in keys}))
    wanted = {(groups[key[:3]], key[3]): key for key in keys}
    found: dict[StreamKey, int] = {}
    for some in _parts(list(wanted)):
        query = select(LogStream.id, LogStream.group_id, LogStream.name).where(
            LogStream.group_id.in_({group for group, _ in some}),
            LogStream.name.in_({name for _, name in some}),
        )
        for identity, group, name in session.execute(query):
            if (group, name) in wanted:  # else another group's stream of that name
                found[wanted[group, name]] = identity
    now = int(time.time() * 1000)
    made = {
        key: LogStream(group_id=group, account=key[0], region=key[1], name=name, created=now)
        for (group, name), key in wanted.items()
        if key not in found
    }
    session.add_all(made.values())
    session.flush()
    return found | {key: row.id for key, row in made.items()}


def _group_ids(session: Session, keys: Sequence[GroupKey]) -> dict[GroupKey, int]:
    found: dict[GroupKey, int] = {}
    for some in _parts(keys):
        accounts, regions, names = (set(column) for column in zip(*some, strict=True))
        query = select(LogGroup.id, LogGroup.account, LogGroup.region, LogGroup.name).where(
            LogGroup.account.in_(accounts), LogGroup.region.in_(regions), LogGroup.name.in_(names)
        )
        found.update({(account, region, name): id for id, account, region, name in session.execute(query)})
    now = int(time.time() * 1000)
    made = {
        key: LogGroup(account=key[0], region=key[1], name=key[2], created=now, tags={})
        for key in keys
        if key not in found
    }
    session.add_all(made.values())
    session.flush()
    return found | {key: row.id for key, row in made.items()}


def _parts(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """As many at a time as a statement takes."""
    for at in range(0, len(items), _AT_ONCE):
        yield items[at : at + _AT_ONCE]
