"""What a launch asks for: the request's own parameters over those of a launch template, checked."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params
from undercast.services.ec2.catalogue import InstanceType, instance_type
from undercast.services.ec2.estate import Change, Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

USER_DATA_LIMIT = 16384

# Parameters that name things this cloud does not have.
_UNSUPPORTED = {
    "KernelId": "Kernels of one's own (KernelId)",
    "RamdiskId": "RAM disks of one's own (RamdiskId)",
    "ElasticGpuSpecification": "Elastic Graphics",
    "ElasticInferenceAccelerators": "Elastic Inference",
    "LicenseSpecifications": "License configurations",
    "EnablePrimaryIpv6": "Primary IPv6 addresses (EnablePrimaryIpv6)",
    "InstanceRequirements": "Attribute-based instance type selection (InstanceRequirements)",
}


def with_template(ec2: Ec2, change: Change, params: Params) -> Params:
    """The parameters with those of the launch template beneath them."""
    named = params.get("LaunchTemplate")
    if not named:
        return params
    version = ec2.launch_templates.version(change, named)
    data = dict(version["LaunchTemplateData"])
    merged = {**data, **{name: value for name, value in params.items() if value is not None}}
    if data.get("BlockDeviceMappings") and params.get("BlockDeviceMappings"):
        own = {mapping["DeviceName"]: mapping for mapping in data["BlockDeviceMappings"]}
        own |= {mapping["DeviceName"]: mapping for mapping in params["BlockDeviceMappings"]}
        merged["BlockDeviceMappings"] = list(own.values())
    if data.get("TagSpecifications") and params.get("TagSpecifications"):
        merged["TagSpecifications"] = _merged_tags(data["TagSpecifications"], params["TagSpecifications"])
    if data.get("NetworkInterfaces") and (params.get("SubnetId") or params.get("SecurityGroupIds")):
        merged["NetworkInterfaces"] = _on_first_interface(data["NetworkInterfaces"], params)
        for name in ("SubnetId", "SecurityGroupIds"):
            merged.pop(name, None)
    merged["_Template"] = (version["LaunchTemplateId"], str(version["VersionNumber"]))
    return merged


def _merged_tags(below: list[dict[str, Any]], above: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds: dict[str, dict[str, str]] = {}
    for specification in [*below, *above]:
        tags = kinds.setdefault(specification["ResourceType"], {})
        tags |= {tag["Key"]: tag.get("Value", "") for tag in specification.get("Tags") or []}
    return [
        {"ResourceType": kind, "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        for kind, tags in kinds.items()
    ]


def _on_first_interface(interfaces: list[dict[str, Any]], params: Params) -> list[dict[str, Any]]:
    first = dict(interfaces[0])
    if params.get("SubnetId"):
        first["SubnetId"] = params["SubnetId"]
    if params.get("SecurityGroupIds"):
        first["Groups"] = params["SecurityGroupIds"]
    return [first, *interfaces[1:]]


def check(params: Params) -> None:
    """Refuse what cannot be, or is not here."""
    low, high = params["MinCount"], params["MaxCount"]
    if low < 1:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({low}) for parameter minCount is invalid. Minimum count allowed: 1",
        )
    if high < low:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({high}) for parameter maxCount is invalid. Maximum count must not be smaller than "
            f"minimum count: {low}",
        )
    for name, words in _UNSUPPORTED.items():
        if params.get(name):
            raise AwsError("UnsupportedOperation", f"{words} are not supported by Undercast.")
    if (params.get("EnclaveOptions") or {}).get("Enabled"):
        raise AwsError("UnsupportedOperation", "Nitro Enclaves are not supported by Undercast.")
    if (params.get("CapacityReservationSpecification") or {}).get("CapacityReservationTarget"):
        raise AwsError("UnsupportedOperation", "Capacity Reservations are not supported by Undercast.")
    behaviour = params.get("InstanceInitiatedShutdownBehavior") or "stop"
    if behaviour not in ("stop", "terminate"):
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({behaviour}) for parameter instanceInitiatedShutdownBehavior is invalid. "
            "Expected: 'stop' or 'terminate'.",
        )


def user_data(params: Params) -> bytes | None:
    """The decoded user data."""
    text = params.get("UserData")
    if not text:
        return None
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise AwsError("InvalidParameterValue", "Invalid BASE64 encoding of user data.") from None
    if len(data) > USER_DATA_LIMIT:
        raise AwsError("InvalidParameterValue", "User data is limited to 16384 bytes")
    return data


def kind_for(params: Params, image: Record) -> InstanceType:
    """The instance type, which has to be of the image's architecture."""
    kind = instance_type(params.get("InstanceType") or "m1.small")
    if image["Architecture"] not in kind.architectures:
        raise AwsError(
            "InvalidParameterValue",
            f"The architecture '{','.join(kind.architectures)}' of the specified instance type does not "
            f"match the architecture '{image['Architecture']}' of the specified AMI. Specify an instance "
            "type and an AMI that have matching architectures, and try again. You can use "
            "'describe-instance-types' or 'describe-images' to discover the architecture of the instance "
            "type or AMI.",
        )
    return kind


