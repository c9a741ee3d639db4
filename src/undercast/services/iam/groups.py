"""Groups of users."""

from __future__ import annotations

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.iam import users
from undercast.services.iam.entities import create, find, listed, of_kind, when
from undercast.store.store import Store
from undercast.store.tables.iam import IamEntity


def described(group: IamEntity) -> Result:
    """A group as AWS describes it."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": when(group.created),
    }


class Groups:
    """The operations on groups. https://docs.aws.amazon.com/IAM/latest/APIReference/API_Group.html"""

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_group(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            return {
                "Group": described(
                    create(session, call.account, "group", params["GroupName"], params.get("Path"))
                )
            }

    def get_group(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            group = find(session, call.account, "group", params["GroupName"])
            members = [users.described(find(session, call.account, "user", name)) for name in group.members]
        return {
            "Group": described(group),
            **listed(members, lambda one: str(one["UserName"]), params, "Users"),
        }

    def list_groups(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            groups = [
                described(one) for one in of_kind(session, call.account, "group", params.get("PathPrefix"))
            ]
        return listed(groups, lambda one: str(one["GroupName"]), params, "Groups")

    def list_groups_for_user(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            user = find(session, call.account, "user", params["UserName"])
            groups = [
                described(one) for one in of_kind(session, call.account, "group") if user.name in one.members
            ]
        return listed(groups, lambda one: str(one["GroupName"]), params, "Groups")

    def add_user_to_group(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = find(session, call.account, "group", params["GroupName"])
            user = find(session, call.account, "user", params["UserName"])
            group.members = sorted({*group.members, user.name})
        return {}

    def remove_user_from_group(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = find(session, call.account, "group", params["GroupName"])
            user = find(session, call.account, "user", params["UserName"])
            group.members = [name for name in group.members if name != user.name]
        return {}

    def delete_group(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            group = find(session, call.account, "group", params["GroupName"])
            if group.members:
                raise AwsError(
                    "DeleteConflict", "Cannot delete entity, must remove users from group first.", 409
                )
            if group.attached:
                raise AwsError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
            if group.inline:
                raise AwsError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
            session.delete(group)
        return {}
