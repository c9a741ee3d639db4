"""The estate: every EC2 resource, in memory for reading, written through to the store.

A record is a plain dict, shaped as AWS describes the resource (boto3's member names, datetimes for times),
with `Tags` in it; members that callers never see begin with an underscore. A record that was put is never
changed again: put a new one (`{**old, "State": "available"}`). So reading needs no lock.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import Session

from undercast.services.base import Call, Params
from undercast.services.ec2.dry_run import dry_run
from undercast.store import Store
from undercast.store.tables.ec2_resources import Ec2Resource

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Key:
    """Where a record is kept."""

    account: str
    region: str
    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Mutation:
    """A committed change: `after` is None when the record is gone, `before` when it is new."""

    key: Key
    before: Record | None
    after: Record | None


Listener = Callable[[list[Mutation]], None]
_Shelf = dict[str, Record]


class Estate:
    """All resources of all accounts and regions. Safe to use from any thread."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.RLock()
        self._shelves: dict[tuple[str, str, str], _Shelf] = {}
        self._listeners: list[Listener] = []
        self._load()

    def _load(self) -> None:
        with self._store.read() as session:
            for row in session.scalars(select(Ec2Resource)):
                self._shelf(row.account, row.region, row.kind)[row.id] = _revive(row.body)

    def _shelf(self, account: str, region: str, kind: str) -> _Shelf:
        return self._shelves.setdefault((account, region, kind), {})

    def listen(self, listener: Listener) -> None:
        """Have `listener` called after every commit, in the committing thread: it must be quick."""
        self._listeners.append(listener)

    # Reading

    def get(self, account: str, region: str, kind: str, id: str) -> Record | None:
        """The record, or None."""
        return self._shelves.get((account, region, kind), {}).get(id)

    def all(self, account: str, region: str, kind: str) -> list[Record]:
        """The records of one kind, oldest first."""
        return list(self._shelves.get((account, region, kind), {}).values())

    def everywhere(self, kind: str) -> list[tuple[Key, Record]]:
        """The records of one kind in every account and region."""
        return [
            (Key(account, region, kind, id), record)
            for (account, region, its_kind), shelf in list(self._shelves.items())
            if its_kind == kind
            for id, record in list(shelf.items())
        ]

    def kinds(self, account: str, region: str) -> list[str]:
        """The kinds of which the account has something in the region."""
        return [
            k for (a, r, k), shelf in list(self._shelves.items()) if (a, r) == (account, region) and shelf
        ]

    # Writing

    @contextmanager
    def change(self, account: str, region: str, *, dry: bool = False) -> Iterator[Change]:
        """One atomic change: durable and visible when the block ends, nothing of it happens on an exception.

        With `dry` it ends with AWS's DryRunOperation instead, after all that the block validated.
        """
        with self._lock:
            change = Change(self, account, region)
            yield change
            if dry:
                dry_run({"DryRun": True})
            mutations = self._commit(change)
        for action in change.afterwards:
            action()
        if mutations:
            for listener in self._listeners:
                listener(mutations)

    def changing(self, call: Call, params: Params) -> Any:
        """`change` for the caller of an operation, minding `DryRun`."""
        return self.change(call.account, call.region, dry=bool(params.get("DryRun")))

    def _commit(self, change: Change) -> list[Mutation]:
        mutations = [Mutation(key, self._current(key), record) for key, record in change.writes.items()]
        mutations = [m for m in mutations if m.before is not m.after]
        if not mutations:
            return []
        with self._store.write() as session:
            _write(session, mutations)
        for mutation in mutations:
            key = mutation.key
            shelf = self._shelf(key.account, key.region, key.kind)
            if mutation.after is None:
                shelf.pop(key.id, None)
            else:
                shelf[key.id] = mutation.after
        return mutations

    def _current(self, key: Key) -> Record | None:
        return self.get(key.account, key.region, key.kind, key.id)

    # Reset

    def erase(self, session: Session, account: str) -> None:
        """Delete the account's rows; `forget` follows once that is committed."""
        session.execute(delete(Ec2Resource).where(Ec2Resource.account == account))

    def forget(self, account: str) -> list[Mutation]:
        """Drop the account's records from memory and tell the listeners."""
        with self._lock:
            gone = [key for key in self._shelves if key[0] == account]
            mutations = [
                Mutation(Key(*key, id), record, None)
                for key in gone
                for id, record in self._shelves.pop(key).items()
            ]
        for listener in self._listeners:
            listener(mutations)
        return mutations