def cpu_options(params: Params, kind: InstanceType) -> dict[str, Any]:
    """Cores and threads per core: the type's, or valid ones that were asked for."""
    described = kind.described["VCpuInfo"]
    asked = params.get("CpuOptions") or {}
    cores = asked.get("CoreCount") or described["DefaultCores"]
    threads = asked.get("ThreadsPerCore") or described["DefaultThreadsPerCore"]
    if asked.get("CoreCount") and cores not in described.get("ValidCores", [cores]):
        raise AwsError(
            "InvalidParameterValue", f"CpuOptions.CoreCount must be a supported value for {kind.name}."
        )
    if asked.get("ThreadsPerCore") and threads not in described.get("ValidThreadsPerCore", [threads]):
        raise AwsError(
            "InvalidParameterValue", f"CpuOptions.ThreadsPerCore must be a supported value for {kind.name}."
        )
    return {"CoreCount": cores, "ThreadsPerCore": threads}


def metadata_options(asked: dict[str, Any] | None, image: Record) -> dict[str, Any]:
    """The metadata service's settings. An image marked for it has version 2 required."""
    required = image.get("ImdsSupport") == "v2.0"
    chosen = {
        "State": "applied",
        "HttpTokens": "required" if required else "optional",
        "HttpPutResponseHopLimit": 2 if required else 1,
        "HttpEndpoint": "enabled",
        "HttpProtocolIpv6": "disabled",
        "InstanceMetadataTags": "disabled",
    }
    return chosen | checked_metadata(asked or {})


def checked_metadata(asked: dict[str, Any]) -> dict[str, Any]:
    """Settings of the metadata service that a caller gave, without those that were left out."""
    allowed = {
        "HttpTokens": ("optional", "required"),
        "HttpEndpoint": ("enabled", "disabled"),
        "HttpProtocolIpv6": ("enabled", "disabled"),
        "InstanceMetadataTags": ("enabled", "disabled"),
    }
    given = {
        name: asked[name] for name in (*allowed, "HttpPutResponseHopLimit") if asked.get(name) is not None
    }
    for name, values in allowed.items():
        if name in given and given[name] not in values:
            raise AwsError("InvalidParameterValue", f"Value ({given[name]}) for parameter {name} is invalid.")
    limit = given.get("HttpPutResponseHopLimit")
    if limit is not None and not 1 <= limit <= 64:
        raise AwsError(
            "InvalidParameterValue",
            f"Value ({limit}) for parameter HttpPutResponseHopLimit is invalid. It must be between 1 and 64.",
        )
    return given


def hibernation(params: Params, kind: InstanceType) -> bool:
    """Whether the instance may be hibernated."""
    wanted = bool((params.get("HibernationOptions") or {}).get("Configured"))
    if wanted and not kind.hibernation:
        raise AwsError(
            "UnsupportedHibernationConfiguration",
            f"Hibernation is not supported for the instance type {kind.name}.",
        )
    return wanted


def cpu_credits(params: Params, kind: InstanceType) -> str | None:
    """The credit option of a burstable instance."""
    asked = (params.get("CreditSpecification") or {}).get("CpuCredits")
    if asked and not kind.burstable:
        raise AwsError(
            "InvalidParameterCombination",
            f"The T2/T3 unlimited credit option is not supported for the instance type {kind.name}.",
        )
    if asked and asked not in ("standard", "unlimited"):
        raise AwsError("InvalidParameterValue", f"Value ({asked}) for parameter CpuCredits is invalid.")
    if not kind.burstable:
        return None
    return asked or ("standard" if kind.family == "t2" else "unlimited")


def profile(ec2: Ec2, call: Call, params: Params) -> dict[str, str] | None:
    """The instance profile as instances show it, or AWS's error when it does not exist."""
    asked = params.get("IamInstanceProfile") or {}
    return ec2.profiles.find(call.account, asked) if asked.get("Arn") or asked.get("Name") else None
