"""SnapStart: a published version is `Pending` until its initialised process can be forked from."""

from __future__ import annotations

import logging

from undercast.functions.function import InitFailed, SnapshotRefused
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.model import Function, Key, Version
from undercast.store.tables.lambda_functions import LambdaVersion

log = logging.getLogger(__name__)


def optimise(core: Core, function: Function, version: str) -> None:
    """Begin to make the snapshot of a freshly published version, if it is to have one."""
    found = function.versions.get(version)
    if found is not None and found.spec.snap_start and found.state == "Pending":
        core.background(_snapshot(core, function.key, found))


def resume(core: Core) -> None:
    """After a start: snapshots are processes and died with the server, so they are made anew."""
    for function in core.directory.functions.values():
        for version in function.versions.values():
            if version.spec.snap_start and version.state in ("Pending", "Active"):
                core.background(_snapshot(core, function.key, version))


async def _snapshot(core: Core, key: Key, version: Version) -> None:
    reason = code = None
    try:
        await core.engine.snapshot(version.spec)
        state = "Active"
    except (InitFailed, SnapshotRefused) as refusal:
        state, reason, code = "Failed", str(refusal), "FunctionError"
    except Exception as failure:
        log.exception("snapshot of %s:%s failed", key[2], version.version)
        state, reason, code = "Failed", f"The snapshot could not be made: {failure}", "InternalError"
    if (state, reason) != (version.state, version.state_reason):
        await core.in_thread(_record, core, key, version.version, state, reason, code)


def _record(core: Core, key: Key, version: str, state: str, reason: str | None, code: str | None) -> None:
    with core.store.write() as session:
        row = session.get(LambdaVersion, (*key, version))
        if row is not None:
            row.state, row.state_reason, row.state_reason_code = state, reason, code
    core.changed(key)
