"""Small settings of a function: runtime updates, loop detection, code signing."""

from __future__ import annotations

from undercast.functions.entry import runtime_version_arn
from undercast.services.base import Call, Params, Result
from undercast.services.lambda_ import errors, names
from undercast.services.lambda_.core import Core, row_of
from undercast.services.lambda_.model import Function
from undercast.services.lambda_.names import LATEST, Ref


class RuntimeManagement:
    """Get- and PutRuntimeManagementConfig. There is one version of each runtime here, so modes only differ
    in what they are called."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get_runtime_management_config(self, call: Call, params: Params) -> Result:
        ref, function = self._find(call, params)
        qualifier = ref.qualifier or LATEST
        return self._shown(ref, function, qualifier)

    def put_runtime_management_config(self, call: Call, params: Params) -> Result:
        ref, function = self._find(call, params)
        qualifier = ref.qualifier or LATEST
        mode, arn = params["UpdateRuntimeOn"], params.get("RuntimeVersionArn")
        if mode == "Manual" and not arn:
            raise errors.invalid("RuntimeVersionArn is required when UpdateRuntimeOn is Manual.")
        if mode != "Manual" and arn:
            raise errors.invalid("RuntimeVersionArn can only be given when UpdateRuntimeOn is Manual.")
        if arn and arn != self._current(ref, function):
            raise errors.unsupported(
                f"Runtime version {arn}", f"The one there is: {self._current(ref, function)}."
            )
        document = {"mode": mode, "arn": arn}
        with self._core.store.write() as session:
            self._core.attach(session, ref.key, qualifier, "runtime-management", document)
        function = self._core.changed(ref.key) or function
        return self._shown(ref, function, qualifier)

    def _find(self, call: Call, params: Params) -> tuple[Ref, Function]:
        ref = names.parse(call, params["FunctionName"], params.get("Qualifier"))
        function = self._core.directory.get(ref)
        if ref.qualifier and ref.qualifier not in function.versions:
            raise errors.function_missing(ref.qualified_arn)
        return ref, function

    @staticmethod
    def _current(ref: Ref, function: Function) -> str:
        return runtime_version_arn(ref.region, function.version(ref.qualifier).config["Runtime"])

    def _shown(self, ref: Ref, function: Function, qualifier: str) -> Result:
        config = function.runtime_management.get(qualifier, {"mode": "Auto", "arn": None})
        arn = function.arn if qualifier == LATEST else f"{function.arn}:{qualifier}"
        result: Result = {"UpdateRuntimeOn": config["mode"], "FunctionArn": arn}
        if config["arn"]:
            result["RuntimeVersionArn"] = config["arn"]
        return result


class Recursion:
    """Get- and PutFunctionRecursionConfig."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get_function_recursion_config(self, call: Call, params: Params) -> Result:
        function = self._core.directory.get(names.parse(call, params["FunctionName"]))
        return {"RecursiveLoop": function.recursive_loop}

    def put_function_recursion_config(self, call: Call, params: Params) -> Result:
        ref = names.parse(call, params["FunctionName"])
        self._core.directory.get(ref)
        with self._core.store.write() as session:
            row_of(session, ref).recursive_loop = params["RecursiveLoop"]
        self._core.changed(ref.key)
        return {"RecursiveLoop": params["RecursiveLoop"]}


class CodeSigning:
    """What there is to say about code signing where there are no signing profiles: no function has one."""

    def __init__(self, core: Core) -> None:
        self._core = core

    def get_function_code_signing_config(self, call: Call, params: Params) -> Result:
        self._core.directory.get(names.parse(call, params["FunctionName"]))
        return {}

    def delete_function_code_signing_config(self, call: Call, params: Params) -> Result:
        self._core.directory.get(names.parse(call, params["FunctionName"]))
        return {}

    def put_function_code_signing_config(self, call: Call, params: Params) -> Result:
        raise errors.signing_missing(params["CodeSigningConfigArn"])

    def list_code_signing_configs(self, call: Call, params: Params) -> Result:
        return {"CodeSigningConfigs": []}

    def create_code_signing_config(self, call: Call, params: Params) -> Result:
        raise errors.unsupported(
            "CreateCodeSigningConfig", "There are no signing profiles to verify code with."
        )

    def get_code_signing_config(self, call: Call, params: Params) -> Result:
        raise _unknown(params)

    def update_code_signing_config(self, call: Call, params: Params) -> Result:
        raise _unknown(params)

    def delete_code_signing_config(self, call: Call, params: Params) -> Result:
        raise _unknown(params)

    def list_functions_by_code_signing_config(self, call: Call, params: Params) -> Result:
        raise _unknown(params)


def _unknown(params: Params) -> Exception:
    return errors.missing(
        f"The Lambda code signing configuration {params['CodeSigningConfigArn']} can not be found."
    )
