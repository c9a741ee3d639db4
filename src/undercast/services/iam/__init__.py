"""Identity and Access Management: who may call, and the roles that functions and instances take on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import delete
from sqlalchemy.orm import Session

from undercast.services.base import Service
from undercast.services.iam.access_keys import AccessKeys
from undercast.services.iam.account import AccountOperations
from undercast.services.iam.credentials import Credential, Credentials
from undercast.services.iam.facade import Iam
from undercast.services.iam.groups import Groups
from undercast.services.iam.instance_profiles import InstanceProfiles
from undercast.services.iam.policies import HolderPolicies, Policies
from undercast.services.iam.roles import Roles
from undercast.services.iam.tags import Tags
from undercast.services.iam.users import Users
from undercast.store.store import Store
from undercast.store.tables.iam import AccessKey, IamEntity

if TYPE_CHECKING:
    from undercast.cloud import Cloud

__all__ = ["Credential", "Iam", "build"]


class IamService(Service):
    """The service `iam`."""

    def __init__(self, store: Store, credentials: Credentials, iam: Iam) -> None:
        self._iam = iam
        super().__init__(
            "iam",
            [
                Users(store, credentials.reload),
                AccessKeys(store, credentials.reload),
                Groups(store),
                Roles(store, iam.forget_role),
                InstanceProfiles(store),
                Policies(store),
                *(HolderPolicies(store, kind) for kind in ("role", "user", "group")),
                *(Tags(store, kind) for kind in ("role", "user", "policy", "instance-profile")),
                AccountOperations(store),
            ],
        )

    def reset(self, session: Session, account: str) -> None:
        session.execute(delete(IamEntity).where(IamEntity.account == account))
        session.execute(delete(AccessKey).where(AccessKey.account == account, AccessKey.user != ""))

    async def after_reset(self, account: str) -> None:
        self._iam.forget_account(account)


def build(cloud: Cloud) -> Service:
    """The service, and `cloud.iam`. The first start makes the first account."""
    credentials = Credentials(cloud.store, cloud.settings.data)
    if credentials.root_key(cloud.settings.account) is None:
        credentials.create_account("first", cloud.settings.account)
    cloud.iam = Iam(cloud.store, credentials)
    return IamService(cloud.store, credentials, cloud.iam)
