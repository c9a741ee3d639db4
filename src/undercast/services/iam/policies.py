"""Managed policies, their versions, and attaching them; inline policies of roles, users and groups."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.iam import documents, managed
from undercast.services.iam.entities import create, encoded, find, listed, of_kind, when
from undercast.store.store import Store
from undercast.store.tables.iam import IamEntity

_VERSIONS = 5  # AWS's quota of versions per policy
_ATTACHED = 10  # AWS's default quota of policies per principal
_HOLDERS = ("role", "user", "group")


class Policies:
    """The operations on managed policies.

    https://docs.aws.amazon.com/IAM/latest/APIReference/API_Policy.html
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def create_policy(self, call: Call, params: Params) -> Result:
        documents.parse(params["PolicyDocument"])
        with self._store.write() as session:
            policy = create(
                session,
                call.account,
                "policy",
                params["PolicyName"],
                params.get("Path"),
                doc={
                    "versions": {"v1": {"document": params["PolicyDocument"], "created": time.time()}},
                    "default": "v1",
                    "next": 2,
                    "description": params.get("Description", ""),
                },
                tags=params.get("Tags", []),
            )
            return {"Policy": _described(session, policy)}

    def get_policy(self, call: Call, params: Params) -> Result:
        arn = params["PolicyArn"]
        if arn in managed.ARNS:
            return {"Policy": _aws_managed(arn)}
        with self._store.read() as session:
            policy = find_policy(session, call.account, arn)
            result = _described(session, policy)
        if policy.doc["description"]:
            result["Description"] = policy.doc["description"]
        return {"Policy": {**result, "Tags": policy.tags}}

    def list_policies(self, call: Call, params: Params) -> Result:
        scope, prefix = params.get("Scope", "All"), params.get("PathPrefix", "/")
        found: list[Result] = []
        with self._store.read() as session:
            if scope in ("All", "Local"):
                found += [
                    _described(session, one) for one in of_kind(session, call.account, "policy", prefix)
                ]
        if scope in ("All", "AWS"):
            found += [
                policy for arn in managed.ARNS if (policy := _aws_managed(arn))["Path"].startswith(prefix)
            ]
        if params.get("OnlyAttached"):
            found = [policy for policy in found if policy["AttachmentCount"]]
        return listed(found, lambda policy: str(policy["Arn"]), params, "Policies")

    def delete_policy(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            policy = find_policy(session, call.account, params["PolicyArn"])
            if _attachments(session, policy):
                raise AwsError("DeleteConflict", "Cannot delete a policy attached to entities.", 409)
            if len(policy.doc["versions"]) > 1:
                raise AwsError(
                    "DeleteConflict",
                    "This policy has more than one version. Before you delete a policy, you must delete the "
                    "policy's versions. The default version is deleted with the policy.",
                    409,
                )
            session.delete(policy)
        return {}

    def create_policy_version(self, call: Call, params: Params) -> Result:
        documents.parse(params["PolicyDocument"])
        with self._store.write() as session:
            policy = find_policy(session, call.account, params["PolicyArn"])
            if len(policy.doc["versions"]) >= _VERSIONS:
                raise AwsError(
                    "LimitExceeded",
                    "A managed policy can have up to 5 versions. Before you create a new version, you must "
                    "delete an existing version.",
                    409,
                )
            version, number = f"v{policy.doc['next']}", policy.doc["next"]
            made = {"document": params["PolicyDocument"], "created": time.time()}
            policy.doc = {
                **policy.doc,
                "versions": {**policy.doc["versions"], version: made},
                "next": number + 1,
                "default": version if params.get("SetAsDefault") else policy.doc["default"],
            }
            return {"PolicyVersion": _version(policy, version, document=False)}

    def get_policy_version(self, call: Call, params: Params) -> Result:
        arn, version = params["PolicyArn"], params["VersionId"]
        if arn in managed.ARNS and version == "v1":
            document = {"Document": encoded(managed.DOCUMENT), "CreateDate": when(0)}
            return {"PolicyVersion": {"VersionId": "v1", "IsDefaultVersion": True, **document}}
        with self._store.read() as session:
            return {"PolicyVersion": _version(find_policy(session, call.account, arn), version)}

    def list_policy_versions(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            policy = find_policy(session, call.account, params["PolicyArn"])
        versions = [_version(policy, version, document=False) for version in policy.doc["versions"]]
        return listed(versions, lambda one: str(one["VersionId"]), params, "Versions")

    def set_default_policy_version(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            policy = find_policy(session, call.account, params["PolicyArn"])
            _version(policy, params["VersionId"])
            policy.doc = {**policy.doc, "default": params["VersionId"]}
        return {}

    def delete_policy_version(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            policy = find_policy(session, call.account, params["PolicyArn"])
            _version(policy, params["VersionId"])
            if policy.doc["default"] == params["VersionId"]:
                raise AwsError("DeleteConflict", "Cannot delete the default version of a policy.", 409)
            kept = {name: one for name, one in policy.doc["versions"].items() if name != params["VersionId"]}
            policy.doc = {**policy.doc, "versions": kept}
        return {}

    def list_entities_for_policy(self, call: Call, params: Params) -> Result:
        arn = params["PolicyArn"]
        result: Result = {"IsTruncated": False}
        with self._store.read() as session:
            if arn not in managed.ARNS:
                find_policy(session, call.account, arn)
            for kind in _HOLDERS:
                noun = kind.capitalize()
                result[f"Policy{noun}s"] = [
                    {f"{noun}Name": one.name, f"{noun}Id": one.id}
                    for one in of_kind(session, call.account, kind)
                    if arn in one.attached
                ]
        return result


class HolderPolicies:
    """The same six operations on the policies of roles, of users and of groups."""

    def __init__(self, store: Store, kind: str) -> None:
        self._store = store
        self._kind = kind
        self._name = f"{kind.capitalize()}Name"
        for operation in ("attach_{}_policy", "detach_{}_policy", "put_{}_policy", "get_{}_policy"):
            setattr(self, operation.format(kind), getattr(self, "_" + operation.format("holder")))
        setattr(self, f"delete_{kind}_policy", self._delete_holder_policy)
        setattr(self, f"list_{kind}_policies", self._list_holder_policies)
        setattr(self, f"list_attached_{kind}_policies", self._list_attached_holder_policies)

    def _attach_holder_policy(self, call: Call, params: Params) -> Result:
        arn = params["PolicyArn"]
        with self._store.write() as session:
            holder = find(session, call.account, self._kind, params[self._name])
            if arn not in managed.ARNS:
                find_policy(session, call.account, arn)
            if arn not in holder.attached:
                if len(holder.attached) >= _ATTACHED:
                    noun = f"PoliciesPer{self._kind.capitalize()}"
                    raise AwsError("LimitExceeded", f"Cannot exceed quota for {noun}: {_ATTACHED}", 409)
                holder.attached = [*holder.attached, arn]
        return {}

    def _detach_holder_policy(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            holder = find(session, call.account, self._kind, params[self._name])
            if params["PolicyArn"] not in holder.attached:
                raise AwsError("NoSuchEntity", f"Policy {params['PolicyArn']} was not found.", 404)
            holder.attached = [arn for arn in holder.attached if arn != params["PolicyArn"]]
        return {}

    def _put_holder_policy(self, call: Call, params: Params) -> Result:
        documents.parse(params["PolicyDocument"])
        with self._store.write() as session:
            holder = find(session, call.account, self._kind, params[self._name])
            holder.inline = {**holder.inline, params["PolicyName"]: params["PolicyDocument"]}
        return {}

    def _get_holder_policy(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            holder = find(session, call.account, self._kind, params[self._name])
        document = self._inline(holder, params["PolicyName"])
        return {
            self._name: holder.name,
            "PolicyName": params["PolicyName"],
            "PolicyDocument": encoded(document),
        }

    def _delete_holder_policy(self, call: Call, params: Params) -> Result:
        with self._store.write() as session:
            holder = find(session, call.account, self._kind, params[self._name])
            self._inline(holder, params["PolicyName"])
            holder.inline = {
                name: document for name, document in holder.inline.items() if name != params["PolicyName"]
            }
        return {}

    def _list_holder_policies(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            holder = find(session, call.account, self._kind, params[self._name])
        return listed(list(holder.inline), str, params, "PolicyNames")

    def _list_attached_holder_policies(self, call: Call, params: Params) -> Result:
        with self._store.read() as session:
            holder = find(session, call.account, self._kind, params[self._name])
        attached = [{"PolicyName": arn.rsplit("/", 1)[-1], "PolicyArn": arn} for arn in holder.attached]
        return listed(attached, lambda one: one["PolicyArn"], params, "AttachedPolicies")

    def _inline(self, holder: IamEntity, name: str) -> str:
        if name not in holder.inline:
            raise AwsError("NoSuchEntity", f"The {self._kind} policy with name {name} cannot be found.", 404)
        return holder.inline[name]


def find_policy(session: Session, account: str, arn: str) -> IamEntity:
    """The policy of an ARN. Raises NoSuchEntity."""
    name = arn.rsplit("/", 1)[-1]
    query = select(IamEntity).where(
        IamEntity.account == account, IamEntity.kind == "policy", IamEntity.name == name
    )
    policy = session.scalar(query)
    if policy is None or policy.arn != arn:
        raise AwsError("NoSuchEntity", f"Policy {arn} does not exist or is not attachable.", 404)
    return policy


def _attachments(session: Session, policy: IamEntity) -> int:
    holders = session.scalars(
        select(IamEntity).where(IamEntity.account == policy.account, IamEntity.kind.in_(_HOLDERS))
    )
    return sum(policy.arn in holder.attached for holder in holders)


def _described(session: Session, policy: IamEntity) -> Result:
    latest: float = max(version["created"] for version in policy.doc["versions"].values())
    return {
        "PolicyName": policy.name,
        "PolicyId": policy.id,
        "Arn": policy.arn,
        "Path": policy.path,
        "DefaultVersionId": policy.doc["default"],
        "AttachmentCount": _attachments(session, policy),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": when(policy.created),
        "UpdateDate": when(latest),
    }


def _aws_managed(arn: str) -> Result:
    path, name = managed.ARNS[arn].rsplit("/", 1)
    return {
        "PolicyName": name,
        "PolicyId": "ANPA" + "".join(c for c in name.upper() if c.isalpha())[:17].ljust(17, "A"),
        "Arn": arn,
        "Path": path + "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": when(0),
        "UpdateDate": when(0),
    }


def _version(policy: IamEntity, version: str, *, document: bool = True) -> Result:
    found: dict[str, Any] | None = policy.doc["versions"].get(version)
    if found is None:
        raise AwsError(
            "NoSuchEntity",
            f"Policy {policy.arn} version {version} does not exist or is not attachable.",
            404,
        )
    result: Result = {
        "VersionId": version,
        "IsDefaultVersion": policy.doc["default"] == version,
        "CreateDate": when(found["created"]),
    }
    if document:
        result["Document"] = encoded(found["document"])
    return result
