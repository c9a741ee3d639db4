"""How functions look in answers."""

from __future__ import annotations

from typing import Any

from undercast.functions.entry import runtime_version_arn
from undercast.services.base import Result
from undercast.services.lambda_.code import base64_sha256
from undercast.services.lambda_.core import timestamp
from undercast.services.lambda_.errors import CREATING
from undercast.services.lambda_.model import Function, Version

_NOT_LISTED = (
    "State",
    "StateReason",
    "StateReasonCode",
    "LastUpdateStatus",
    "LastUpdateStatusReason",
    "LastUpdateStatusReasonCode",
    "RuntimeVersionConfig",
)
_COPIED = ("VpcConfig", "DeadLetterConfig", "KMSKeyArn", "TenancyConfig")


def configuration(function: Function, version: Version, qualifier: str | None = None) -> Result:
    """The FunctionConfiguration of a version, under the ARN the caller asked for."""
    config = version.config
    result: dict[str, Any] = {
        "FunctionName": function.name,
        "FunctionArn": f"{function.arn}:{qualifier}" if qualifier else function.arn,
        "Runtime": config["Runtime"],
        "Role": config["Role"],
        "Handler": config["Handler"],
        "CodeSize": version.code_size,
        "Description": config["Description"],
        "Timeout": config["Timeout"],
        "MemorySize": config["MemorySize"],
        "LastModified": timestamp(version.last_modified),
        "CodeSha256": base64_sha256(version.code, version.hot_reload),
        "Version": version.version,
        "TracingConfig": config["TracingConfig"],
        "RevisionId": version.revision_id,
        "State": version.state,
        "LastUpdateStatus": "Successful",
        "PackageType": "Zip",
        "Architectures": config["Architectures"],
        "EphemeralStorage": config["EphemeralStorage"],
        "SnapStart": {
            "ApplyOn": config["SnapStart"]["ApplyOn"],
            "OptimizationStatus": "On" if version.spec.snap_start and version.state == "Active" else "Off",
        },
        "RuntimeVersionConfig": {
            "RuntimeVersionArn": runtime_version_arn(function.region, config["Runtime"])
        },
        "LoggingConfig": config["LoggingConfig"],
    }
    for member in _COPIED:
        if config.get(member):
            result[member] = config[member]
    if config.get("Environment"):
        result["Environment"] = {"Variables": config["Environment"]}
    if config.get("Layers"):
        result["Layers"] = [
            {"Arn": layer["Arn"], "CodeSize": layer["CodeSize"]} for layer in config["Layers"]
        ]
    if version.state_reason:
        result["StateReason"] = version.state_reason
        result["StateReasonCode"] = version.state_reason_code
    if version.state == "Pending":
        del result["LastUpdateStatus"]
    return result


def created(function: Function, version: Version, qualifier: str | None = None) -> Result:
    """As CreateFunction and PublishVersion answer: the work has only begun."""
    result = configuration(function, version, qualifier)
    result.pop("LastUpdateStatus", None)
    result.update(State="Pending", StateReason=CREATING, StateReasonCode="Creating")
    return result


def updated(function: Function, version: Version, qualifier: str | None = None) -> Result:
    """As the updates answer."""
    result = configuration(function, version, qualifier)
    result.update(
        LastUpdateStatus="InProgress",
        LastUpdateStatusReason=CREATING,
        LastUpdateStatusReasonCode="Creating",
    )
    return result


def listed(function: Function, version: Version, qualifier: str | None = None) -> Result:
    """As the lists show it: without what takes AWS a second look."""
    result = configuration(function, version, qualifier)
    for member in _NOT_LISTED:
        result.pop(member, None)
    return result
