"""Instance profiles on instances: at launch and afterwards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Change, Record
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, page

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters({"instance-id": "InstanceId", "state": "State"}, tagged=False)


class Profiles:
    """The associations of profiles with instances; an instance's `_Profile` holds its one."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def find(self, account: str, asked: dict[str, Any]) -> dict[str, str]:
        """The profile asked for by name or ARN, as instances show it, or AWS's error."""
        name, arn = asked.get("Name"), asked.get("Arn")
        profile = self._ec2.cloud.iam.instance_profile(account, (arn or "").rsplit("/", 1)[-1] or name or "")
        if profile is None or (arn and profile.arn != arn):
            what, value, words = ("arn", arn, "ARN") if arn else ("name", name, "name")
            raise AwsError(
                "InvalidParameterValue",
                f"Value ({value}) for parameter iamInstanceProfile.{what} is invalid. Invalid IAM Instance "
                f"Profile {words}",
            )
        return {"Arn": profile.arn, "Id": profile.id}

    def associate_iam_instance_profile(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            profile = self.find(call.account, params["IamInstanceProfile"])
            record = self._ec2.instances.named(change, [params["InstanceId"]])[0]
            if record.get("IamInstanceProfile"):
                raise AwsError(
                    "IncorrectState",
                    f"There is an existing association for instance {record['InstanceId']}",
                )
            association = self._put(change, call, record, profile)
        return {"IamInstanceProfileAssociation": {**association, "State": "associating"}}

    def replace_iam_instance_profile_association(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            profile = self.find(call.account, params["IamInstanceProfile"])
            record = self._associated(change, params["AssociationId"])
            association = self._put(change, call, record, profile)
        return {"IamInstanceProfileAssociation": {**association, "State": "associating"}}

    def disassociate_iam_instance_profile(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            record = self._associated(change, params["AssociationId"])
            association = _association(record)
            bare = {n: v for n, v in record.items() if n not in ("IamInstanceProfile", "_Profile")}
            change.put("instance", record["InstanceId"], bare)
        return {"IamInstanceProfileAssociation": {**association, "State": "disassociating"}}

    def describe_iam_instance_profile_associations(self, call: Call, params: Params) -> Result:
        dry_run(params)
        rows = [
            _association(record)
            for record in self._estate.all(call.account, call.region, "instance")
            if record.get("IamInstanceProfile") and states.name(record) in states.ALIVE
        ]
        if wanted := params.get("AssociationIds"):
            known = {row["AssociationId"] for row in rows}
            for id in wanted:
                if id not in known:
                    raise _no_association(id)
            rows = [row for row in rows if row["AssociationId"] in wanted]
        rows = _FILTERS.select(rows, params.get("Filters"))
        chosen, token = page(rows, params, lambda row: row["AssociationId"])
        return answer("IamInstanceProfileAssociations", chosen, token)

    @staticmethod
    def _put(change: Change, call: Call, record: Record, profile: dict[str, str]) -> dict[str, Any]:
        mark = {"AssociationId": ids.new_id("iip-assoc"), "Timestamp": call.now}
        after = {**record, "IamInstanceProfile": profile, "_Profile": mark}
        return _association(change.put("instance", record["InstanceId"], after))

    @staticmethod
    def _associated(change: Change, association_id: str) -> Record:
        for record in change.all("instance"):
            if record.get("IamInstanceProfile") and _association(record)["AssociationId"] == association_id:
                return record
        raise _no_association(association_id)


def _association(record: Record) -> dict[str, Any]:
    # A profile given at launch has an association too; its id follows from the instance's.
    launched = {
        "AssociationId": "iip-assoc-" + record["InstanceId"].removeprefix("i-"),
        "Timestamp": record["LaunchTime"],
    }
    return {
        **(record.get("_Profile") or launched),
        "InstanceId": record["InstanceId"],
        "IamInstanceProfile": record["IamInstanceProfile"],
        "State": "associated",
    }


def _no_association(id: str) -> AwsError:
    return AwsError("NoSuchAssociation", f"An invalid association-id of '{id}' was given")