class Change:
    """The view of one atomic change: reads see what it has written so far.

    `account` and `region` are where it works unless told otherwise. `afterwards` are called once it is
    durable.
    """

    def __init__(self, estate: Estate, account: str, region: str) -> None:
        self.estate = estate
        self.account = account
        self.region = region
        self.writes: dict[Key, Record | None] = {}
        self.afterwards: list[Callable[[], None]] = []

    def _key(self, kind: str, id: str, account: str | None = None, region: str | None = None) -> Key:
        return Key(account or self.account, region or self.region, kind, id)

    def get(
        self, kind: str, id: str, *, account: str | None = None, region: str | None = None
    ) -> Record | None:
        """The record, or None."""
        key = self._key(kind, id, account, region)
        if key in self.writes:
            return self.writes[key]
        return self.estate.get(key.account, key.region, kind, id)

    def all(self, kind: str, *, account: str | None = None, region: str | None = None) -> list[Record]:
        """The records of one kind, oldest first."""
        where = (account or self.account, region or self.region)
        written = {
            key.id: record
            for key, record in self.writes.items()
            if key.kind == kind and (key.account, key.region) == where
        }
        if not written:
            return self.estate.all(*where, kind)
        shelf = {**self.estate._shelf(*where, kind), **written}
        return [record for record in shelf.values() if record is not None]

    def put(
        self, kind: str, id: str, record: Record, *, account: str | None = None, region: str | None = None
    ) -> Record:
        """Keep the record under its id, new or in place of the old one. Returns it."""
        self.writes[self._key(kind, id, account, region)] = record
        return record

    def update(self, kind: str, id: str, /, **members: Any) -> Record:
        """Replace some members of a record that exists. Returns the new record."""
        old = self.get(kind, id)
        if old is None:
            raise KeyError(f"{kind} {id}")
        return self.put(kind, id, {**old, **members})

    def delete(self, kind: str, id: str, *, account: str | None = None, region: str | None = None) -> None:
        """Let go of a record; one that is not there is no error."""
        self.writes[self._key(kind, id, account, region)] = None


def visible(record: Record) -> Record:
    """The record as callers see it: without what begins with an underscore."""
    return {name: value for name, value in record.items() if name[0] != "_"}


def _write(session: Session, mutations: list[Mutation]) -> None:
    rows = [
        {**asdict(m.key), "body": _plain(m.after)}
        for m in mutations
        if m.before is None and m.after is not None
    ]
    if rows:
        session.execute(insert(Ec2Resource), rows)
    for mutation in mutations:
        key = mutation.key
        where = (
            Ec2Resource.account == key.account,
            Ec2Resource.region == key.region,
            Ec2Resource.kind == key.kind,
            Ec2Resource.id == key.id,
        )
        if mutation.after is None:
            session.execute(delete(Ec2Resource).where(*where))
        elif mutation.before is not None:
            session.execute(update(Ec2Resource).where(*where).values(body=_plain(mutation.after)))


# JSON has neither times nor bytes; both are kept as one-member objects no AWS structure can look like.


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(member) for member in value]
    if isinstance(value, dt.datetime):
        return {"$time": value.timestamp()}
    if isinstance(value, bytes):
        return {"$bytes": value.hex()}
    return value


def _revive(value: Any) -> Any:
    if isinstance(value, dict):
        if "$time" in value:
            return dt.datetime.fromtimestamp(value["$time"], dt.UTC)
        if "$bytes" in value:
            return bytes.fromhex(value["$bytes"])
        return {name: _revive(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_revive(member) for member in value]
    return value
