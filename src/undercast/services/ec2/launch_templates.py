"""Launch templates and their versions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import idempotency, ids, tags
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record, visible
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, page

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

KIND = "launch-template"
_FILTERS = Filters({"create-time": "CreateTime", "launch-template-name": "LaunchTemplateName"})
_NAME = re.compile(r"[a-zA-Z0-9().\-/_]{3,125}")


class LaunchTemplates:
    """Records of kind "launch-template"; `_Versions` holds the versions by number, oldest first."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate

    def create_launch_template(self, call: Call, params: Params) -> Result:
        name = params["LaunchTemplateName"]
        if not _NAME.fullmatch(name):
            raise AwsError(
                "InvalidLaunchTemplateName.MalformedException",
                "A launch template name must be between 3 and 125 characters, and may contain letters, "
                "numbers, and the following characters: - ( ) . / _.",
            )
        wanted = tags.from_specifications(params, KIND)
        with self._estate.changing(call, params) as change:
            if earlier := idempotency.earlier(change, KIND, params):
                return {"LaunchTemplate": visible(earlier)}
            if any(record["LaunchTemplateName"] == name for record in change.all(KIND)):
                raise AwsError(
                    "InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use."
                )
            record: Record = {
                "LaunchTemplateId": ids.new_id("lt"),
                "LaunchTemplateName": name,
                "CreateTime": call.now,
                "CreatedBy": call.principal_arn,
                "DefaultVersionNumber": 1,
                "LatestVersionNumber": 1,
                "Tags": wanted,
                "_Versions": [_version(call, 1, params, params["LaunchTemplateData"])],
                **idempotency.members(params),
            }
            change.put(KIND, record["LaunchTemplateId"], record)
        return {"LaunchTemplate": visible(record)}

    def create_launch_template_version(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._find(change, params)
            data = params["LaunchTemplateData"]
            if source := params.get("SourceVersion"):
                data = {**_numbered(record, source)["LaunchTemplateData"], **data}
            number = record["LatestVersionNumber"] + 1
            version = _version(call, number, params, data)
            after = {
                **record,
                "LatestVersionNumber": number,
                "_Versions": [*record["_Versions"], version],
            }
            change.put(KIND, record["LaunchTemplateId"], after)
        return {"LaunchTemplateVersion": _shown(after, version)}

    def modify_launch_template(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._find(change, params)
            if params.get("DefaultVersion"):
                number = _numbered(record, params["DefaultVersion"])["VersionNumber"]
                record = change.put(
                    KIND, record["LaunchTemplateId"], {**record, "DefaultVersionNumber": number}
                )
        return {"LaunchTemplate": visible(record)}

    def delete_launch_template(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._find(change, params)
            change.delete(KIND, record["LaunchTemplateId"])
        return {"LaunchTemplate": visible(record)}

    def delete_launch_template_versions(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._find(change, params)
            gone, kept, failed = [], record["_Versions"], []
            for number in params["Versions"]:
                name = {"LaunchTemplateId": record["LaunchTemplateId"]}
                name["LaunchTemplateName"] = record["LaunchTemplateName"]
                found = [version for version in kept if str(version["VersionNumber"]) == str(number)]
                if not found or found[0]["VersionNumber"] == record["DefaultVersionNumber"]:
                    code = "unexpectedError" if found else "launchTemplateVersionDoesNotExist"
                    message = (
                        "The default version of a launch template cannot be deleted."
                        if found
                        else f"The version {number} does not exist."
                    )
                    error = {"Code": code, "Message": message}
                    failed.append({**name, "VersionNumber": int(number), "ResponseError": error})
                else:
                    kept = [version for version in kept if version is not found[0]]
                    gone.append({**name, "VersionNumber": found[0]["VersionNumber"]})
            change.put(KIND, record["LaunchTemplateId"], {**record, "_Versions": kept})
        return {
            "SuccessfullyDeletedLaunchTemplateVersions": gone,
            "UnsuccessfullyDeletedLaunchTemplateVersions": failed,
        }

    def describe_launch_templates(self, call: Call, params: Params) -> Result:
        dry_run(params)
        records = self._estate.all(call.account, call.region, KIND)
        if wanted := params.get("LaunchTemplateIds"):
            ids.check(KIND, *wanted)
            known = {record["LaunchTemplateId"] for record in records}
            if missing := [id for id in wanted if id not in known]:
                raise ids.not_found(KIND, *missing)
            records = [record for record in records if record["LaunchTemplateId"] in wanted]
        if names := params.get("LaunchTemplateNames"):
            known = {record["LaunchTemplateName"] for record in records}
            for name in names:
                if name not in known:
                    raise _no_name(name)
            records = [record for record in records if record["LaunchTemplateName"] in names]
        records = _FILTERS.select(records, params.get("Filters"))
        chosen, token = page(records, params, lambda r: r["LaunchTemplateId"], lowest=1, highest=200)
        return answer("LaunchTemplates", [visible(record) for record in chosen], token)

    def describe_launch_template_versions(self, call: Call, params: Params) -> Result:
        dry_run(params)
        with self._estate.change(call.account, call.region) as change:
            if params.get("LaunchTemplateId") or params.get("LaunchTemplateName"):
                records = [self._find(change, params)]
            else:
                records = change.all(KIND)
                if not set(params.get("Versions") or []) & {"$Latest", "$Default"}:
                    raise AwsError(
                        "MissingParameter",
                        "When describing versions of all templates, '$Latest' or '$Default' has to be given.",
                    )
        rows = []
        for record in records:
            versions = record["_Versions"]
            if wanted := params.get("Versions"):
                versions = [_numbered(record, number) for number in dict.fromkeys(wanted)]
            low, high = int(params.get("MinVersion") or 1), int(params.get("MaxVersion") or 10**9)
            inside = [version for version in versions if low <= version["VersionNumber"] <= high]
            rows += [_shown(record, version) for version in reversed(inside)]
        rows = _VERSION_FILTERS.select(rows, params.get("Filters"))
        chosen, token = page(
            rows, params, lambda r: f"{r['LaunchTemplateId']} {r['VersionNumber']:09d}", lowest=1, highest=200
        )
        return answer("LaunchTemplateVersions", chosen, token)

    def get_launch_template_data(self, call: Call, params: Params) -> Result:
        dry_run(params)
        instance_id = params["InstanceId"]
        ids.check("instance", instance_id)
        record = self._estate.get(call.account, call.region, "instance", instance_id)
        if record is None:
            raise ids.not_found("instance", instance_id)
        data: dict[str, Any] = {
            "ImageId": record["ImageId"],
            "InstanceType": record["InstanceType"],
            "EbsOptimized": record["EbsOptimized"],
            "Monitoring": {"Enabled": record["Monitoring"]["State"] == "enabled"},
            "Placement": {"AvailabilityZone": record["Placement"]["AvailabilityZone"], "Tenancy": "default"},
            "DisableApiTermination": record["_DisableApiTermination"],
            "DisableApiStop": record["_DisableApiStop"],
            "InstanceInitiatedShutdownBehavior": record["_ShutdownBehaviour"],
        }
        if record.get("KeyName"):
            data["KeyName"] = record["KeyName"]
        if record["Tags"]:
            data["TagSpecifications"] = [{"ResourceType": "instance", "Tags": record["Tags"]}]
        return {"LaunchTemplateData": data}

    def version(self, change: Change, named: dict[str, Any]) -> dict[str, Any]:
        """The version a launch names, by the template's id or name; the default one unless told."""
        record = self._find(change, named)
        return _shown(record, _numbered(record, named.get("Version") or "$Default"))

    @staticmethod
    def _find(change: Change, params: Params) -> Record:
        id, name = params.get("LaunchTemplateId"), params.get("LaunchTemplateName")
        if id and name:
            raise AwsError(
                "InvalidParameterCombination",
                "Only one of the parameters LaunchTemplateId and LaunchTemplateName may be specified.",
            )
        if id:
            ids.check(KIND, id)
            record = change.get(KIND, id)
            if record is None:
                raise ids.not_found(KIND, id)
            return record
        if not name:
            raise AwsError(
                "MissingParameter", "Either the launch template ID or the launch template name is required."
            )
        for record in change.all(KIND):
            if record["LaunchTemplateName"] == name:
                return record
        raise _no_name(name)


_VERSION_FILTERS = Filters(
    {
        "create-time": "CreateTime",
        "ebs-optimized": "LaunchTemplateData.EbsOptimized",
        "http-endpoint": "LaunchTemplateData.MetadataOptions.HttpEndpoint",
        "http-tokens": "LaunchTemplateData.MetadataOptions.HttpTokens",
        "host-resource-group-arn": "LaunchTemplateData.Placement.HostResourceGroupArn",
        "iam-instance-profile": "LaunchTemplateData.IamInstanceProfile.Arn",
        "image-id": "LaunchTemplateData.ImageId",
        "instance-type": "LaunchTemplateData.InstanceType",
        "is-default-version": "DefaultVersion",
        "kernel-id": "LaunchTemplateData.KernelId",
        "license-configuration-arn": "LaunchTemplateData.LicenseSpecifications.LicenseConfigurationArn",
        "network-card-index": "LaunchTemplateData.NetworkInterfaces.NetworkCardIndex",
        "ram-disk-id": "LaunchTemplateData.RamDiskId",
    },
    tagged=False,
)


def _version(call: Call, number: int, params: Params, data: dict[str, Any]) -> dict[str, Any]:
    version = {
        "VersionNumber": number,
        "CreateTime": call.now,
        "CreatedBy": call.principal_arn,
        "LaunchTemplateData": data,
    }
    if params.get("VersionDescription"):
        version["VersionDescription"] = params["VersionDescription"]
    return version


def _shown(record: Record, version: dict[str, Any]) -> dict[str, Any]:
    return {
        "LaunchTemplateId": record["LaunchTemplateId"],
        "LaunchTemplateName": record["LaunchTemplateName"],
        "DefaultVersion": version["VersionNumber"] == record["DefaultVersionNumber"],
        **version,
    }


def _numbered(record: Record, number: str) -> dict[str, Any]:
    special = {"$Latest": record["LatestVersionNumber"], "$Default": record["DefaultVersionNumber"]}
    wanted = str(special.get(number, number))
    for version in record["_Versions"]:
        if str(version["VersionNumber"]) == wanted:
            found: dict[str, Any] = version
            return found
    raise AwsError(
        "InvalidLaunchTemplateId.VersionNotFound",
        f"Could not find the specified version {number} for the launch template with ID "
        f"{record['LaunchTemplateId']}.",
    )


def _no_name(name: str) -> AwsError:
    return AwsError(
        "InvalidLaunchTemplateName.NotFoundException",
        f"The specified launch template, with template name {name}, does not exist.",
    )
