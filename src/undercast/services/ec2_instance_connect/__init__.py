"""EC2 Instance Connect: a public key that opens an instance for a minute, and terminals for the console."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from undercast.services.base import Service
from undercast.services.ec2_instance_connect.keys import Keys
from undercast.services.ec2_instance_connect.terminal import Terminals

if TYPE_CHECKING:
    from undercast.cloud import Cloud


class InstanceConnect(Service):
    """The service."""

    def __init__(self, cloud: Cloud) -> None:
        keys = Keys(cloud)
        super().__init__("ec2-instance-connect", [keys])
        self.terminals = Terminals(cloud, keys)

    async def start(self) -> None:
        """Take away what a server that was killed left."""
        await asyncio.to_thread(self.terminals.sweep)

    async def stop(self) -> None:
        """End every terminal."""
        await self.terminals.close()


def build(cloud: Cloud) -> Service:
    """The service; terminals are at `cloud.terminals`."""
    service = InstanceConnect(cloud)
    cloud.terminals = service.terminals
    return service
