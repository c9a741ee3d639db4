"""The account itself: its aliases and the counts people ask for."""

from __future__ import annotations

from sqlalchemy import func, select

from undercast.services.base import AwsError, Call, Params, Result
from undercast.store.store import Store
from undercast.store.tables.iam import Account, IamEntity


class AccountOperations:
    """The operations on the account as a whole."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list_account_aliases(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            row = session.get(Account, call.account)
        return {"AccountAliases": [row.alias] if row and row.alias else [], "IsTruncated": False}

    def create_account_alias(self, call: Call, params: Params) -> Result:
        alias = params["AccountAlias"]
        with self._store.write() as session:
            if session.scalar(select(Account).where(Account.alias == alias)) is not None:
                raise AwsError("EntityAlreadyExists", f"The account alias {alias} already exists.", 409)
            if (row := session.get(Account, call.account)) is not None:
                row.alias = alias
        return {}

    def delete_account_alias(self, call: Call, params: Params) -> Result:
        alias = params["AccountAlias"]
        with self._store.write() as session:
            row = session.get(Account, call.account)
            if row is None or row.alias != alias:
                raise AwsError("NoSuchEntity", f"The account alias {alias} cannot be found.", 404)
            row.alias = None
        return {}

    def get_account_summary(self, call: Call, params: Params) -> Result:
        query = select(IamEntity.kind, func.count()).where(IamEntity.account == call.account)
        with self._store.read() as session:
            counts = dict(session.execute(query.group_by(IamEntity.kind)).tuples().all())
        return {
            "SummaryMap": {
                "Users": counts.get("user", 0),
                "Groups": counts.get("group", 0),
                "Roles": counts.get("role", 0),
                "Policies": counts.get("policy", 0),
                "InstanceProfiles": counts.get("instance-profile", 0),
                "UsersQuota": 5000,
                "GroupsQuota": 300,
                "RolesQuota": 1000,
                "PoliciesQuota": 1500,
                "InstanceProfilesQuota": 1000,
                "AccessKeysPerUserQuota": 2,
                "AccountAccessKeysPresent": 1,
            }
        }
