"""Instance states, their codes, and the reasons AWS gives for a change.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from undercast.services.ec2.estate import Record

CODES = {
    "pending": 0,
    "running": 16,
    "shutting-down": 32,
    "terminated": 48,
    "stopping": 64,
    "stopped": 80,
}
ALIVE = ("pending", "running", "stopping", "stopped")

BY_USER = "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"
BY_INSTANCE = (
    "Client.InstanceInitiatedShutdown",
    "Client.InstanceInitiatedShutdown: Instance initiated shutdown",
)
BY_HIBERNATION = "Client.UserInitiatedHibernate", "Client.UserInitiatedHibernate: User initiated hibernate"
BY_SPOT = (
    "Server.SpotInstanceTermination",
    "Server.SpotInstanceTermination: Spot instance termination",
)


def state(name: str) -> dict[str, Any]:
    """The `State` member."""
    return {"Code": CODES[name], "Name": name}


def name(record: Record) -> str:
    """The name of the state an instance is in."""
    text: str = record["State"]["Name"]
    return text


def moved(
    record: Record, to: str, *, reason: tuple[str, str] | None = None, when: dt.datetime | None = None
) -> Record:
    """The instance in another state. Without a reason the one it has is cleared.

    `when` puts the time beside a user's own doing, as AWS does: "User initiated (2024-05-01 10:00:00 GMT)".
    """
    changed = {**record, "State": state(to), "StateTransitionReason": ""}
    changed.pop("StateReason", None)
    if reason is not None:
        changed["StateReason"] = {"Code": reason[0], "Message": reason[1]}
    if when is not None:
        changed["StateTransitionReason"] = f"User initiated ({when:%Y-%m-%d %H:%M:%S} GMT)"
    return changed


def change(before: Record, after: Record) -> dict[str, Any]:
    """An entry of StartingInstances, StoppingInstances or TerminatingInstances."""
    return {
        "InstanceId": after["InstanceId"],
        "PreviousState": before["State"],
        "CurrentState": after["State"],
    }
