"""Tags on roles, users, policies and instance profiles."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.iam.entities import find, listed
from undercast.services.iam.policies import find_policy
from undercast.store.store import Store
from undercast.store.tables.iam import IamEntity

_MOST = 50  # AWS's quota


class Tags:
    """The operations on tags, the same for each kind of entity."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind
        noun = kind.replace("-", "_")
        setattr(self, f"tag_{noun}", self._tag)
        setattr(self, f"untag_{noun}", self._untag)
        setattr(self, f"list_{noun}_tags", self._list)

    def _tag(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            entity = self._entity(session, call, params)
            entity.tags = merged(entity.tags, params["Tags"])
        return {}

    def _untag(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            entity = self._entity(session, call, params)
            entity.tags = [tag for tag in entity.tags if tag["Key"] not in params["TagKeys"]]
        return {}

    def _list(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            tags = self._entity(session, call, params).tags
        return listed(tags, lambda tag: tag["Key"], params, "Tags")

    def _entity(self, session: Session, call: Call, params: Params) -> IamEntity:
        if self._kind == "policy":
            return find_policy(session, call.account, params["PolicyArn"])
        member = (
            "InstanceProfileName" if self._kind == "instance-profile" else f"{self._kind.capitalize()}Name"
        )
        return find(session, call.account, self._kind, params[member])


def merged(old: Iterable[dict[str, str]], new: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """Old tags with new ones laid over them. Raises LimitExceeded past 50."""
    tags = {tag["Key"]: tag["Value"] for tag in (*old, *new)}
    if len(tags) > _MOST:
        raise AwsError("LimitExceeded", f"Cannot exceed quota for TagsPerResource: {_MOST}", 409)
    return [{"Key": key, "Value": value} for key, value in tags.items()]
