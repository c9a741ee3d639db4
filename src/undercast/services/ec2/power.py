"""Starting, stopping, rebooting and terminating instances."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.attachments import root_of
from undercast.services.ec2.estate import Change, Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2


class Power:
    """Writes the state that is wanted; the reconciler brings the machines there."""

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._estate = ec2.estate

    def start_instances(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            changes = []
            for record in self._ec2.instances.named(change, params["InstanceIds"]):
                after = record
                match states.name(record):
                    case "stopped":
                        _check_root(change, record)
                        self._ec2.capacity.check([record])
                        after = self.starting(change, record, call.now)
                    case "pending" | "running":
                        pass
                    case _:
                        raise _incorrect(record, "is not in a state from which it can be started.")
                changes.append(states.change(record, after))
        return {"StartingInstances": changes}

    def starting(self, change: Change, record: Record, now: dt.datetime) -> Record:
        """Put a stopped instance on its way to running."""
        after = {**states.moved(record, "pending"), "LaunchTime": now}
        self._ec2.network_interfaces.started(change, record["InstanceId"])
        return change.put("instance", record["InstanceId"], after)

    def stop_instances(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            changes = []
            for record in self._ec2.instances.named(change, params["InstanceIds"]):
                _check_stop(record, params)
                after = record
                match states.name(record):
                    case "running" | "pending":
                        after = self.stopping(
                            change,
                            record,
                            call.now,
                            reason=states.BY_HIBERNATION if params.get("Hibernate") else states.BY_USER,
                            force=bool(params.get("Force")),
                            hibernate=bool(params.get("Hibernate")),
                        )
                    case "stopping":
                        if params.get("Force"):
                            after = change.put("instance", record["InstanceId"], {**record, "_Force": True})
                    case "stopped":
                        pass
                    case _:
                        raise _incorrect(record, "is not in a state from which it can be stopped.")
                changes.append(states.change(record, after))
        return {"StoppingInstances": changes}

    def stopping(
        self,
        change: Change,
        record: Record,
        now: dt.datetime | None,
        *,
        reason: tuple[str, str],
        force: bool = False,
        hibernate: bool = False,
    ) -> Record:
        """Put an instance on its way to stopped. `now` is the time of a user's request, if it was one."""
        after = states.moved(record, "stopping", reason=reason, when=now)
        after |= {"_Force": force, "_Hibernate": hibernate, "_Reboot": False}
        return change.put("instance", record["InstanceId"], after)

    def reboot_instances(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            for record in self._ec2.instances.named(change, params["InstanceIds"]):
                match states.name(record):
                    case "running":
                        change.put("instance", record["InstanceId"], {**record, "_Reboot": True})
                    case "pending":
                        pass
                    case _:
                        raise _incorrect(record, "is not in a state from which it can be rebooted.")
        return {}

    def terminate_instances(self, call: Call, params: Params) -> Result:
        with self._estate.changing(call, params) as change:
            records = self._ec2.instances.named(change, params["InstanceIds"])
            for record in records:
                if record["_DisableApiTermination"] and states.name(record) in states.ALIVE:
                    raise AwsError(
                        "OperationNotPermitted",
                        f"The instance '{record['InstanceId']}' may not be terminated. Modify its "
                        "'disableApiTermination' instance attribute and try again.",
                    )
            changes = []
            for record in records:
                after = record
                if states.name(record) in states.ALIVE:
                    after = self.terminating(change, record, call.now, reason=states.BY_USER)
                changes.append(states.change(record, after))
        return {"TerminatingInstances": changes}

    def terminating(
        self, change: Change, record: Record, now: dt.datetime | None, *, reason: tuple[str, str]
    ) -> Record:
        """Put an instance on its way to terminated."""
        after = states.moved(record, "shutting-down", reason=reason, when=now)
        return change.put("instance", record["InstanceId"], after)


def _check_root(change: Change, record: Record) -> None:
    if root_of(change.all("volume"), record["InstanceId"]) is None:
        raise AwsError(
            "InvalidParameterValue",
            f"Invalid value '{record['InstanceId']}' for instanceId. Instance does not have a volume "
            f"attached at root ({record['RootDeviceName']})",
        )


def _check_stop(record: Record, params: Params) -> None:
    instance_id = record["InstanceId"]
    if record["_DisableApiStop"]:
        raise AwsError(
            "OperationNotPermitted",
            f"The instance '{instance_id}' may not be stopped. Modify its 'disableApiStop' instance "
            "attribute and try again.",
        )
    if record.get("InstanceLifecycle") == "spot" and record.get("_SpotType") != "persistent":
        raise AwsError(
            "UnsupportedOperation",
            f"You can't stop the Spot Instance '{instance_id}' because it is associated with a one-time Spot "
            "Instance request. You can only stop Spot Instances associated with persistent Spot Instance "
            "requests.",
        )
    if params.get("Hibernate") and not record["HibernationOptions"]["Configured"]:
        raise AwsError(
            "UnsupportedHibernationConfiguration",
            f"Instance {instance_id} is not configured for hibernation.",
        )


def _incorrect(record: Record, text: str) -> AwsError:
    return AwsError("IncorrectInstanceState", f"The instance '{record['InstanceId']}' {text}")
