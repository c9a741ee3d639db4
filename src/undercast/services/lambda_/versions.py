"""Published versions: frozen copies of `$LATEST`."""

from __future__ import annotations

from sqlalchemy.orm import Session

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors, names, rendering
from undercast.services.lambda_.code import base64_sha256
from undercast.services.lambda_.core import Core, new_revision, now, row_of, spec_key, version_row
from undercast.services.lambda_.names import LATEST, Ref
from undercast.services.lambda_.pages import paged
from undercast.services.lambda_.snapshots import optimise
from undercast.store.tables.lambda_functions import LambdaFunction, LambdaVersion


def publish(
    session: Session, function: LambdaFunction, latest: LambdaVersion, description: str | None = None
) -> LambdaVersion:
    """Publish `$LATEST`, inside the caller's transaction.

    Nothing having changed since the last time, that version is the answer, as on AWS.
    """
    key = (function.account, function.region, function.name)
    if function.published_key == latest.key:
        last = session.get(LambdaVersion, (*key, str(function.next_version - 1)))
        if last is not None:
            return last
    number = str(function.next_version)
    config = dict(latest.config)
    if description is not None:
        config["Description"] = description
    snap_start = config["SnapStart"]["ApplyOn"] == "PublishedVersions"
    version = LambdaVersion(
        account=function.account,
        region=function.region,
        name=function.name,
        version=number,
        key=spec_key(key, number),
        config=config,
        revision_id=new_revision(),
        last_modified=now(),
        code=latest.code,
        code_size=latest.code_size,
        unzipped_size=latest.unzipped_size,
        hot_reload=latest.hot_reload,
        state="Pending" if snap_start else "Active",
        state_reason=errors.CREATING if snap_start else None,
        state_reason_code="Creating" if snap_start else None,
    )
    session.add(version)
    function.next_version += 1
    function.published_key = latest.key
    return version


class Versions:
    """PublishVersion and ListVersionsByFunction."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def publish_version(self, call: Call, params: Params) -> Result:
        core = self._core
        ref = names.parse(call, params["FunctionName"])
        core.directory.get(Ref(*ref.key, None))
        with core.updating(ref):
            with core.store.write() as session:
                latest = version_row(session, ref)
                if params.get("RevisionId") not in (None, "", latest.revision_id):
                    raise errors.stale_revision()
                current = base64_sha256(latest.code, latest.hot_reload)
                wanted = params.get("CodeSha256")
                if wanted and wanted != current and latest.hot_reload is None:
                    raise errors.invalid(
                        f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({current}). "
                        "Please try again with the CodeSHA256 in $LATEST."
                    )
                row = row_of(session, ref)
                before = row.next_version
                version = publish(session, row, latest, params.get("Description"))
                fresh = row.next_version != before
                if fresh:
                    latest.revision_id = new_revision()  # AWS counts publishing as a change of $LATEST
            function = core.changed(ref.key) or core.directory.get(ref)
        if not fresh:
            return rendering.configuration(function, function.versions[version.version], version.version)
        optimise(core, function, version.version)
        return rendering.created(function, function.versions[version.version], version.version)

    def list_versions_by_function(self, call: Call, params: Params) -> Result:
        function = self._core.directory.get(names.parse(call, params["FunctionName"]))
        return paged(
            "Versions",
            list(function.versions.values()),
            lambda version: "" if version.version == LATEST else version.version.zfill(12),
            lambda version: rendering.listed(function, version, version.version),
            params,
        )
