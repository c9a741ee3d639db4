"""Changes of a function's code and configuration."""

from __future__ import annotations

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import configuration, errors, names, rendering
from undercast.services.lambda_.core import Core, new_revision, now, row_of, spec_key, version_row
from undercast.services.lambda_.names import LATEST, Ref
from undercast.services.lambda_.snapshots import optimise
from undercast.services.lambda_.sources import source
from undercast.services.lambda_.versions import publish
from undercast.store.tables.lambda_functions import LambdaVersion


def _latest(call: Call, params: Params) -> Ref:
    """The function a call changes. Raises AWS's error for a version or an alias: those do not change."""
    ref = names.parse(call, params["FunctionName"])
    if ref.qualifier not in (None, LATEST):
        raise errors.invalid(
            "Current operation does not support versions other than $LATEST. "
            "Please set the version to $LATEST or do not set a version in your request."
        )
    return Ref(*ref.key, None)


class Updates:
    """UpdateFunctionCode and UpdateFunctionConfiguration."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def update_function_code(self, call: Call, params: Params) -> Result:
        core = self._core
        ref = _latest(call, params)
        core.directory.get(ref)
        if params.get("ImageUri"):
            raise errors.invalid(
                "Please don't provide ImageUri when updating a function with packageType Zip."
            )
        if params.get("PublishTo"):
            raise errors.unsupported("PublishTo", "Use Publish.")
        replaced, version = "", LATEST
        with core.updating(ref), source(core, call, params) as code:
            function = core.directory.get(ref)
            self._check_revision(params, function.latest.revision_id)
            config = dict(function.latest.config)
            if params.get("Architectures"):
                configuration.set_architecture(config, params["Architectures"])
            configuration.check_total_size(config, code.unzipped_size)
            if not params.get("DryRun"):
                with core.store.write() as session:
                    latest = version_row(session, ref)
                    self._check_revision(params, latest.revision_id)
                    replaced = latest.key
                    latest.code, latest.code_size = code.sha256, code.size
                    latest.unzipped_size, latest.hot_reload = code.unzipped_size, code.hot_reload
                    self._touch(latest, ref, config)
                    if params.get("Publish"):
                        version = publish(session, row_of(session, ref), latest).version
                core.changed(ref.key)
        return self._done(ref, replaced, version)

    def update_function_configuration(self, call: Call, params: Params) -> Result:
        core = self._core
        ref = _latest(call, params)
        core.directory.get(ref)
        with core.updating(ref):
            function = core.directory.get(ref)
            self._check_revision(params, function.latest.revision_id)
            config = configuration.changed(core, call, ref.name, function.latest.config, params)
            configuration.check_total_size(config, function.latest.unzipped_size)
            with core.store.write() as session:
                latest = version_row(session, ref)
                self._check_revision(params, latest.revision_id)
                replaced = latest.key
                self._touch(latest, ref, config)
            core.changed(ref.key)
        return self._done(ref, replaced, LATEST)

    def _touch(self, latest: LambdaVersion, ref: Ref, config: configuration.Config) -> None:
        latest.config = config
        latest.key = spec_key(ref.key, LATEST)
        latest.revision_id = new_revision()
        latest.last_modified = now()

    def _done(self, ref: Ref, replaced: str, version: str) -> Result:
        function = self._core.directory.get(ref)
        if replaced:
            self._core.retire(replaced)
        optimise(self._core, function, version)
        qualifier = version if version != LATEST else None
        return rendering.updated(function, function.versions[version], qualifier)

    @staticmethod
    def _check_revision(params: Params, revision_id: str) -> None:
        if params.get("RevisionId") not in (None, "", revision_id):
            raise errors.stale_revision()
