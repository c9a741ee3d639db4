"""A function's configuration: checked, completed with AWS's defaults, merged on updates."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

import orjson

from undercast.services.base import Call, Params
from undercast.services.lambda_ import errors, limits, runtimes
from undercast.services.lambda_.core import Core
from undercast.services.lambda_.destinations import check_dead_letter
from undercast.services.lambda_.layers import resolve as resolve_layers
from undercast.services.lambda_.vpc import resolve as resolve_vpc

Config = dict[str, Any]

_MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())

# The variables Lambda sets itself: https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
_RESERVED = frozenset(
    {
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_DEFAULT_REGION",
        "AWS_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_LAMBDA_RUNTIME_API",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
    }
)

_UNSUPPORTED = {
    "FileSystemConfigs": "Package the files in the code or a layer, or use /tmp.",
    "CapacityProviderConfig": "Functions run on this machine's own capacity.",
    "DurableConfig": "Leave DurableConfig out.",
    "TenancyConfig": "Leave TenancyConfig out, or create a function per tenant.",
    "RuntimeConfig": "Name a runtime with Runtime.",
    "AcceleratorConfig": "Leave AcceleratorConfig out.",
    "KMSKeyArn": "Variables are kept in the data folder, readable by its owner alone; leave KMSKeyArn out.",
    "PublishTo": "Use Publish.",
}


def fresh(core: Core, call: Call, name: str, params: Params) -> Config:
    """The configuration of a new function. Raises AWS's errors."""
    _refuse_unsupported(params)
    if params.get("PackageType") == "Image" or params["Code"].get("ImageUri"):
        raise errors.unsupported(
            "PackageType Image", "Create the function from a .zip archive (PackageType Zip, Code.ZipFile)."
        )
    if not params.get("Runtime") or not params.get("Handler"):
        raise errors.invalid(
            "Runtime and Handler are mandatory parameters for functions created with deployment packages."
        )
    config: Config = {
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "TracingConfig": {"Mode": "PassThrough"},
        "Architectures": ["x86_64"] if _MACHINE != "arm64" else ["arm64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    }
    _merge(core, call, name, config, params)
    return config


def changed(core: Core, call: Call, name: str, old: Mapping[str, Any], params: Params) -> Config:
    """The configuration after an update: what the caller left out stays. Raises AWS's errors."""
    _refuse_unsupported(params)
    config = dict(old)
    _merge(core, call, name, config, params)
    return config


def set_architecture(config: Config, architectures: list[str]) -> None:
    """Take over an architecture this machine can run. Raises AWS's errors."""
    wanted = architectures[0]
    if wanted != _MACHINE:
        raise errors.unsupported(
            f"Architecture {wanted}", f"This machine is {_MACHINE}: code for {wanted} cannot run on it."
        )
    config["Architectures"] = [wanted]


def check_total_size(config: Mapping[str, Any], unzipped_size: int) -> None:
    """Refuse code and layers that are too large together."""
    total = unzipped_size + sum(layer["unzipped"] for layer in config.get("Layers", ()))
    if total >= limits.UNZIPPED:
        raise errors.invalid(
            "Function code combined with layers exceeds the maximum allowed size of "
            f"{limits.UNZIPPED} bytes. The actual size is {total} bytes."
        )


def _refuse_unsupported(params: Params) -> None:
    for member, instead in _UNSUPPORTED.items():
        if params.get(member):
            raise errors.unsupported(member, instead)
    if any((params.get("ImageConfig") or {}).values()):
        raise errors.invalid("Please don't provide ImageConfig when using a function with packageType Zip.")


def _merge(core: Core, call: Call, name: str, config: Config, params: Params) -> None:
    for member, most in (("Timeout", limits.TIMEOUT_S), ("MemorySize", limits.MEMORY_MB)):
        if params.get(member, 0) > most:
            field = member[0].lower() + member[1:]
            raise errors.validation(
                params[member], field, f"Member must have value less than or equal to {most}"
            )
    for member in ("Runtime", "Handler", "Description", "Timeout", "MemorySize", "Role"):
        if member in params:
            config[member] = params[member]
    if "Runtime" in params:
        runtimes.check(config["Runtime"])
        check_runnable(core, config["Runtime"])
    if "Environment" in params:
        config["Environment"] = _variables(params["Environment"].get("Variables") or {})
    if "TracingConfig" in params:
        config["TracingConfig"] = {"Mode": params["TracingConfig"].get("Mode") or "PassThrough"}
    if "EphemeralStorage" in params:
        config["EphemeralStorage"] = _storage(params["EphemeralStorage"]["Size"])
    if params.get("Architectures"):
        set_architecture(config, params["Architectures"])
    if "LoggingConfig" in params:
        config["LoggingConfig"] = _logging(config["LoggingConfig"], params["LoggingConfig"])
    if "DeadLetterConfig" in params:
        target = params["DeadLetterConfig"].get("TargetArn") or ""
        check_dead_letter(core, call, target)
        config["DeadLetterConfig"] = {"TargetArn": target} if target else None
    if "SnapStart" in params:
        config["SnapStart"] = {"ApplyOn": params["SnapStart"].get("ApplyOn") or "None"}
    if config["SnapStart"]["ApplyOn"] == "PublishedVersions":
        _check_snap_start(config)
    if "Layers" in params:
        config["Layers"] = resolve_layers(core, call, params["Layers"])
    if "VpcConfig" in params:
        config["VpcConfig"] = resolve_vpc(core, call, params["VpcConfig"])
    if "Role" in params:
        core.cloud.iam.check_service_role(call.account, params["Role"], "lambda.amazonaws.com")


def check_runnable(core: Core, runtime: str) -> None:
    """Refuse, by name, a runtime this machine cannot run."""
    problem = core.runtime_problem(runtime)
    if problem is not None:
        raise errors.unsupported(f"Runtime {runtime}", problem)


def _variables(variables: Mapping[str, str]) -> dict[str, str]:
    reserved = [name for name in variables if name in _RESERVED]
    if reserved:
        raise errors.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you "
            "have provided contains reserved keys that are currently not supported for modification. "
            f"Reserved keys used in this request: {', '.join(reserved)}"
        )
    measured = orjson.dumps(variables)
    if len(measured) > limits.ENVIRONMENT:
        raise errors.invalid(
            "Lambda was unable to configure your environment variables because the environment variables you "
            f"have provided exceeded the 4KB limit. String measured: {measured.decode()}"
        )
    return dict(variables)


def _storage(size: int) -> dict[str, int]:
    if size > limits.EPHEMERAL_MB:
        raise errors.validation(
            size,
            "ephemeralStorage.size",
            f"Member must have value less than or equal to {limits.EPHEMERAL_MB}",
        )
    return {"Size": size}


def _logging(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    format = new.get("LogFormat") or old["LogFormat"]
    result = {"LogFormat": format, "LogGroup": new.get("LogGroup") or old["LogGroup"]}
    for member in ("ApplicationLogLevel", "SystemLogLevel"):
        if format == "JSON":
            result[member] = new.get(member) or old.get(member) or "INFO"
        elif new.get(member):
            raise errors.invalid(
                f"{member} can't be set when LogFormat is Text. Set LogFormat to JSON to use log levels."
            )
    return result


def _check_snap_start(config: Config) -> None:
    runtimes.check_snap_start(config["Runtime"])
    if config["EphemeralStorage"]["Size"] > 512:
        raise errors.invalid("SnapStart supports functions with an ephemeral storage of up to 512 MB.")
