"""Users and the groups they are in."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.iam.entities import create, find, listed, of_kind, when
from undercast.store.store import Store
from undercast.store.tables.iam import AccessKey, Account, IamEntity


def described(user: IamEntity) -> Result:
    """A user as AWS describes it."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": when(user.created),
    }


class Users:
    """The operations on users. https://docs.aws.amazon.com/IAM/latest/APIReference/API_User.html"""

    def __init__(self, store: Store, changed: Callable[[], None]) -> None:
        self._store = store
        self._changed = changed  # called after a change to what credentials stand for

    def create_user(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            user = create(
                session,
                call.account,
                "user",
                params["UserName"],
                params.get("Path"),
                tags=params.get("Tags", []),
            )
        result = described(user)
        if user.tags:
            result["Tags"] = user.tags
        return {"User": result}

    def get_user(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            if (name := params.get("UserName") or caller_name(call)) is None:
                return {"User": _root(session, call.account)}
            user = find(session, call.account, "user", name)
        result = described(user)
        if user.tags:
            result["Tags"] = user.tags
        return {"User": result}

    def list_users(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            users = [
                described(user) for user in of_kind(session, call.account, "user", params.get("PathPrefix"))
            ]
        return listed(users, lambda user: str(user["UserName"]), params, "Users")

    def update_user(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            user = find(session, call.account, "user", params["UserName"])
            if "NewPath" in params:
                user.path = params["NewPath"]
            if "NewUserName" in params:
                _rename(session, user, params["NewUserName"])
        self._changed()
        return {}

    def delete_user(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            user = find(session, call.account, "user", params["UserName"])
            keys = select(AccessKey.id).where(AccessKey.account == call.account, AccessKey.user == user.name)
            if session.scalar(keys) is not None:
                raise AwsError("DeleteConflict", "Cannot delete entity, must delete access keys first.", 409)
            if user.attached:
                raise AwsError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
            if user.inline:
                raise AwsError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
            if any(user.name in group.members for group in of_kind(session, call.account, "group")):
                raise AwsError(
                    "DeleteConflict", "Cannot delete entity, must remove users from group first.", 409
                )
            session.delete(user)
        self._changed()  # its sessions end, too
        return {}


def caller_name(call: Call) -> str | None:
    """The name of the calling user, None for the root and for roles."""
    return call.principal_arn.rsplit("/", 1)[-1] if ":user/" in call.principal_arn else None


def _root(session: Session, account: str) -> Result:
    row = session.get(Account, account)
    return {
        "UserId": account,
        "Arn": f"arn:aws:iam::{account}:root",
        "CreateDate": when(row.created if row else 0),
    }


def _rename(session: Session, user: IamEntity, name: str) -> None:
    if name.lower() != user.name.lower():
        taken = [one for one in of_kind(session, user.account, "user") if one.name.lower() == name.lower()]
        if taken:
            raise AwsError("EntityAlreadyExists", f"User with name {name} already exists.", 409)
    for group in of_kind(session, user.account, "group"):
        if user.name in group.members:
            group.members = sorted([*(one for one in group.members if one != user.name), name])
    session.execute(
        update(AccessKey)
        .where(AccessKey.account == user.account, AccessKey.user == user.name)
        .values(user=name)
    )
    user.name = name
