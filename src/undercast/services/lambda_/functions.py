"""Functions: made, shown, listed and deleted."""

from __future__ import annotations

from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import configuration, downloads, errors, names, rendering
from undercast.services.lambda_.core import Core, all_of, new_revision, now, spec_key
from undercast.services.lambda_.model import Function, Version
from undercast.services.lambda_.names import LATEST, Ref
from undercast.services.lambda_.pages import paged
from undercast.services.lambda_.snapshots import optimise
from undercast.services.lambda_.sources import source
from undercast.services.lambda_.tags import check_count
from undercast.services.lambda_.url_names import withdraw
from undercast.services.lambda_.versions import publish
from undercast.store.tables.lambda_functions import (
    LambdaAlias,
    LambdaAttachment,
    LambdaFunction,
    LambdaVersion,
)


class Functions:
    """CreateFunction, GetFunction, GetFunctionConfiguration, ListFunctions, DeleteFunction."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def create_function(self, call: Call, params: Params) -> Result:
        core = self._core
        ref = Ref(call.account, call.region, names.new_name(call, params["FunctionName"]), None)
        config = configuration.fresh(core, call, ref.name, params)
        tags = dict(params.get("Tags") or {})
        check_count(tags)
        if params.get("CodeSigningConfigArn"):
            raise errors.signing_missing(params["CodeSigningConfigArn"])
        if ref.key in core.directory.functions:
            raise errors.conflict(f"Function already exist: {ref.name}")
        with core.updating(ref), source(core, call, params["Code"]) as code:
            configuration.check_total_size(config, code.unzipped_size)
            with core.store.write() as session:
                if session.get(LambdaFunction, ref.key) is not None:
                    raise errors.conflict(f"Function already exist: {ref.name}")
                row = LambdaFunction(
                    account=ref.account,
                    region=ref.region,
                    name=ref.name,
                    created=now(),
                    next_version=1,
                    tags=tags,
                )
                latest = LambdaVersion(
                    account=ref.account,
                    region=ref.region,
                    name=ref.name,
                    version=LATEST,
                    key=spec_key(ref.key, LATEST),
                    config=config,
                    revision_id=new_revision(),
                    last_modified=now(),
                    code=code.sha256,
                    code_size=code.size,
                    unzipped_size=code.unzipped_size,
                    hot_reload=code.hot_reload,
                )
                session.add_all([row, latest])
                version = publish(session, row, latest).version if params.get("Publish") else LATEST
            function = core.changed(ref.key)
        if function is None:
            raise errors.function_missing(ref.arn)
        optimise(core, function, version)
        return rendering.created(function, function.versions[version])

    def get_function(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        function, version = self._find(ref)
        result: Result = {
            "Configuration": rendering.configuration(function, version, ref.qualifier),
            "Code": {"RepositoryType": "S3", "Location": downloads.location(self._core, call, version)},
        }
        if function.tags:
            result["Tags"] = dict(function.tags)
        if function.reserved is not None:
            result["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
        return result

    def get_function_configuration(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        function, version = self._find(ref)
        return rendering.configuration(function, version, ref.qualifier)

    def list_functions(self, call: Call, params: Params) -> Result:
        functions = self._core.directory.of(call.account, call.region)
        if params.get("FunctionVersion") != "ALL":
            return paged(
                "Functions", functions, lambda f: f.name, lambda f: rendering.listed(f, f.latest), params
            )
        every = [(function, version) for function in functions for version in function.versions.values()]
        return paged(
            "Functions",
            every,
            lambda pair: f"{pair[0].name}:{'' if pair[1].version == LATEST else pair[1].version.zfill(12)}",
            lambda pair: rendering.listed(pair[0], pair[1], pair[1].version),
            params,
        )

    def delete_function(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        if ref.qualifier == LATEST:
            raise errors.invalid("$LATEST version cannot be deleted without deleting the function.")
        function = self._core.directory.functions.get(ref.key)
        if function is None:
            raise errors.function_missing(ref.arn)
        if ref.qualifier:
            self._delete_version(ref)
        else:
            self._delete(ref, function)
        return {"StatusCode": 204}

    def _find(self, ref: Ref) -> tuple[Function, Version]:
        function = self._core.directory.get(ref)
        if not function.exists(ref.qualifier):
            raise errors.function_missing(ref.qualified_arn)
        return function, function.version(ref.qualifier)

    def _delete(self, ref: Ref, function: Function) -> None:
        with self._core.updating(ref):
            with self._core.store.write() as session:
                for table in (LambdaFunction, LambdaVersion, LambdaAlias, LambdaAttachment):
                    for row in all_of(session, table, ref.key):
                        session.delete(row)
            self._core.changed(ref.key)
        self._core.retire("/".join(ref.key) + "/")
        withdraw(self._core, function.urls.values(), ref.region)

    def _delete_version(self, ref: Ref) -> None:
        qualifier = str(ref.qualifier)
        with self._core.updating(ref), self._core.changing:
            function = self._core.directory.get(Ref(*ref.key, None))
            if qualifier in function.aliases:
                raise errors.invalid("Deletion of aliases is not currently supported.")
            version = function.versions.get(qualifier)
            if version is None:
                return  # deleting what is not there is fine with AWS
            using = [a.name for a in function.aliases.values() if qualifier in (a.version, *a.weights)]
            if using:
                raise errors.conflict(
                    "Unable to delete version because the following aliases reference it: "
                    f"[{', '.join(using)}]"
                )
            with self._core.store.write() as session:
                row = session.get(LambdaVersion, (*ref.key, qualifier))
                if row is not None:
                    session.delete(row)
                self._core.detach(session, ref.key, qualifier)
            self._core.changed(ref.key)
        self._core.retire(version.key)
