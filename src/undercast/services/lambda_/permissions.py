"""Resource policies of functions, versions and aliases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.lambda_ import errors, limits, names, policy
from undercast.services.lambda_.core import Core, new_revision, version_row
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST, Ref, is_version
from undercast.store.tables.lambda_functions import LambdaAlias


class Permissions:
    """AddPermission, GetPolicy, RemovePermission."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def add_permission(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        if ref.qualifier == LATEST:
            raise errors.invalid("We currently do not support adding policies for $LATEST.")
        function = self._function(ref)
        qualifier = _existing(function, ref)
        _check_revision(function, qualifier, params)
        statement = policy.statement(params, ref.qualified_arn)
        with self._core.changing:
            function = self._function(ref)
            present = policy.statements(function.policies.get(qualifier))
            if any(one["Sid"] == statement["Sid"] for one in present):
                raise errors.conflict(
                    f"The statement id ({statement['Sid']}) provided already exists. "
                    "Please provide a new statement id, or remove the existing statement."
                )
            self._write(ref, qualifier, [*present, statement])
        return {"Statement": orjson.dumps(statement).decode()}

    def get_policy(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        function = self._core.directory.functions.get(ref.key)
        qualifier = ref.qualifier or LATEST
        if function is None or qualifier not in function.policies:
            raise errors.missing(errors.NO_RESOURCE)
        return {
            "Policy": orjson.dumps(function.policies[qualifier]).decode(),
            "RevisionId": function.revision_of(qualifier),
        }

    def remove_permission(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        function = self._core.directory.functions.get(ref.key)
        if function is None:
            raise errors.missing(f"No policy found for: {ref.arn}")
        qualifier = _existing(function, ref)
        with self._core.changing:
            function = self._function(ref)
            present = policy.statements(function.policies.get(qualifier))
            if not present:
                raise errors.missing("No policy is associated with the given resource.")
            left = [statement for statement in present if statement["Sid"] != params["StatementId"]]
            if len(left) == len(present):
                raise errors.missing(f"Statement {params['StatementId']} is not found in resource policy.")
            _check_revision(function, qualifier, params)
            self._write(ref, qualifier, left)
        return {}

    def _function(self, ref: Ref) -> Function:
        return self._core.directory.get(Ref(*ref.key, None))

    def _write(self, ref: Ref, qualifier: str, statements: Sequence[Mapping[str, Any]]) -> None:
        document = {"Version": "2012-10-17", "Id": "default", "Statement": list(statements)}
        size = len(orjson.dumps(document))
        if size > limits.POLICY:
            raise AwsError(
                "PolicyLengthExceededException",
                f"The final policy size ({size}) is bigger than the limit ({limits.POLICY}).",
                400,
                Type="User",
            )
        with self._core.store.write() as session:
            if statements:
                self._core.attach(session, ref.key, qualifier, "policy", document)
            else:
                self._core.detach(session, ref.key, qualifier, "policy")
            alias = None if is_version(qualifier) else session.get(LambdaAlias, (*ref.key, qualifier))
            owner = alias if alias is not None else version_row(session, ref, qualifier)
            owner.revision_id = new_revision()
        self._core.changed(ref.key)


def _existing(function: Function, ref: Ref) -> str:
    """The qualifier, which must be there. Raises 404."""
    qualifier = ref.qualifier
    if qualifier is None:
        return LATEST
    if qualifier not in function.versions and qualifier not in function.aliases:
        if is_version(qualifier) or qualifier == LATEST:
            raise errors.function_missing(ref.qualified_arn)
        raise errors.missing(f"Cannot find alias arn: {ref.qualified_arn}")
    return qualifier


def _check_revision(function: Function, qualifier: str, params: Params) -> None:
    if params.get("RevisionId") not in (None, "", function.revision_of(qualifier)):
        raise errors.stale_revision()
