"""Roles and their trust policies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.iam import documents
from undercast.services.iam.entities import create, encoded, find, listed, of_kind, when
from undercast.store.store import Store
from undercast.store.tables.iam import IamEntity


def described(role: IamEntity) -> Result:
    """A role as AWS describes it."""
    result: Result = {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": when(role.created),
        "AssumeRolePolicyDocument": encoded(role.doc["trust"]),
        "MaxSessionDuration": role.doc["max_session_s"],
    }
    if role.doc.get("description"):
        result["Description"] = role.doc["description"]
    if role.doc.get("boundary"):
        result["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": role.doc["boundary"],
        }
    return result


class Roles:
    """The operations on roles. https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html"""

    def __init__(self, store: Store, forget: Callable[[IamEntity], None]) -> None:
        self._store = store
        self._forget = forget  # what is remembered of a role, and its sessions

    def create_role(self, call: Call, params: Params) -> Result:
        documents.parse(params["AssumeRolePolicyDocument"], trust=True)
        with self._store.write() as session:
            role = create(
                session,
                call.account,
                "role",
                params["RoleName"],
                params.get("Path"),
                doc={
                    "trust": params["AssumeRolePolicyDocument"],
                    "max_session_s": params.get("MaxSessionDuration", 3600),
                    "description": params.get("Description", ""),
                    "boundary": params.get("PermissionsBoundary"),
                },
                tags=params.get("Tags", []),
            )
            result = described(role)
        if role.tags:
            result["Tags"] = role.tags
        return {"Role": result}

    def create_service_linked_role(self, call: Call, params: Params) -> Result:
        service = params["AWSServiceName"]
        words = "".join(word.capitalize() for word in service.removesuffix(".amazonaws.com").split("."))
        name = (
            "AWSServiceRoleFor" + words + (f"_{params['CustomSuffix']}" if "CustomSuffix" in params else "")
        )
        trust = (
            '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"'
            f'{service}"}},"Action":"sts:AssumeRole"}}]}}'
        )
        with self._store.write() as session:
            role = create(
                session,
                call.account,
                "role",
                name,
                f"/aws-service-role/{service}/",
                doc={"trust": trust, "max_session_s": 3600, "description": params.get("Description", "")},
            )
            return {"Role": described(role)}

    def get_role(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            role = find(session, call.account, "role", params["RoleName"])
        result = described(role)
        result["RoleLastUsed"] = {}
        if role.tags:
            result["Tags"] = role.tags
        return {"Role": result}

    def list_roles(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            roles = [
                described(role) for role in of_kind(session, call.account, "role", params.get("PathPrefix"))
            ]
        return listed(roles, lambda role: str(role["RoleName"]), params, "Roles")

    def update_role(self, call: Call, params: Params) -> Result:
        changes: dict[str, Any] = {}
        if "Description" in params:
            changes["description"] = params["Description"]
        if "MaxSessionDuration" in params:
            changes["max_session_s"] = params["MaxSessionDuration"]
        self._change(call, params, changes)
        return {}

    def update_role_description(self, call: Call, params: Params) -> Result:
        return {"Role": described(self._change(call, params, {"description": params["Description"]}))}

    def update_assume_role_policy(self, call: Call, params: Params) -> Result:
        documents.parse(params["PolicyDocument"], trust=True)
        self._change(call, params, {"trust": params["PolicyDocument"]})
        return {}

    def put_role_permissions_boundary(self, call: Call, params: Params) -> Result:
        self._change(call, params, {"boundary": params["PermissionsBoundary"]})
        return {}

    def delete_role_permissions_boundary(self, call: Call, params: Params) -> Result:
        self._change(call, params, {"boundary": None})
        return {}

    def _change(self, call: Call, params: Params, changes: dict[str, Any]) -> IamEntity:
        with self._store.write() as session:
            role = find(session, call.account, "role", params["RoleName"])
            role.doc = {**role.doc, **changes}
        return role

    def delete_role(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            role = find(session, call.account, "role", params["RoleName"])
            if _in_instance_profile(session, role):
                raise AwsError(
                    "DeleteConflict",
                    "Cannot delete entity, must remove roles from instance profile first.",
                    409,
                )
            if role.attached:
                raise AwsError("DeleteConflict", "Cannot delete entity, must detach all policies first.", 409)
            if role.inline:
                raise AwsError("DeleteConflict", "Cannot delete entity, must delete policies first.", 409)
            session.delete(role)
        self._forget(role)
        return {}

    def list_instance_profiles_for_role(self, call: Call, params: Params) -> Result:
        from undercast.services.iam.instance_profiles import described as profile_described

        with self._store.read() as session:
            role = find(session, call.account, "role", params["RoleName"])
            profiles = [
                profile_described(session, profile)
                for profile in of_kind(session, call.account, "instance-profile")
                if role.name in profile.members
            ]
        return listed(profiles, lambda one: str(one["InstanceProfileName"]), params, "InstanceProfiles")


def _in_instance_profile(session: Session, role: IamEntity) -> bool:
    profiles = session.scalars(
        select(IamEntity).where(IamEntity.account == role.account, IamEntity.kind == "instance-profile")
    )
    return any(role.name in profile.members for profile in profiles)
