"""The VPC a function is attached to: checked against the account's subnets and security groups."""

from __future__ import annotations

from typing import Any

from undercast.services.base import AwsError, Call
from undercast.services.lambda_ import errors
from undercast.services.lambda_.core import Core


def resolve(core: Core, call: Call, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """The VpcConfig to keep, with its VpcId; None to detach the function. Raises AWS's errors."""
    subnets = list(wanted.get("SubnetIds") or ())
    groups = list(wanted.get("SecurityGroupIds") or ())
    if not subnets and not groups:
        return None
    if not subnets or not groups:
        raise errors.invalid(
            "The Subnets and SecurityGroups of a VpcConfig must both be given, or both be empty."
        )
    found = _describe(core, call, "describe_subnets", "SubnetIds", subnets)["Subnets"]
    _describe(core, call, "describe_security_groups", "GroupIds", groups)
    vpcs = {subnet["VpcId"] for subnet in found}
    if len(vpcs) > 1:
        raise errors.invalid("Security Groups are required to be in the same VPC.")
    return {
        "SubnetIds": subnets,
        "SecurityGroupIds": groups,
        "VpcId": vpcs.pop(),
        "Ipv6AllowedForDualStack": bool(wanted.get("Ipv6AllowedForDualStack")),
    }


def _describe(core: Core, call: Call, operation: str, member: str, ids: list[str]) -> dict[str, Any]:
    """Ask EC2 in the caller's name, and word its refusal as Lambda does."""
    ec2 = core.cloud.services.get("ec2")
    if ec2 is None:
        raise errors.unsupported("VpcConfig without servers", "Start Undercast with servers enabled.")
    action = "".join(part.capitalize() for part in operation.split("_"))
    for resource in ec2.resources:
        method = getattr(resource, operation, None)
        if method is not None:
            try:
                return dict(method(call, {member: ids}))
            except AwsError as error:
                raise errors.invalid(
                    f"Error occurred while {action}. EC2 Error Code: {error.code}. "
                    f"EC2 Error Message: {error.message}"
                ) from error
    raise errors.unsupported("VpcConfig", f"EC2 has no {action} here.")
