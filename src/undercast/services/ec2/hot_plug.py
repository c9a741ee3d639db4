"""Further network interfaces of machines that exist: plugged in and pulled out as they are attached."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from undercast.machines.errors import MachineError, NotFound
from undercast.services.ec2.estate import Key, Record
from undercast.services.ec2.interfaces import KIND

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

log = logging.getLogger(__name__)

_RETRY_S = 3.0


class HotPlug:
    """Follows the attachments of interfaces with a device index above 0.

    Those of a launch come with the machine; those attached later carry `_Hot` and are plugged in while the
    instance runs.
    """

    def __init__(self, ec2: Ec2) -> None:
        self._ec2 = ec2
        self._known: dict[str, tuple[Key, str]] = {}  # interface to its instance and device
        self._plugged: set[str] = set()
        self._turn = asyncio.Lock()
        self._again: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def poke(self) -> None:
        """Look at the attachments, soon and in the background. Called on the event loop."""
        task = asyncio.create_task(self._follow())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End what is under way."""
        if self._again is not None:
            self._again.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self) -> None:
        async with self._turn:
            try:
                now = self._attached()
                for interface_id in [id for id in self._known if id not in now]:
                    await self._pull(*self._known[interface_id])
                    del self._known[interface_id]
                    self._plugged.discard(interface_id)
                for interface_id, (instance, record) in now.items():
                    device = f"eth{record['Attachment']['DeviceIndex']}"
                    self._known[interface_id] = instance, device
                    if record.get("_Hot") and interface_id not in self._plugged:
                        await self._plug(instance, record)
            except MachineError as error:
                log.warning("an interface is not as attached: %s", error)
                self._again = asyncio.get_running_loop().call_later(_RETRY_S, self.poke)

    def _attached(self) -> dict[str, tuple[Key, Record]]:
        return {
            key.id: (Key(key.account, key.region, "instance", record["Attachment"]["InstanceId"]), record)
            for key, record in self._ec2.estate.everywhere(KIND)
            if "InstanceId" in (record.get("Attachment") or {}) and record["Attachment"]["DeviceIndex"]
        }

    def _state(self, instance: Key) -> str:
        record = self._ec2.estate.get(instance.account, instance.region, "instance", instance.id)
        return str(record["State"]["Name"]) if record is not None else "terminated"

    async def _plug(self, instance: Key, record: Record) -> None:
        if self._state(instance) != "running":
            return  # its start brings us back here
        (nic,) = self._ec2.network_interfaces.nics([record])
        await self._ec2.cloud.machines.attach_nic(instance.id, nic)
        self._plugged.add(record["NetworkInterfaceId"])

    async def _pull(self, instance: Key, device: str) -> None:
        if self._state(instance) in ("shutting-down", "terminated"):
            return
        try:
            await self._ec2.cloud.machines.detach_nic(instance.id, device)
        except NotFound:
            log.info("the machine of %s is gone, and %s with it", instance.id, device)
