"""EC2 Instance Connect: a public key that opens an instance for a minute, and terminals for the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from undercast.services.base import Service
from undercast.services.ec2_instance_connect.keys import Keys
from undercast.services.ec2_instance_connect.terminal import Terminal, open_terminal

if TYPE_CHECKING:
    from undercast.cloud import Cloud


class InstanceConnect(Service):
    """The service, and the way in for the console's terminal."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._keys = Keys(cloud)
        super().__init__("ec2-instance-connect", [self._keys])

    async def terminal(
        self, account: str, region: str, instance_id: str, user: str, columns: int, rows: int
    ) -> Terminal:
        """A login on a running instance of the account. Raises AwsError as SendSSHPublicKey does."""
        record = self._keys.instance(account, region, instance_id)
        (view,) = self._cloud.ec2.instances.views(account, region, [record])
        return await open_terminal(self._keys, instance_id, view["PrivateIpAddress"], user, columns, rows)


def build(cloud: Cloud) -> InstanceConnect:
    """The service."""
    return InstanceConnect(cloud)
