"""SendSSHPublicKey.

The key goes into a file below /run of the instance, which its sshd reads beside the user's own, and is taken
out again after a minute. Below /run nothing outlives a restart.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from undercast.machines.errors import MachineError
from undercast.machines.spec import MachineFile
from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids, ssh_keys
from undercast.services.ec2 import instance_states as states

if TYPE_CHECKING:
    from undercast.cloud import Cloud

KEYS = "/run/undercast/keys"
LIFE_S = 60.0
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@\\-]{0,30}[A-Za-z0-9$_-]?")


class Keys:
    """Keys that were sent, by instance and user, with when they end."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sent: dict[tuple[str, str], dict[str, float]] = {}
        self._removals: set[asyncio.Task[None]] = set()

    async def send_ssh_public_key(self, call: Call, params: Params) -> Result:
        instance_id, user = params["InstanceId"], params["InstanceOSUser"]
        if not _USER.fullmatch(user):
            raise AwsError("InvalidArgsException", "The instance OS user is not valid.")
        ids.check("instance", instance_id)
        record = self._cloud.ec2.estate.get(call.account, call.region, "instance", instance_id)
        if record is None:
            raise AwsError("EC2InstanceNotFoundException", f"Instance not found: {instance_id}", 404)
        if states.name(record) != "running":
            raise AwsError(
                "EC2InstanceStateInvalidException",
                "Unable to connect because the instance is not in a valid state. Connecting requires the "
                "instance to be running.",
            )
        zone = params.get("AvailabilityZone")
        if zone and zone != record["Placement"]["AvailabilityZone"]:
            raise AwsError("InvalidArgsException", "The instance is not in the specified Availability Zone.")
        try:
            line = ssh_keys.openssh(ssh_keys.read(params["SSHPublicKey"].encode()))
        except ssh_keys.BadKey:
            raise AwsError("InvalidArgsException", "The provided public key is not valid.") from None
        self._sent.setdefault((instance_id, user), {})[line] = time.monotonic() + LIFE_S
        try:
            await self._write(instance_id, user)
        except MachineError as error:
            raise AwsError("ServiceException", f"The key could not be sent: {error}", 500) from error
        removal = asyncio.create_task(self._remove_later(instance_id, user))
        self._removals.add(removal)
        removal.add_done_callback(self._removals.discard)
        return {"RequestId": call.request_id, "Success": True}

    async def _write(self, instance_id: str, user: str) -> None:
        now = time.monotonic()
        lines = [line for line, end in self._sent[instance_id, user].items() if end > now]
        machines = self._cloud.machines
        await machines.exec(instance_id, ["mkdir", "-p", "-m", "0755", KEYS], timeout_s=10)
        content = "".join(f"{line}\n" for line in lines).encode()
        await machines.push_file(instance_id, f"{KEYS}/{user}", MachineFile(content, 0o644))

    async def _remove_later(self, instance_id: str, user: str) -> None:
        await asyncio.sleep(LIFE_S + 0.1)
        now = time.monotonic()
        kept = {line: end for line, end in self._sent.get((instance_id, user), {}).items() if end > now}
        self._sent[instance_id, user] = kept
        try:
            await self._write(instance_id, user)
        except MachineError:
            return  # stopped or gone, and with it what was below /run
        if not kept:
            self._sent.pop((instance_id, user), None)
