"""Access keys and temporary credentials: who a request is from.

Long-lived keys are kept in memory beside the store, for the gateway asks at every request. Temporary ones
(as STS issues them) are not stored at all: the session token carries its own facts, sealed with a key of
this cloud, so a function's cold start writes nothing and a restart forgets nothing.
"""

from __future__ import annotations

import datetime as dt
import os
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import select

from undercast.services.iam import ids
from undercast.store.store import Store
from undercast.store.tables.iam import AccessKey, Account, IamEntity

_NONCE = 12  # bytes, AES-GCM's own
_REMEMBERED = 10_000  # temporary credentials kept in memory


@dataclass(frozen=True, slots=True)
class Credential:
    """A key pair and the principal it stands for. `expires` is a Unix time, None for a long-lived key."""

    access_key_id: str
    secret: str
    account: str
    principal_arn: str
    principal_id: str
    session_token: str | None = None
    expires: float | None = None

    @property
    def expiration(self) -> dt.datetime:
        """When the credential ends, as AWS prints it."""
        return dt.datetime.fromtimestamp(self.expires or 0, dt.UTC)


class Credentials:
    """All credentials of this cloud. Looked up on the event loop, changed from any thread."""

    def __init__(self, store: Store, data: Path) -> None:
        self._store = store
        self._seal = AESGCM(_sealing_key(data / "sts.key"))
        self._long_lived: Mapping[str, Credential] = {}
        self._temporary: dict[str, Credential] = {}
        self.reload()

    def reload(self) -> None:
        """Read the long-lived keys anew. Called after every change of a key or a user."""
        with self._store.read() as session:
            users = {
                (user.account, user.name): user
                for user in session.scalars(select(IamEntity).where(IamEntity.kind == "user"))
            }
            found: dict[str, Credential] = {}
            for key in session.scalars(select(AccessKey).where(AccessKey.status == "Active")):
                if not key.user:
                    arn, principal = f"arn:aws:iam::{key.account}:root", key.account
                elif user := users.get((key.account, key.user)):
                    arn, principal = user.arn, user.id
                else:
                    continue
                found[key.id] = Credential(key.id, key.secret, key.account, arn, principal)
        self._long_lived = found  # swapped whole: readers see the old or the new one
        self.recheck(lambda one: ":user/" in one.principal_arn)

    def recheck(self, concerned: Callable[[Credential], bool]) -> None:
        """Forget some temporary credentials: who comes with one again is looked for in the store first.

        Called when users or roles go, with which their sessions end.
        """
        for key, one in list(self._temporary.items()):
            if concerned(one):
                self._temporary.pop(key, None)

    def find(self, access_key_id: str, session_token: str | None = None) -> Credential | None:
        """The credential of a key id, or None. A temporary one may be expired: the caller looks.

        A temporary key is known by its session token; a token of another key finds nothing.
        """
        if (known := self._long_lived.get(access_key_id)) is not None:
            return known
        if (temporary := self._temporary.get(access_key_id)) is not None:
            return temporary
        if session_token is None:
            return None
        opened = self._open(session_token)
        if opened is None or opened.access_key_id != access_key_id or not self._lives(opened):
            return None
        self._remember(opened)
        return opened

    def issue(self, account: str, principal_arn: str, principal_id: str, duration_s: int) -> Credential:
        """New temporary credentials of a principal, as STS issues them."""
        facts: dict[str, Any] = {
            "k": ids.access_key_id(temporary=True),
            "s": ids.secret_key(),
            "a": account,
            "p": principal_arn,
            "i": principal_id,
            "e": int(time.time()) + duration_s,
        }
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._seal.encrypt(nonce, orjson.dumps(facts), None)
        token = _TOKEN_PREFIX + ids.encode_token(sealed)
        issued = _credential(facts, token)
        self._remember(issued)
        return issued

    def _open(self, token: str) -> Credential | None:
        if not token.startswith(_TOKEN_PREFIX):
            return None
        try:
            sealed = ids.decode_token(token.removeprefix(_TOKEN_PREFIX))
            facts = orjson.loads(self._seal.decrypt(sealed[:_NONCE], sealed[_NONCE:], None))
        except (ValueError, InvalidTag):
            return None
        return _credential(facts, token)

    def _lives(self, credential: Credential) -> bool:
        """Whether the principal of a session is there still: the same one, not a later namesake."""
        _, _, named = credential.principal_arn.rpartition(":")
        kind, _, rest = named.partition("/")
        if kind == "assumed-role":
            kind, name = "role", rest.partition("/")[0]
        elif kind == "user":
            name = rest.rpartition("/")[2]
        else:
            return True  # an account's root
        with self._store.read() as session:
            entity = session.get(IamEntity, (credential.account, kind, name))
        return entity is not None and entity.id == credential.principal_id.partition(":")[0]

    def _remember(self, credential: Credential) -> None:
        if len(self._temporary) >= _REMEMBERED:
            # The oldest half: what is still in use comes back through its token.
            for key in list(self._temporary)[: _REMEMBERED // 2]:
                del self._temporary[key]
        self._temporary[credential.access_key_id] = credential

    def create_account(self, name: str, account: str | None = None) -> Credential:
        """A new account with a root access key.

        Raises ValueError when the account exists already.
        """
        account = account or f"{secrets.randbelow(10**12 - 1) + 1:012d}"
        key_id, secret = ids.access_key_id(), ids.secret_key()
        with self._store.write() as session:
            if session.get(Account, account) is not None:
                raise ValueError(f"account {account} exists already")
            now = time.time()
            session.add(Account(account=account, name=name, created=now))
            session.add(AccessKey(id=key_id, account=account, secret=secret, created=now))
        self.reload()
        return self._long_lived[key_id]

    def root_key(self, account: str) -> Credential | None:
        """The root credential of an account, or None when there is no such account."""
        arn = f"arn:aws:iam::{account}:root"
        return next((key for key in self._long_lived.values() if key.principal_arn == arn), None)


_TOKEN_PREFIX = "IQoJb3JpZ2luX2Vj"  # noqa: S105 - how AWS's own session tokens begin, no secret


def _credential(facts: Mapping[str, Any], token: str) -> Credential:
    return Credential(facts["k"], facts["s"], facts["a"], facts["p"], facts["i"], token, float(facts["e"]))


def _sealing_key(path: Path) -> bytes:
    """The key in `path`, made at the first start; readable by the owner alone."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        key = AESGCM.generate_key(256)
        partial = path.with_suffix(".new")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        return key
