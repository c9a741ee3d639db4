"""What is known of running instances: status checks, console output."""

from __future__ import annotations

import base64
import datetime as dt
from typing import TYPE_CHECKING, Any

from undercast.machines.errors import NotFound
from undercast.services.base import Call, Params, Result
from undercast.services.ec2 import ids
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.dry_run import dry_run
from undercast.services.ec2.estate import Record
from undercast.services.ec2.filters import Filters
from undercast.services.ec2.pages import answer, not_with_ids, page

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

_FILTERS = Filters(
    {
        "application-status.status": "ApplicationStatus.Status",
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "event.code": "Events.Code",
        "event.description": "Events.Description",
        "event.instance-event-id": "Events.InstanceEventId",
        "event.not-after": "Events.NotAfter",
        "event.not-before": "Events.NotBefore",
        "event.not-before-deadline": "Events.NotBeforeDeadline",
        "instance-state-code": "InstanceState.Code",
        "instance-state-name": "InstanceState.Name",
        "instance-status.reachability": "InstanceStatus.Details.Status",
        "instance-status.status": "InstanceStatus.Status",
        "operator.managed": "Operator.Managed",
        "operator.principal": "Operator.Principal",
        "system-status.reachability": "SystemStatus.Details.Status",
        "system-status.status": "SystemStatus.Status",
        "attached-ebs-status.status": "AttachedEbsStatus.Status",
    }
)
_CONSOLE_KEPT = 64 * 1024  # what EC2 keeps of the console, in bytes
_REACHABILITY = {"ok": "passed", "impaired": "failed"}


class InstanceStatus:
    """DescribeInstanceStatus, GetConsoleOutput, GetPasswordData."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def describe_instance_status(self, call: Call, params: Params) -> Result:
        dry_run(params)
        not_with_ids(params, "InstanceIds", "instancesSet")
        records = self._estate.all(call.account, call.region, "instance")
        if wanted := params.get("InstanceIds"):
            ids.check("instance", *wanted)
            known = {record["InstanceId"] for record in records}
            if missing := [id for id in wanted if id not in known]:
                raise ids.not_found("instance", *missing)
            records = [record for record in records if record["InstanceId"] in wanted]
        if not params.get("IncludeAllInstances"):
            records = [record for record in records if states.name(record) == "running"]
        rows = _FILTERS.select([self._row(record) for record in records], params.get("Filters"))
        chosen, token = page(rows, params, lambda row: row["InstanceId"])
        shown = [{name: row[name] for name in row if name != "Tags"} for row in chosen]
        return answer("InstanceStatuses", shown, token)

    def _row(self, record: Record) -> dict[str, Any]:
        row: dict[str, Any] = {
            "InstanceId": record["InstanceId"],
            "InstanceState": record["State"],
            "AvailabilityZone": record["Placement"]["AvailabilityZone"],
            "AvailabilityZoneId": record["Placement"]["AvailabilityZoneId"],
            "Operator": {"Managed": False},
            "Tags": record["Tags"],
        }
        if states.name(record) != "running":
            for name in ("InstanceStatus", "SystemStatus", "AttachedEbsStatus"):
                row[name] = {"Status": "not-applicable"}
            return row
        check = self._ec2.reconciler.checks.of(record["InstanceId"])
        row["InstanceStatus"] = _summary(check.instance, check.since)
        row["SystemStatus"] = _summary(check.system, None)
        row["AttachedEbsStatus"] = _summary(check.system, None)
        return row

    async def get_console_output(self, call: Call, params: Params) -> Result:
        record = self._record(call, params)
        dry_run(params)
        text = b""
        if record.get("_Made"):
            try:
                text = await self._ec2.cloud.machines.console_output(record["InstanceId"])
            except NotFound:
                text = b""
        return {
            "InstanceId": record["InstanceId"],
            "Timestamp": dt.datetime.now(dt.UTC),
            "Output": base64.b64encode(text[-_CONSOLE_KEPT:]).decode(),
        }

    def get_password_data(self, call: Call, params: Params) -> Result:
        """Passwords are for Windows; for Linux AWS answers with empty data."""
        record = self._record(call, params)
        dry_run(params)
        return {"InstanceId": record["InstanceId"], "PasswordData": "", "Timestamp": call.now}

    def _record(self, call: Call, params: Params) -> Record:
        instance_id = params["InstanceId"]
        ids.check("instance", instance_id)
        record = self._estate.get(call.account, call.region, "instance", instance_id)
        if record is None:
            raise ids.not_found("instance", instance_id)
        return record


def _summary(status: str, since: dt.datetime | None) -> dict[str, Any]:
    detail: dict[str, Any] = {"Name": "reachability", "Status": _REACHABILITY.get(status, status)}
    if since is not None:
        detail["ImpairedSince"] = since
    return {"Status": status, "Details": [detail]}
