"""Aliases: names for versions, with weights for a second one."""

from __future__ import annotations

from collections.abc import Mapping

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors, names
from undercast.services.lambda_.core import Core, new_revision, row_of
from undercast.services.lambda_.model import Alias, Function
from undercast.services.lambda_.names import LATEST, Ref, is_version
from undercast.services.lambda_.pages import paged
from undercast.services.lambda_.provisioned import follow_alias
from undercast.store.tables.lambda_functions import LambdaAlias


class Aliases:
    """CreateAlias, GetAlias, ListAliases, UpdateAlias, DeleteAlias."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create_alias(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        name, version = params["Name"], params["FunctionVersion"]
        with self._core.changing:  # a version that an alias is about to name must not be deleted meanwhile
            function = self._core.directory.get(Ref(*ref.key, None))
            if version not in function.versions:
                raise errors.function_missing(f"{ref.arn}:{version}")
            if name in function.aliases:
                raise errors.conflict(f"Alias already exists: {ref.arn}:{name}")
            weights = _weights(function, version, params)
            with self._core.store.write() as session:
                row_of(session, ref)
                session.add(
                    LambdaAlias(
                        account=ref.account,
                        region=ref.region,
                        name=ref.name,
                        alias=name,
                        version=version,
                        description=params.get("Description") or "",
                        weights=weights,
                        revision_id=new_revision(),
                    )
                )
            return self._shown(ref, name)

    def get_alias(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        function = self._core.directory.get(Ref(*ref.key, None))
        alias = function.aliases.get(params["Name"])
        if alias is None:
            raise errors.missing(f"Cannot find alias arn: {ref.arn}:{params['Name']}")
        return _shown(function, alias)

    def list_aliases(self, call: Call, params: Params) -> Result:
        function = self._core.directory.get(Ref(*names.parse(call, params["FunctionName"]).key, None))
        wanted = params.get("FunctionVersion")
        aliases = [
            alias
            for alias in function.aliases.values()
            if not wanted or wanted in (alias.version, *alias.weights)
        ]
        return paged("Aliases", aliases, lambda a: a.name, lambda a: _shown(function, a), params)

    def update_alias(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        name = params["Name"]
        with self._core.changing:
            function = self._core.directory.get(Ref(*ref.key, None))
            with self._core.store.write() as session:
                row = session.get(LambdaAlias, (*ref.key, name))
                if row is None:
                    raise errors.missing(f"Alias not found: {ref.arn}:{name}")
                if params.get("RevisionId") not in (None, "", row.revision_id):
                    raise errors.stale_revision()
                version = params.get("FunctionVersion") or row.version
                if version not in function.versions:
                    raise errors.function_missing(f"{ref.arn}:{version}")
                if "RoutingConfig" in params:
                    row.weights = _weights(function, version, params)
                elif version in row.weights:
                    raise _included(version)
                row.version = version
                if "Description" in params:
                    row.description = params["Description"]
                row.revision_id = new_revision()
            result = self._shown(ref, name)
        follow_alias(self._core, function)
        return result

    def delete_alias(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        name = params["Name"]
        function = self._core.directory.functions.get(ref.key)
        if function is None or name not in function.aliases:
            return {}  # AWS does not mind
        with self._core.store.write() as session:
            row = session.get(LambdaAlias, (*ref.key, name))
            if row is not None:
                session.delete(row)
            # A function URL outlives its alias on AWS and answers 403; the rest goes with it.
            for kind in ("policy", "event-invoke", "provisioned"):
                self._core.detach(session, ref.key, name, kind)
        self._core.changed(ref.key)
        follow_alias(self._core, function)
        return {}

    def _shown(self, ref: Ref, name: str) -> Result:
        function = self._core.changed(ref.key)
        if function is None or name not in function.aliases:
            raise errors.missing(f"Alias not found: {ref.arn}:{name}")
        return _shown(function, function.aliases[name])


def _shown(function: Function, alias: Alias) -> Result:
    result: Result = {
        "AliasArn": f"{function.arn}:{alias.name}",
        "Name": alias.name,
        "FunctionVersion": alias.version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.weights:
        result["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.weights)}
    return result


def _weights(function: Function, version: str, params: Params) -> dict[str, float]:
    """The weights of a RoutingConfig, checked. Raises AWS's four errors."""
    weights: Mapping[str, float] = (params.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
    if len(weights) > 1:
        raise errors.invalid("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for other, weight in weights.items():
        shown, field = f"{{{other}={weight}}}", "routingConfig.additionalVersionWeights"
        if not 0.0 <= weight <= 1.0:
            raise errors.validation(
                shown,
                field,
                "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
                "Member must have value greater than or equal to 0.0, Member must not be null]",
            )
        if other == version:
            raise _included(version)
        if version == LATEST:
            raise errors.invalid("$LATEST is not supported for an alias pointing to more than 1 version")
        if not is_version(other):
            raise errors.validation(
                shown,
                field,
                "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
                "Member must have length greater than or equal to 1, "
                "Member must satisfy regular expression pattern: [0-9]+, Member must not be null]",
            )
        if other not in function.versions:
            raise errors.function_missing(f"{function.arn}:{other}")
    return dict(weights)


def _included(version: str) -> Exception:
    return errors.invalid(
        f"Invalid function version {version}. "
        f"Function version {version} is already included in routing configuration."
    )
