"""The Security Token Service: who am I, and temporary credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result, Service
from undercast.services.iam import Credential, Iam, documents
from undercast.store.tables.iam import IamEntity

if TYPE_CHECKING:
    from undercast.cloud import Cloud

_CHAINED_SESSION_S = 3600  # the longest session of a role that was assumed by a role
_SESSION_TOKEN_S = 43_200  # GetSessionToken's default: 12 hours


class Sessions:
    """The operations of STS. https://docs.aws.amazon.com/STS/latest/APIReference/"""

    def __init__(self, iam: Iam) -> None:
        self._iam = iam

    async def get_caller_identity(self, call: Call, params: Params) -> Result:
        return {"UserId": call.principal_id, "Account": call.account, "Arn": call.principal_arn}

    def assume_role(self, call: Call, params: Params) -> Result:
        arn, name = params["RoleArn"], params["RoleSessionName"]
        if policy := params.get("Policy"):
            documents.parse(policy)
        role = self._iam.role(arn)
        if role is None or not _may_assume(call, role, params):
            raise AwsError(
                "AccessDenied",
                f"User: {call.principal_arn} is not authorized to perform: sts:AssumeRole on resource: {arn}",
                403,
            )
        duration_s = params.get("DurationSeconds", 3600)
        if duration_s > role.doc["max_session_s"]:
            raise AwsError(
                "ValidationError",
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            )
        if duration_s > _CHAINED_SESSION_S and ":assumed-role/" in call.principal_arn:
            raise AwsError(
                "ValidationError",
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role "
                "chaining.",
            )
        session = self._iam.role_session(arn, name, duration_s)
        result: Result = {
            "Credentials": _credentials(session),
            "AssumedRoleUser": {"AssumedRoleId": session.principal_id, "Arn": session.principal_arn},
        }
        if source := params.get("SourceIdentity"):
            result["SourceIdentity"] = source
        return result

    async def get_session_token(self, call: Call, params: Params) -> Result:
        if ":assumed-role/" in call.principal_arn:
            raise AwsError("AccessDenied", "Cannot call GetSessionToken with session credentials", 403)
        longest_s = 3600 if call.principal_arn.endswith(":root") else 129_600
        duration_s = min(params.get("DurationSeconds", _SESSION_TOKEN_S), longest_s)
        session = self._iam.issue(call.account, call.principal_arn, call.principal_id, duration_s)
        return {"Credentials": _credentials(session)}

    async def get_access_key_info(self, call: Call, params: Params) -> Result:
        key = self._iam.credential(params["AccessKeyId"])
        if key is None:
            raise AwsError("ValidationError", f"Invalid access key ID: {params['AccessKeyId']}")
        return {"Account": key.account}


def _may_assume(call: Call, role: IamEntity, params: Params) -> bool:
    """Whether the trust policy names the caller, or the caller's account as a whole.

    AWS refuses its root users here; this cloud's people start with the root key, so the root may assume what
    trusts its account.
    """
    root, arn = f"arn:aws:iam::{call.account}:root", call.principal_arn
    principals = {call.account, root, arn}
    if ":assumed-role/" in arn:
        arn = f"arn:aws:iam::{call.account}:role/{arn.split('/')[1]}"
        principals.add(arn)
    facts = {
        "aws:principalaccount": call.account,
        "aws:principalarn": arn,
        "aws:userid": call.principal_id,
        "sts:externalid": params.get("ExternalId"),
        "sts:rolesessionname": params["RoleSessionName"],
        "sts:sourceidentity": params.get("SourceIdentity"),
    }
    given = {key: value for key, value in facts.items() if value is not None}
    return documents.trusts(role.doc["trust"], "AWS", principals, given)


def _credentials(session: Credential) -> Result:
    return {
        "AccessKeyId": session.access_key_id,
        "SecretAccessKey": session.secret,
        "SessionToken": session.session_token,
        "Expiration": session.expiration,
    }


def build(cloud: Cloud) -> Service:
    """The service `sts`."""
    return Service("sts", [Sessions(cloud.iam)])
