"""What the gateway and the other services ask of IAM."""

from __future__ import annotations

from sqlalchemy import select

from undercast.services.base import AwsError
from undercast.services.iam import documents
from undercast.services.iam.credentials import Credential, Credentials
from undercast.store.store import Store
from undercast.store.tables.iam import Account, IamEntity


class Iam:
    """Credentials of callers, and the roles that services take on."""

    def __init__(self, store: Store, credentials: Credentials) -> None:
        self._store = store
        self._credentials = credentials
        self._role_ids: dict[str, str] = {}

    def credential(self, access_key_id: str, session_token: str | None = None) -> Credential | None:
        """The credential of a key id, or None. From memory: safe on the event loop, at every request."""
        return self._credentials.find(access_key_id, session_token)

    def create_account(self, name: str, account: str | None = None) -> Credential:
        """A new account and its root key. Raises ValueError when the number is taken."""
        return self._credentials.create_account(name, account)

    def root_key(self, account: str) -> Credential | None:
        """The root credential of an account, or None."""
        return self._credentials.root_key(account)

    def accounts(self) -> list[tuple[str, str]]:
        """Number and name of every account."""
        with self._store.read() as session:
            return [(row.account, row.name) for row in session.scalars(select(Account))]

    def role(self, role_arn: str) -> IamEntity | None:
        """The role of an ARN, or None."""
        account, name = _parse(role_arn)
        with self._store.read() as session:
            role = session.get(IamEntity, (account, "role", name))
        return role if role is not None and role.arn == role_arn else None

    def instance_profile(self, account: str, name: str) -> IamEntity | None:
        """The instance profile of that name, or None."""
        with self._store.read() as session:
            return session.get(IamEntity, (account, "instance-profile", name))

    def profile_role(self, account: str, name: str) -> str | None:
        """The ARN of the role an instance profile holds, or None when it holds none."""
        with self._store.read() as session:
            profile = session.get(IamEntity, (account, "instance-profile", name))
            if profile is None or not profile.members:
                return None
            role = session.get(IamEntity, (account, "role", profile.members[0]))
            return role.arn if role is not None else None

    def check_service_role(self, account: str, role_arn: str, service: str) -> None:
        """Refuse a role that a service may not assume, as Lambda does when a function names it.

        Raises InvalidParameterValueException when the role is missing or does not trust the service, and
        AccessDeniedException when it is another account's.
        """
        owner, _ = _parse(role_arn)
        if owner != account:
            raise AwsError("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
        role = self.role(role_arn)
        if role is None or not documents.trusts(role.doc["trust"], "Service", {service}):
            noun = {"lambda.amazonaws.com": ("function", "Lambda"), "ec2.amazonaws.com": ("instance", "EC2")}
            thing, name = noun.get(service, ("resource", service))
            raise AwsError(
                "InvalidParameterValueException",
                f"The role defined for the {thing} cannot be assumed by {name}.",
                Type="User",
            )
        self._role_ids[role_arn] = role.id

    def role_session(self, role_arn: str, session_name: str, duration_s: int = 3600) -> Credential:
        """Temporary credentials of a role, as a service gets them for what runs in its name.

        From memory once the role was seen; nothing is written. Raises NoSuchEntity for a missing role.
        """
        account, name = _parse(role_arn)
        role_id = self._role_ids.get(role_arn)
        if role_id is None:
            if (role := self.role(role_arn)) is None:
                raise AwsError("NoSuchEntity", f"The role with name {name} cannot be found.", 404)
            role_id = self._role_ids[role_arn] = role.id
        session_name = session_name[:64]
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}"
        return self._credentials.issue(account, arn, f"{role_id}:{session_name}", duration_s)

    def issue(self, account: str, principal_arn: str, principal_id: str, duration_s: int) -> Credential:
        """Temporary credentials of the principal itself, as GetSessionToken issues them."""
        return self._credentials.issue(account, principal_arn, principal_id, duration_s)

    def forget_role(self, role: IamEntity) -> None:
        """End the sessions of a role that was deleted."""
        self._role_ids.clear()
        self._credentials.recheck(lambda one: one.principal_id.startswith(f"{role.id}:"))

    def forget_account(self, account: str) -> None:
        """End the sessions of an account that was emptied, but for its root's."""
        self._credentials.reload()
        self._role_ids.clear()
        self._credentials.recheck(lambda one: one.account == account)


def _parse(role_arn: str) -> tuple[str, str]:
    parts = role_arn.split(":", 5)
    if len(parts) != 6 or parts[2] != "iam" or not parts[5].startswith("role/"):
        raise AwsError("ValidationError", f"{role_arn} is invalid")
    return parts[4], parts[5].rsplit("/", 1)[-1]
