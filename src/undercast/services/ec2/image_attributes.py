"""Attributes of images: who may launch them, and what they are described as."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2


class ImageAttributes:
    """DescribeImageAttribute, ModifyImageAttribute, ResetImageAttribute and deprecation."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def describe_image_attribute(self, call: Call, params: Params) -> Result:
        dry_run(params)
        with self._estate.change(call.account, call.region) as change:
            record = self._ec2.images.own(change, params["ImageId"])
        shown: dict[str, Any] = {"ImageId": record["ImageId"]}
        match params["Attribute"]:
            case "launchPermission":
                shown["LaunchPermissions"] = record["_Permissions"]
            case "description":
                shown["Description"] = {"Value": record["Description"]}
            case "blockDeviceMapping":
                shown["BlockDeviceMappings"] = record["BlockDeviceMappings"]
            case "productCodes":
                shown["ProductCodes"] = []
            case "sriovNetSupport":
                shown["SriovNetSupport"] = {"Value": record["SriovNetSupport"]}
            case "bootMode":
                shown["BootMode"] = {"Value": record.get("BootMode", "legacy-bios")}
            case "imdsSupport":
                shown["ImdsSupport"] = {"Value": record["ImdsSupport"]} if record.get("ImdsSupport") else {}
            case attribute:
                raise AwsError(
                    "InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid."
                )
        return shown

    def modify_image_attribute(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._ec2.images.own(change, params["ImageId"])
            changes: dict[str, Any] = {}
            if params.get("Description") or params.get("Attribute") == "description":
                asked = params.get("Description") or {}
                changes["Description"] = asked.get("Value") or params.get("Value") or ""
            if params.get("LaunchPermission") or params.get("Attribute") == "launchPermission":
                changes |= _permissions(record, params)
            if params.get("ImdsSupport"):
                changes["ImdsSupport"] = params["ImdsSupport"]["Value"]
            if not changes:
                raise AwsError("InvalidParameterCombination", "No attributes specified.")
            change.put("image", record["ImageId"], {**record, **changes})
        return {}

    def reset_image_attribute(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._ec2.images.own(change, params["ImageId"])
            change.put("image", record["ImageId"], {**record, "_Permissions": [], "Public": False})
        return {}

    def enable_image_deprecation(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._ec2.images.own(change, params["ImageId"])
            when = params["DeprecateAt"].strftime("%Y-%m-%dT%H:%M:00.000Z")
            change.put("image", record["ImageId"], {**record, "DeprecationTime": when})
        return {"Return": True}

    def disable_image_deprecation(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = dict(self._ec2.images.own(change, params["ImageId"]))
            record.pop("DeprecationTime", None)
            change.put("image", record["ImageId"], record)
        return {"Return": True}


def _permissions(record: Record, params: Params) -> dict[str, Any]:
    asked = params.get("LaunchPermission") or {}
    operation = params.get("OperationType")
    grants = [{"UserId": user} for user in params.get("UserIds") or []]
    grants += [{"Group": group} for group in params.get("UserGroups") or []]
    add = list(asked.get("Add") or []) + (grants if operation == "add" else [])
    remove = list(asked.get("Remove") or []) + (grants if operation == "remove" else [])
    for grant in add:
        user = grant.get("UserId")
        if user is not None and not (user.isdigit() and len(user) == 12):
            raise AwsError(
                "InvalidAMIAttributeItemValue", f'Invalid attribute item value "{user}" for userId'
            )
    kept = [grant for grant in record["_Permissions"] if grant not in add + remove]
    permissions = kept + add
    return {"_Permissions": permissions, "Public": {"Group": "all"} in permissions}
