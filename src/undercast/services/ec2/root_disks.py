"""Root volumes that come off their instances, serve elsewhere as a second disk, and come back.

As part of a machine the data is the machine's own tree in Incus; as a second disk it is a file; between the
two it is a tree without a machine. The marks in the volume's record say which of them counts: the others are
remade whenever they are needed, as a crash may have left old ones. A mark changes when the new form is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from undercast.machines.errors import Busy, MachineError, NotFound, Unavailable
from undercast.services.ec2.estate import Change, Key, Record

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

log = logging.getLogger(__name__)


class RootDisks:
    """Takes root disks out of machines, makes files of them, and root disks of files."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate
        self._machines = ec2.cloud.machines
        self._making: dict[Key, asyncio.Lock] = {}  # both the volume's and the instance's worker may want it

    async def drive(self, key: Key, record: Record) -> None:
        """What is due for a volume that is attached as a root disk."""
        if record["Attachments"][0]["State"] == "detaching":
            await self._detach(key, record["Attachments"][0]["InstanceId"], record)
        elif record.get("_AsRoot"):
            await self._attach(key, record)

    async def _detach(self, key: Key, instance_id: str, record: Record) -> None:
        """The machine goes: an instance without a root disk is made anew at its next start."""
        if not record.get("_RootSnapshot"):
            await self._machines.roots.take_out(instance_id, key.id)
            await self._machines.delete(instance_id)
            await self._delete_file(key.id)
        await asyncio.to_thread(self._note_detached, key, instance_id)

    def _note_detached(self, key: Key, instance_id: str) -> None:
        with self._estate.change(key.account, key.region) as change:
            volume, instance = change.get("volume", key.id), change.get("instance", instance_id)
            if volume is None or not volume["Attachments"]:
                return
            kept = {name: value for name, value in volume.items() if name not in ("_Root", "_ForceDetach")}
            free = {"State": "available", "Attachments": [], "_RootSnapshot": True}
            change.put("volume", key.id, {**kept, **free})
            if instance is not None:
                change.put("instance", instance_id, {**instance, "_Made": False})

    async def _attach(self, key: Key, record: Record) -> None:
        """A root disk waits for its instance's next start. What is none is given back."""
        if not record.get("_RootSnapshot"):
            self._wait_for_snapshots(key)
            try:
                await self._machines.roots.read(self._machines.volumes.path(key.id), key.id)
            except (Unavailable, Busy):
                raise
            except MachineError as error:
                log.error("volume %s cannot be a root disk: %s", key.id, error)
                await asyncio.to_thread(self._note_useless, key)
                return
        await asyncio.to_thread(self._note_attached, key)
        await self._delete_file(key.id)

    def _note_attached(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            volume = change.get("volume", key.id)
            if volume is None or not volume.get("_AsRoot"):
                return
            if not volume.get("_RootSnapshot"):
                self._wait_for_snapshots(key)
            kept = {name: value for name, value in volume.items() if name != "_AsRoot"}
            attached = {**volume["Attachments"][0], "State": "attached"}
            change.put("volume", key.id, {**kept, "Attachments": [attached], "_RootSnapshot": True})

    def _note_useless(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            volume = change.get("volume", key.id)
            if volume is not None:
                kept = {name: value for name, value in volume.items() if name not in ("_Root", "_AsRoot")}
                change.put("volume", key.id, {**kept, "State": "available", "Attachments": []})

    async def as_file(self, key: Key, record: Record) -> None:
        """Make a file of a root disk without a machine, for the volume to be attached as a second disk."""
        async with self._making.setdefault(key, asyncio.Lock()):
            record = self._estate.get(key.account, key.region, "volume", key.id) or record
            if not record.get("_RootSnapshot"):
                return
            self._wait_for_snapshots(key)
            await self._delete_file(key.id)
            tree = self._machines.roots.tree(key.id)
            await self._machines.volumes.create_from_root(key.id, record["Size"], tree)
            await asyncio.to_thread(self._note_file, key)
            await self._machines.roots.delete(key.id)

    def _note_file(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            self._wait_for_snapshots(key)
            volume = change.get("volume", key.id)
            if volume is not None:
                kept = {name: value for name, value in volume.items() if name != "_RootSnapshot"}
                change.put("volume", key.id, kept)

    async def _delete_file(self, volume_id: str) -> None:
        with contextlib.suppress(NotFound):
            await self._machines.volumes.delete(volume_id)

    def _wait_for_snapshots(self, key: Key) -> None:
        """A snapshot that has begun takes the data from where it is now. Raises Busy."""
        for _, snapshot in self._estate.everywhere("snapshot"):
            if snapshot["VolumeId"] == key.id and snapshot["State"] == "pending":
                raise Busy(f"a snapshot of {key.id} is being taken")

    async def keep(self, key: Key, instance_id: str, record: Record) -> None:
        """Keep the root disk of a machine that is about to be removed, under the id of its volume."""
        if not is_in_machine(record):
            return
        if not await self._machines.roots.take_out(instance_id, key.id):
            log.warning("the machine %s is gone before its root volume %s was kept", instance_id, key.id)


def is_in_machine(record: Record) -> bool:
    """Whether a root volume's data is in its machine now."""
    return bool(record.get("_Root")) and not (record.get("_RootSnapshot") or record.get("_AsRoot"))


def has_file(record: Record) -> bool:
    """Whether a volume's data is its file now."""
    return not (record.get("_RootSnapshot") or is_in_machine(record))


def settle(change: Change, volume_id: str) -> None:
    """The machine has been made from the root disk, and has it now."""
    volume = change.get("volume", volume_id)
    if volume is not None and volume.get("_Root") and "_RootSnapshot" in volume:
        kept = {name: value for name, value in volume.items() if name != "_RootSnapshot"}
        change.put("volume", volume_id, kept)
