"""Who else may use a layer version."""

from __future__ import annotations

from typing import Any

import orjson

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.lambda_ import errors
from undercast.services.lambda_.core import Core, new_revision
from undercast.services.lambda_.model import LayerVersion
from undercast.services.lambda_.names import locate_layer
from undercast.store.tables.lambda_layers import LambdaLayerVersion


def shared_with(layer: LayerVersion, account: str) -> bool:
    """Whether the layer version's policy lets another account use it."""
    allowed = {"*", account, f"arn:aws:iam::{account}:root"}
    return any(_principal(s) in allowed and "Condition" not in s for s in layer.statements)


def _principal(statement: Any) -> str:
    principal = statement["Principal"]
    return str(principal["AWS"] if isinstance(principal, dict) else principal)


class LayerPermissions:
    """AddLayerVersionPermission, GetLayerVersionPolicy, RemoveLayerVersionPermission."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_layer_version_permission(self, call: Call, params: Params) -> Result:
        layer = self._find(call, params)
        sid = params["StatementId"]
        if any(statement["Sid"] == sid for statement in layer.statements):
            raise errors.conflict(
                f"The statement id ({sid}) provided already exists. "
                "Please provide a new statement id, or remove the existing statement."
            )
        _check_revision(layer, params)
        principal = params["Principal"]
        statement: dict[str, Any] = {
            "Sid": sid,
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{principal}:root"} if principal.isdigit() else principal,
            "Action": params["Action"],
            "Resource": layer.arn,
        }
        if params.get("OrganizationId"):
            statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": params["OrganizationId"]}}
        changed = self._write(layer, [*layer.statements, statement])
        return {"Statement": orjson.dumps(statement).decode(), "RevisionId": changed.policy_revision}

    def get_layer_version_policy(self, call: Call, params: Params) -> Result:
        layer = self._find(call, params)
        if not layer.statements:
            raise errors.missing("No policy is associated with the given resource.")
        policy = {"Version": "2012-10-17", "Id": "default", "Statement": list(layer.statements)}
        return {"Policy": orjson.dumps(policy).decode(), "RevisionId": layer.policy_revision}

    def remove_layer_version_permission(self, call: Call, params: Params) -> Result:
        layer = self._find(call, params)
        _check_revision(layer, params)
        left = [s for s in layer.statements if s["Sid"] != params["StatementId"]]
        if len(left) == len(layer.statements):
            raise errors.missing(f"Statement {params['StatementId']} is not found in resource policy.")
        self._write(layer, left)
        return {}

    def _find(self, call: Call, params: Params) -> LayerVersion:
        account, region, name = locate_layer(call, params["LayerName"])
        number = params["VersionNumber"]
        if account != call.account:
            raise errors.not_authorized(call.principal_arn, f"lambda:{call.operation}", params["LayerName"])
        layer = self._core.directory.layers.get((account, region, name, number))
        if layer is None or layer.deleted:
            arn = f"arn:aws:lambda:{region}:{account}:layer:{name}:{number}"
            raise errors.missing(f"Layer version {arn} does not exist.")
        return layer

    def _write(self, layer: LayerVersion, statements: list[Any]) -> LayerVersion:
        key = (layer.account, layer.region, layer.name, layer.version)
        with self._core.store.write() as session:
            row = session.get(LambdaLayerVersion, key)
            if row is not None:
                row.statements = statements
                row.policy_revision = new_revision()
        return self._core.directory.reload_layer(key) or layer


def _check_revision(layer: LayerVersion, params: Params) -> None:
    if params.get("RevisionId") not in (None, "", layer.policy_revision):
        raise AwsError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetLayerPolicy API to retrieve the latest Revision Id",
            412,
            Type="User",
        )
