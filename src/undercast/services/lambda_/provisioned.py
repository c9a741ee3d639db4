"""Provisioned concurrency: environments initialised before anybody asks."""

from __future__ import annotations

import logging

from undercast.functions.function import InitFailed
from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.lambda_ import errors, names
from undercast.services.lambda_.concurrency import minimum, unreserved
from undercast.services.lambda_.core import Core, now, timestamp
from undercast.services.lambda_.model import Function, Key
from undercast.services.lambda_.names import LATEST, Ref, is_version
from undercast.services.lambda_.pages import paged
from undercast.store.tables.lambda_functions import LambdaAttachment

log = logging.getLogger(__name__)

_KIND = "provisioned"


class Provisioned:
    """Put, Get, List and DeleteProvisionedConcurrencyConfig(s)."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def put_provisioned_concurrency_config(self, call: Call, params: Params) -> Result:
        core = self._core
        wanted = params["ProvisionedConcurrentExecutions"]
        ref = names.parse(call, params["FunctionName"], params["Qualifier"])
        if ref.qualifier == LATEST:
            raise errors.invalid(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
        with core.changing:
            function, qualifier = self._find(ref)
            self._check(function, qualifier, wanted)
            with core.store.write() as session:
                document = {"requested": wanted, "status": "IN_PROGRESS", "modified": now(), "reason": None}
                core.attach(session, ref.key, qualifier, _KIND, document)
            function = core.changed(ref.key) or function
        result = _shown(core, function, qualifier)
        core.background(_provision(core, ref.key, function.version(qualifier).version))
        return result

    def get_provisioned_concurrency_config(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params["Qualifier"])
        _check_published(ref)
        function, qualifier = self._find(ref)
        if qualifier not in function.provisioned:
            raise AwsError(
                "ProvisionedConcurrencyConfigNotFoundException",
                "No Provisioned Concurrency Config found for this function",
                404,
                Type="User",
            )
        return _shown(self._core, function, qualifier)

    def list_provisioned_concurrency_configs(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        function = self._core.directory.get(Ref(*ref.key, None))
        return paged(
            "ProvisionedConcurrencyConfigs",
            sorted(function.provisioned),
            lambda qualifier: qualifier,
            lambda qualifier: {
                "FunctionArn": f"{function.arn}:{qualifier}",
                **_shown(self._core, function, qualifier),
            },
            params,
        )

    def delete_provisioned_concurrency_config(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params["Qualifier"])
        _check_published(ref)
        function, qualifier = self._find(ref)
        with self._core.store.write() as session:
            self._core.detach(session, ref.key, qualifier, _KIND)
        self._core.changed(ref.key)
        self._core.background(_provision(self._core, ref.key, function.version(qualifier).version))
        return {}

    def _find(self, ref: Ref) -> tuple[Function, str]:
        qualifier = str(ref.qualifier)
        function = self._core.directory.functions.get(ref.key)
        if is_version(qualifier):
            if function is None or qualifier not in function.versions:
                raise errors.function_missing(ref.qualified_arn)
        elif function is None or qualifier not in function.aliases:
            raise errors.missing(f"Cannot find alias arn: {ref.qualified_arn}")
        return function, qualifier

    def _check(self, function: Function, qualifier: str, wanted: int) -> None:
        core = self._core
        others = sum(int(c["requested"]) for q, c in function.provisioned.items() if q != qualifier)
        version = function.version(qualifier)
        if version.snap_start:
            raise errors.invalid("Provisioned Concurrency is not supported on SnapStart enabled functions.")
        if version.version == LATEST:
            raise errors.invalid(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
        if function.reserved is not None:
            if function.reserved < others + wanted:
                raise errors.invalid(
                    "Requested Provisioned Concurrency should not be greater than the "
                    "reservedConcurrentExecution for function"
                )
        else:
            free = unreserved(core, function.account, function.region, without=function) - others
            if wanted > core.slots.limit:
                raise errors.invalid(
                    "Specified ConcurrentExecutions for function is greater than account's unreserved "
                    f"concurrency [{core.slots.limit}]."
                )
            if free - wanted < minimum(core):
                raise errors.invalid(
                    "Specified ConcurrentExecutions for function decreases account's "
                    f"UnreservedConcurrentExecution below its minimum value of [{minimum(core)}]."
                )
        if not is_version(qualifier):
            if version.version in function.provisioned:
                raise errors.conflict(
                    "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned "
                    "version"
                )
        elif any(
            a.version == qualifier and a.name in function.provisioned for a in function.aliases.values()
        ):
            raise errors.conflict("Version is pointed by a Provisioned Concurrency alias")


def follow_alias(core: Core, before: Function) -> None:
    """After an alias has moved or gone: provision where it points now, let go where it pointed before."""
    if before.provisioned:
        for version in before.versions:
            if version != LATEST:
                core.background(_provision(core, before.key, version))


def resume(core: Core) -> None:
    """After a start: make the provisioned environments anew."""
    for function in core.directory.functions.values():
        for version in {function.version(q).version for q in function.provisioned if function.exists(q)}:
            core.background(_provision(core, function.key, version))


def _qualifiers(function: Function, version: str) -> list[str]:
    """The configurations that ask for environments of a version."""
    return [q for q in function.provisioned if function.exists(q) and function.version(q).version == version]


async def _provision(core: Core, key: Key, version: str) -> None:
    function = core.directory.functions.get(key)
    if function is None or version not in function.versions:
        return
    qualifiers = _qualifiers(function, version)
    count = sum(int(function.provisioned[q]["requested"]) for q in qualifiers)
    status, reason = "READY", None
    try:
        await core.engine.provision(function.versions[version].spec, count)
    except InitFailed:
        status, reason = "FAILED", "FUNCTION_ERROR_INIT_FAILURE"
    except Exception as failure:
        log.warning("provisioning %s:%s failed: %s", key[2], version, failure)
        status, reason = "FAILED", str(failure)
    await core.in_thread(_record, core, key, qualifiers, status, reason)


def _record(core: Core, key: Key, qualifiers: list[str], status: str, reason: str | None) -> None:
    with core.store.write() as session:
        for qualifier in qualifiers:
            row = session.get(LambdaAttachment, (*key, qualifier, _KIND))
            if row is not None:
                row.document = {**row.document, "status": status, "reason": reason}
    core.changed(key)


def _shown(core: Core, function: Function, qualifier: str) -> Result:
    config = function.provisioned[qualifier]
    requested, ready = int(config["requested"]), config["status"] == "READY"
    busy = core.slots.running_on(function.key, function.version(qualifier).version)
    result: Result = {
        "RequestedProvisionedConcurrentExecutions": requested,
        "AvailableProvisionedConcurrentExecutions": max(0, requested - busy) if ready else 0,
        "AllocatedProvisionedConcurrentExecutions": requested if ready else 0,
        "Status": config["status"],
        "LastModified": timestamp(config["modified"]),
    }
    if config.get("reason"):
        result["StatusReason"] = config["reason"]
    return result


def _check_published(ref: Ref) -> None:
    if ref.qualifier == LATEST:
        raise errors.invalid("The function resource provided must be an alias or a published version.")
