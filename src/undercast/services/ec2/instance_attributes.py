"""Attributes of instances: described, modified, reset."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2 import launch_request
from undercast.services.ec2.attachments import of_instance, same_device
from undercast.services.ec2.catalogue import instance_type
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

# Attributes with a value, by the name the older form of the request uses.
_MEMBERS = {
    "instanceType": "InstanceType",
    "userData": "UserData",
    "disableApiTermination": "DisableApiTermination",
    "disableApiStop": "DisableApiStop",
    "instanceInitiatedShutdownBehavior": "InstanceInitiatedShutdownBehavior",
    "sourceDestCheck": "SourceDestCheck",
    "ebsOptimized": "EbsOptimized",
    "enaSupport": "EnaSupport",
    "sriovNetSupport": "SriovNetSupport",
    "kernel": "Kernel",
    "ramdisk": "Ramdisk",
}
_ONLY_STOPPED = {"InstanceType": "instanceType", "UserData": "userData", "EbsOptimized": "ebsOptimized"}


class InstanceAttributes:
    """Describing, modifying and resetting attributes, and the options beside them."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def describe_instance_attribute(self, call: Call, params: Params) -> Result:
        dry_run(params)
        with self._estate.change(call.account, call.region) as change:
            record = self._ec2.instances.named(change, [params["InstanceId"]])[0]
        view = self._ec2.instances.views(call.account, call.region, [record])[0]
        shown: dict[str, Any] = {"InstanceId": record["InstanceId"]}
        match params["Attribute"]:
            case "instanceType":
                shown["InstanceType"] = {"Value": record["InstanceType"]}
            case "userData":
                data = base64.b64encode(record["_UserData"] or b"").decode()
                shown["UserData"] = {"Value": data} if data else {}
            case "disableApiTermination":
                shown["DisableApiTermination"] = {"Value": record["_DisableApiTermination"]}
            case "disableApiStop":
                shown["DisableApiStop"] = {"Value": record["_DisableApiStop"]}
            case "instanceInitiatedShutdownBehavior":
                shown["InstanceInitiatedShutdownBehavior"] = {"Value": record["_ShutdownBehaviour"]}
            case "rootDeviceName":
                shown["RootDeviceName"] = {"Value": record["RootDeviceName"]}
            case "blockDeviceMapping":
                shown["BlockDeviceMappings"] = view["BlockDeviceMappings"]
            case "groupSet":
                shown["Groups"] = view["SecurityGroups"]
            case "sourceDestCheck":
                shown["SourceDestCheck"] = {"Value": view.get("SourceDestCheck", True)}
            case "ebsOptimized":
                shown["EbsOptimized"] = {"Value": record["EbsOptimized"]}
            case "enaSupport":
                shown["EnaSupport"] = {"Value": True}
            case "sriovNetSupport":
                shown["SriovNetSupport"] = {"Value": "simple"}
            case "productCodes":
                shown["ProductCodes"] = []
            case "enclaveOptions":
                shown["EnclaveOptions"] = {"Enabled": False}
            case "kernel":
                shown["KernelId"] = {}
            case "ramdisk":
                shown["RamdiskId"] = {}
            case attribute:
                raise AwsError(
                    "InvalidParameterValue", f"Value ({attribute}) for parameter attribute is invalid."
                )
        return shown

    def modify_instance_attribute(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._ec2.instances.named(change, [params["InstanceId"]])[0]
            asked = _asked(params)
            if len(asked) != 1:
                text = (
                    "No attributes specified."
                    if not asked
                    else "Fields for multiple attribute types specified"
                )
                raise AwsError("InvalidParameterCombination", text)
            name, value = next(iter(asked.items()))
            self._modify(change, record, name, value)
        return {}

    def _modify(self, change: Change, record: Record, name: str, value: Any) -> None:
        instance_id = record["InstanceId"]
        if name in _ONLY_STOPPED and states.name(record) != "stopped":
            raise AwsError(
                "IncorrectInstanceState", f"The instance '{instance_id}' is not in the 'stopped' state."
            )
        match name:
            case "InstanceType":
                after = self._other_type(record, value)
            case "UserData":
                data = launch_request.user_data({"UserData": value}) if isinstance(value, str) else value
                after = {**record, "_UserData": data}
            case "DisableApiTermination" | "DisableApiStop":
                after = {**record, f"_{name}": bool(value)}
            case "InstanceInitiatedShutdownBehavior":
                launch_request.check({"MinCount": 1, "MaxCount": 1, name: value})
                after = {**record, "_ShutdownBehaviour": value}
            case "EbsOptimized":
                after = {**record, "EbsOptimized": bool(value)}
            case "BlockDeviceMappings":
                self._modify_disks(change, record, value)
                return
            case "SourceDestCheck":
                self._ec2.network_interfaces.set_source_dest_check(change, instance_id, bool(value))
                return
            case "Groups":
                self._ec2.network_interfaces.set_groups(change, instance_id, value)
                return
            case "EnaSupport" | "SriovNetSupport":
                return
            case _:
                raise AwsError(
                    "UnsupportedOperation", f"Modifying the attribute {name} is not supported by Undercast."
                )
        change.put("instance", instance_id, after)

    def _other_type(self, record: Record, name: str) -> Record:
        kind = instance_type(name)
        if record["Architecture"] not in kind.architectures:
            raise AwsError(
                "InvalidParameterValue",
                f"The architecture of the instance type {name} does not match that of the instance's image.",
            )
        after = {**record, "InstanceType": kind.name, "CpuOptions": launch_request.cpu_options({}, kind)}
        after["_Credits"] = launch_request.cpu_credits({}, kind)
        return after

    @staticmethod
    def _modify_disks(change: Change, record: Record, mappings: list[dict[str, Any]]) -> None:
        disks = of_instance(change.all("volume"), record["InstanceId"])
        for mapping in mappings:
            found = [d for d in disks if same_device(d[1]["Device"], mapping.get("DeviceName") or "")]
            if not found:
                raise AwsError(
                    "InvalidInstanceAttributeValue",
                    f"No device is currently mapped at {mapping.get('DeviceName')}",
                )
            volume, attachment = found[0]
            keep = (mapping.get("Ebs") or {}).get("DeleteOnTermination")
            if keep is not None:
                changed = {**attachment, "DeleteOnTermination": bool(keep)}
                change.put("volume", volume["VolumeId"], {**volume, "Attachments": [changed]})

    def reset_instance_attribute(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._ec2.instances.named(change, [params["InstanceId"]])[0]
            match params["Attribute"]:
                case "sourceDestCheck":
                    self._ec2.network_interfaces.set_source_dest_check(change, record["InstanceId"], True)
                case "kernel" | "ramdisk":
                    pass
                case attribute:
                    raise AwsError(
                        "InvalidParameterValue", f"The attribute {attribute} of an instance cannot be reset."
                    )
        return {}

    def modify_instance_metadata_options(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._ec2.instances.named(change, [params["InstanceId"]])[0]
            options = {**record["MetadataOptions"], **launch_request.checked_metadata(params)}
            change.put("instance", record["InstanceId"], {**record, "MetadataOptions": options})
        return {
            "InstanceId": record["InstanceId"],
            "InstanceMetadataOptions": {**options, "State": "pending"},
        }

    def modify_instance_credit_specification(self, call: Call, params: Params) -> Result:
        good, bad = [], []
        with self._estate.changing(call, params) as change:
            for asked in params["InstanceCreditSpecifications"]:
                record = self._ec2.instances.named(change, [asked["InstanceId"]])[0]
                kind = instance_type(record["InstanceType"])
                try:
                    credit = launch_request.cpu_credits({"CreditSpecification": asked}, kind)
                except AwsError as error:
                    code = "InstanceCreditSpecification.NotSupported"
                    problem = {"Code": code, "Message": error.message}
                    bad.append({"InstanceId": record["InstanceId"], "Error": problem})
                    continue
                change.put("instance", record["InstanceId"], {**record, "_Credits": credit})
                good.append({"InstanceId": record["InstanceId"]})
        return {
            "SuccessfulInstanceCreditSpecifications": good,
            "UnsuccessfulInstanceCreditSpecifications": bad,
        }

    def describe_instance_credit_specifications(self, call: Call, params: Params) -> Result:
        dry_run(params)
        records = self._estate.all(call.account, call.region, "instance")
        if wanted := params.get("InstanceIds"):
            with self._estate.change(call.account, call.region) as change:
                records = self._ec2.instances.named(change, wanted)
        rows = [
            {"InstanceId": record["InstanceId"], "CpuCredits": record["_Credits"]}
            for record in records
            if record["_Credits"] and (wanted or record["_Credits"] == "unlimited")
        ]
        return {"InstanceCreditSpecifications": rows}

    def monitor_instances(self, call: Call, params: Params) -> Result:
        return self._monitoring(call, params, "enabled", "pending")

    def unmonitor_instances(self, call: Call, params: Params) -> Result:
        return self._monitoring(call, params, "disabled", "disabling")

    def _monitoring(self, call: Call, params: Params, state: str, on_the_way: str) -> Result:
        rows = []
        with self._estate.changing(call, params) as change:
            for record in self._ec2.instances.named(change, params["InstanceIds"]):
                shown = state if record["Monitoring"]["State"] == state else on_the_way
                change.put("instance", record["InstanceId"], {**record, "Monitoring": {"State": state}})
                rows.append({"InstanceId": record["InstanceId"], "Monitoring": {"State": shown}})
        return {"InstanceMonitorings": rows}


def _asked(params: Params) -> dict[str, Any]:
    """The attribute to be modified, in either form of the request."""
    asked: dict[str, Any] = {}
    if params.get("Attribute") and params.get("Value") is not None:
        attribute: str = params["Attribute"]
        name = _MEMBERS.get(attribute, attribute)
        value: Any = params["Value"]
        if name in (
            "DisableApiTermination",
            "DisableApiStop",
            "SourceDestCheck",
            "EbsOptimized",
            "EnaSupport",
        ):
            value = str(value).lower() == "true"
        asked[name] = value
    for name in _MEMBERS.values():
        if params.get(name) is not None:
            asked[name] = params[name].get("Value")
    for name in ("BlockDeviceMappings", "Groups"):
        if params.get(name):
            asked[name] = params[name]
    return asked
