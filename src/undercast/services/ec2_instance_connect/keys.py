"""SendSSHPublicKey.

The key goes into a file below /run of the instance, which sshd reads through a link (by default it reads
`authorized_keys2` beside `authorized_keys`), and is taken out again after a minute. Below /run nothing
outlives a restart.
"""

from __future__ import annotations

import asyncio
import re
import time
from typing import TYPE_CHECKING

from undercast.machines.errors import MachineError
from undercast.services.base import AwsError, Call, Params, Result
from undercast.services.ec2 import ids, ssh_keys
from undercast.services.ec2 import instance_states as states

if TYPE_CHECKING:
    from undercast.cloud import Cloud

# $USER_NAME and $KEYS come in through the environment. The link is made as the user: root follows no path
# that an ordinary user of the instance can bend. An `authorized_keys2` of somebody's own is left alone.
_SCRIPT = r"""
set -e
id -u "$USER_NAME" >/dev/null
umask 022
mkdir -p /run/undercast/keys
printf '%s' "$KEYS" > "/run/undercast/keys/$USER_NAME"
su -s /bin/sh "$USER_NAME" -c '
    umask 077; mkdir -p ~/.ssh; file=~/.ssh/authorized_keys2
    if [ -L "$file" ] || [ ! -e "$file" ]; then ln -sfn "/run/undercast/keys/$(id -un)" "$file"; fi'
"""
LIFE_S = 60.0
_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.@\\-]{0,30}[A-Za-z0-9$_-]?")


class Keys:
    """Keys that were sent, by instance and user, with when they end."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._sent: dict[tuple[str, str], dict[str, float]] = {}
        self._removals: set[asyncio.Task[None]] = set()

    async def send_ssh_public_key(self, call: Call, params: Params) -> Result:
        instance_id, user, key = params["InstanceId"], params["InstanceOSUser"], params["SSHPublicKey"]
        await self.send(call.account, call.region, instance_id, user, key, params.get("AvailabilityZone"))
        return {"RequestId": call.request_id, "Success": True}

    async def send(
        self, account: str, region: str, instance_id: str, user: str, public_key: str, zone: str | None = None
    ) -> None:
        """Let the key in as `user` for a minute. Raises AWS's errors, and changes nothing then."""
        if not _USER.fullmatch(user):
            raise AwsError("InvalidArgsException", "The instance OS user is not valid.")
        ids.check("instance", instance_id)
        record = self._cloud.ec2.estate.get(account, region, "instance", instance_id)
        if record is None:
            raise AwsError("EC2InstanceNotFoundException", f"Instance not found: {instance_id}", 404)
        if states.name(record) != "running":
            raise AwsError(
                "EC2InstanceStateInvalidException",
                "Unable to connect because the instance is not in a valid state. Connecting requires the "
                "instance to be running.",
            )
        if zone and zone != record["Placement"]["AvailabilityZone"]:
            raise AwsError("InvalidArgsException", "The instance is not in the specified Availability Zone.")
        try:
            line = ssh_keys.openssh(ssh_keys.read(public_key.encode()))
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

    async def _write(self, instance_id: str, user: str) -> None:
        now = time.monotonic()
        lines = [line for line, end in self._sent[instance_id, user].items() if end > now]
        done = await self._cloud.machines.exec(
            instance_id,
            ["/bin/sh", "-c", _SCRIPT],
            timeout_s=10,
            environment={"USER_NAME": user, "KEYS": "".join(f"{line}\n" for line in lines)},
        )
        if done.status != 0:
            raise MachineError(f"the instance has no way for keys of {user}")

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
