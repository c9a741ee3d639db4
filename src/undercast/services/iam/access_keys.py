"""Long-lived access keys of users and of the account's root."""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.iam import ids
from undercast.services.iam.entities import find, listed, when
from undercast.services.iam.users import caller_name
from undercast.store.store import Store
from undercast.store.tables.iam import AccessKey

_PER_USER = 2  # AWS's quota


class AccessKeys:
    """The operations on access keys.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_AccessKey.html
    """

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed

    def create_access_key(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            user = _user(session, call, params)
            if len(_of_user(session, call.account, user)) >= _PER_USER:
                raise AwsError(
                    "LimitExceeded", f"Cannot exceed quota for AccessKeysPerUser: {_PER_USER}", 409
                )
            key = AccessKey(
                id=ids.access_key_id(),
                account=call.account,
                user=user,
                secret=ids.secret_key(),
                status="Active",
                created=time.time(),
            )
            session.add(key)
        self._changed()
        return {"AccessKey": {**_described(key), "SecretAccessKey": key.secret}}

    def list_access_keys(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            keys = [_described(key) for key in _of_user(session, call.account, _user(session, call, params))]
        return listed(keys, lambda key: str(key["AccessKeyId"]), params, "AccessKeyMetadata")

    def update_access_key(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            _find(session, call, params).status = params["Status"]
        self._changed()
        return {}

    def delete_access_key(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            session.delete(_find(session, call, params))
        self._changed()
        return {}


def _user(session: Session, call: Call, params: Params) -> str:
    name = params.get("UserName") or caller_name(call)
    return find(session, call.account, "user", name).name if name else ""


def _of_user(session: Session, account: str, user: str) -> list[AccessKey]:
    query = select(AccessKey).where(AccessKey.account == account, AccessKey.user == user)
    return list(session.scalars(query))


def _find(session: Session, call: Call, params: Params) -> AccessKey:
    key = session.get(AccessKey, params["AccessKeyId"])
    if key is None or key.account != call.account or key.user != _user(session, call, params):
        raise AwsError(
            "NoSuchEntity", f"The Access Key with id {params['AccessKeyId']} cannot be found.", 404
        )
    return key


def _described(key: AccessKey) -> Result:
    result: Result = {"AccessKeyId": key.id, "Status": key.status, "CreateDate": when(key.created)}
    if key.user:
        result["UserName"] = key.user
    return result
