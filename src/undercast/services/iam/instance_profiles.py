"""Instance profiles: the hull in which EC2 is given a role."""

from __future__ import annotations

from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.iam import roles
from undercast.services.iam.entities import create, find, listed, of_kind, when
from undercast.store.store import Store
from undercast.store.tables.iam import IamEntity


def described(session: Session, profile: IamEntity) -> Result:
    """An instance profile as AWS describes it, with its role."""
    result: Result = {
        "Path": profile.path,
        "InstanceProfileName": profile.name,
        "InstanceProfileId": profile.id,
        "Arn": profile.arn,
        "CreateDate": when(profile.created),
        "Roles": [roles.described(find(session, profile.account, "role", name)) for name in profile.members],
    }
    if profile.tags:
        result["Tags"] = profile.tags
    return result


class InstanceProfiles:
    """The operations on instance profiles.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_InstanceProfile.html
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_instance_profile(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            profile = create(
                session,
                call.account,
                "instance-profile",
                params["InstanceProfileName"],
                params.get("Path"),
                tags=params.get("Tags", []),
            )
            return {"InstanceProfile": described(session, profile)}

    def get_instance_profile(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            profile = find(session, call.account, "instance-profile", params["InstanceProfileName"])
            return {"InstanceProfile": described(session, profile)}

    def list_instance_profiles(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            profiles = [
                described(session, profile)
                for profile in of_kind(session, call.account, "instance-profile", params.get("PathPrefix"))
            ]
        return listed(profiles, lambda one: str(one["InstanceProfileName"]), params, "InstanceProfiles")

    def add_role_to_instance_profile(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            profile = find(session, call.account, "instance-profile", params["InstanceProfileName"])
            role = find(session, call.account, "role", params["RoleName"])
            if profile.members:
                raise AwsError(
                    "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1", 409
                )
            profile.members = [role.name]
        return {}

    def remove_role_from_instance_profile(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            profile = find(session, call.account, "instance-profile", params["InstanceProfileName"])
            role = find(session, call.account, "role", params["RoleName"])
            if role.name not in profile.members:
                raise AwsError(
                    "NoSuchEntity",
                    f"The role with name {role.name} is not in the instance profile {profile.name}.",
                    404,
                )
            profile.members = []
        return {}

    def delete_instance_profile(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            profile = find(session, call.account, "instance-profile", params["InstanceProfileName"])
            if profile.members:
                raise AwsError(
                    "DeleteConflict",
                    "Cannot delete entity, must remove roles from instance profile first.",
                    409,
                )
            session.delete(profile)
        return {}
