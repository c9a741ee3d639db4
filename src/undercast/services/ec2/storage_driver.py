"""Brings volumes and snapshots to what their records want."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from undercast.machines.errors import Busy, MachineError
from undercast.services.ec2 import instance_states as states
from undercast.services.ec2.attachments import inside_name
from undercast.services.ec2.estate import Key, Record
from undercast.services.ec2.root_disks import RootDisks, has_file, is_in_machine
from undercast.services.ec2.snapshots import snapshots_of
from undercast.services.ec2.volumes import is_root

if TYPE_CHECKING:
    from undercast.services.ec2.service import Ec2

log = logging.getLogger(__name__)

_WITH_DATA = ("volume", "snapshot", "garbage")


class StorageDriver:
    """Drives volumes, snapshots, images and what deleted snapshots leave behind."""

    def __init__(self, ec2: Ec2) -> None:
        self._estate = ec2.estate
        self._machines = ec2.cloud.machines
        self.root_disks = RootDisks(ec2)

    async def drive(self, key: Key) -> None:
        """All that is due for one resource."""
        record = self._estate.get(key.account, key.region, key.kind, key.id)
        if record is None:
            if key.kind == "volume":
                await self._delete_data(key.id)
            elif key.kind == "snapshot" and not self._in_the_bin(key):
                await self._machines.volumes.delete_snapshot(key.id)
                await self._machines.roots.delete(key.id)
            return
        match key.kind:
            case "volume":
                await self._volume(key, record)
            case "snapshot":
                await self._snapshot(key, record)
            case "image":
                await asyncio.to_thread(self._note_image, key)
            case "garbage":
                await self._garbage(key, record)

    def _in_the_bin(self, key: Key) -> bool:
        """Whether the garbage's own worker deletes it. Without that its whole account was emptied."""
        return self._estate.get(key.account, key.region, "garbage", key.id) is not None

    # Volumes

    async def _volume(self, key: Key, record: Record) -> None:
        if record["State"] == "deleting":
            await self._delete_data(key.id)
            await asyncio.to_thread(self._forget, key)
            return
        if record["State"] == "creating":
            await self.make(record)
            await asyncio.to_thread(self._note, key, {"State": "available", "_New": False}, was="creating")
            return
        attachment = record["Attachments"][0] if record["Attachments"] else None
        if record.get("_Root"):
            await self.root_disks.drive(key, record)
        elif attachment:
            if attachment["State"] == "attaching" and self._made(key, attachment["InstanceId"]):
                await self.attach(key)
            elif attachment["State"] == "attaching" and self._unmade(key, attachment["InstanceId"]):
                await self.fill(key, record)
                await asyncio.to_thread(self._note_attachment, key, "attaching", "attached")
            elif attachment["State"] in ("detaching", "busy"):
                await self._detach(key, record)
        if (record.get("_Modification") or {}).get("ModificationState") == "modifying":
            await self._grow(key, record)

    async def make(self, record: Record) -> None:
        """The volume's data: empty, or that of its snapshot."""
        snapshot_id = None if record.get("_Blank") else record["SnapshotId"] or None
        if snapshot_id and record.get("_FromRoot"):
            tree = self._machines.roots.tree(snapshot_id)
            await self._machines.volumes.create_from_root(record["VolumeId"], record["Size"], tree)
        else:
            await self._machines.volumes.create(record["VolumeId"], record["Size"], snapshot_id)

    def _made(self, key: Key, instance_id: str) -> bool:
        """Whether the machine is there. Until then the launch attaches: Incus must not be asked to change a
        machine it is still making."""
        instance = self._estate.get(key.account, key.region, "instance", instance_id)
        return instance is not None and bool(instance.get("_Made"))

    def _unmade(self, key: Key, instance_id: str) -> bool:
        """Whether the instance is stopped and has no machine: its next start makes one, with this volume."""
        instance = self._estate.get(key.account, key.region, "instance", instance_id)
        return instance is not None and states.name(instance) == "stopped" and not instance.get("_Made")

    async def fill(self, key: Key, record: Record) -> None:
        """Have the volume's file there, whatever its data is now."""
        if record.get("_RootSnapshot"):
            await self.root_disks.as_file(key, record)
        elif record.get("_New"):
            await self.make(record)

    async def attach(self, key: Key) -> None:
        """Attach the volume to its machine, which has to be there."""
        record = self._estate.get(key.account, key.region, "volume", key.id)
        if record is None or not record["Attachments"]:
            return
        attachment = record["Attachments"][0]
        await self.fill(key, record)
        await self._machines.volumes.attach(
            key.id, attachment["InstanceId"], inside_name(attachment["Device"])
        )
        await asyncio.to_thread(self._note_attachment, key, "attaching", "attached")

    async def _detach(self, key: Key, record: Record) -> None:
        try:
            await self._machines.volumes.detach(key.id, force=bool(record.get("_ForceDetach")))
        except Busy:
            await asyncio.to_thread(self._note_attachment, key, "detaching", "busy")
            raise
        await asyncio.to_thread(self._note_detached, key)

    async def _grow(self, key: Key, record: Record) -> None:
        modification = record["_Modification"]
        size = modification["TargetSize"]
        if record.get("_RootSnapshot"):
            pass  # it becomes that large when it is attached
        elif record.get("_AsRoot"):
            raise Busy(f"{key.id} is being attached")
        elif record.get("_Root"):
            instance_id = record["Attachments"][0]["InstanceId"]
            await self._machines.grow_root(instance_id, size)
        else:
            await self._machines.volumes.grow(key.id, size)
        done = {
            **modification,
            "ModificationState": "completed",
            "Progress": 100,
            "EndTime": dt.datetime.now(dt.UTC),
        }
        await asyncio.to_thread(self._note, key, {"Size": size, "_Modification": done})

    async def _delete_data(self, volume_id: str) -> None:
        await self._machines.volumes.delete(volume_id)
        await self._machines.roots.delete(volume_id)

    async def remove_leftovers(self) -> None:
        """Remove the data that no record wants, before anything else is done: a crash left it.

        Without any record nothing is removed: the settings may name another database than they used to.
        """
        records = {key.id: record for kind in _WITH_DATA for key, record in self._estate.everywhere(kind)}
        if not records:
            return
        volumes, roots = self._machines.volumes, self._machines.roots
        machines, files, snapshots, trees = await asyncio.gather(
            self._machines.states(), volumes.list(), volumes.snapshots(), roots.list()
        )
        for id in files:
            if id not in records or not has_file(records[id]):
                await self._remove(id, volumes.delete)
        for id in snapshots:
            if id not in records:
                await self._remove(id, volumes.delete_snapshot)
        for id in trees:
            record = records.get(id)
            if record is None or (
                is_in_machine(record) and record["Attachments"][0]["InstanceId"] in machines
            ):
                await self._remove(id, roots.delete)

    @staticmethod
    async def _remove(id: str, delete: Callable[[str], Awaitable[None]]) -> None:
        log.warning("data of %s that nothing wants is removed", id)
        try:
            await delete(id)
        except MachineError as error:
            log.warning("data of %s could not be removed: %s", id, error)

    # Snapshots

    async def _snapshot(self, key: Key, record: Record) -> None:
        if record["State"] != "pending":
            return
        if source := record.get("_CopyOf"):
            await self._copy(source, key.id, root=is_root(record))
        elif record.get("_Root"):
            await self._snapshot_root(key, record)
        elif record.get("_RootSnapshot"):
            await self._machines.roots.copy(record["VolumeId"], key.id)
        else:
            await self._flush(key, record["VolumeId"])
            await self._machines.volumes.snapshot(record["VolumeId"], key.id)
        await asyncio.to_thread(self._note_snapshot, key)

    async def _copy(self, source: str, target: str, *, root: bool) -> None:
        if root:
            await self._machines.roots.copy(source, target)
        else:
            await self._machines.volumes.copy_snapshot(source, target)

    async def _snapshot_root(self, key: Key, record: Record) -> None:
        volume = self._estate.get(key.account, key.region, "volume", record["VolumeId"])
        if volume is not None and volume.get("_AsRoot"):
            raise Busy(f"{record['VolumeId']} is being attached")
        if volume is None or volume.get("_RootSnapshot") or not volume["Attachments"]:
            # It has no machine now; the disk may have been kept under the volume's id.
            await self._machines.roots.copy(record["VolumeId"], key.id)
            return
        instance_id = volume["Attachments"][0]["InstanceId"]
        await self._sync(key, instance_id)
        await self._machines.roots.snapshot(instance_id, key.id)

    async def _flush(self, key: Key, volume_id: str) -> None:
        volume = self._estate.get(key.account, key.region, "volume", volume_id)
        for attachment in volume["Attachments"] if volume else ():
            await self._sync(key, attachment["InstanceId"])

    async def _sync(self, key: Key, instance_id: str) -> None:
        """Have a running instance write out what it holds in memory."""
        instance = self._estate.get(key.account, key.region, "instance", instance_id)
        if instance is None or states.name(instance) != "running":
            return
        try:
            await self._machines.exec(instance_id, ["sync"], timeout_s=20)
        except MachineError as error:
            log.warning("instance %s did not sync before its snapshot: %s", instance_id, error)

    async def _garbage(self, key: Key, record: Record) -> None:
        if record["What"] == "root-snapshot":
            await self._machines.roots.delete(key.id)
        else:
            await self._machines.volumes.delete_snapshot(key.id)
        await asyncio.to_thread(self._forget, key)

    # Notes in the store

    def _forget(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            change.delete(key.kind, key.id)

    def _note(self, key: Key, members: Record, *, was: str | None = None) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get(key.kind, key.id)
            if record is not None and was in (None, record["State"]):
                change.put(key.kind, key.id, {**record, **members})

    def _note_attachment(self, key: Key, was: str, now: str) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("volume", key.id)
            if record is None or not record["Attachments"] or record["Attachments"][0]["State"] != was:
                return
            attachment = {**record["Attachments"][0], "State": now}
            change.put("volume", key.id, {**record, "Attachments": [attachment], "_New": False})

    def _note_detached(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("volume", key.id)
            if record is not None and record["Attachments"]:
                free = {"State": "available", "Attachments": [], "_ForceDetach": False}
                change.put("volume", key.id, {**record, **free})

    def _note_snapshot(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            record = change.get("snapshot", key.id)
            if record is None:
                return
            done = {"State": "completed", "Progress": "100%", "CompletionTime": dt.datetime.now(dt.UTC)}
            change.put("snapshot", key.id, {**record, **done})
            instance_id = record.get("_Reboot")
            instance = change.get("instance", instance_id) if instance_id else None
            if instance is not None and states.name(instance) == "running":
                change.put("instance", instance["InstanceId"], {**instance, "_Reboot": True})
            for image in change.all("image"):
                if image["State"] == "pending" and key.id in snapshots_of(image):
                    # Looked at again by its own worker, which sees all of its snapshots.
                    change.put("image", image["ImageId"], {**image, "_Seen": key.id})

    def _note_image(self, key: Key) -> None:
        with self._estate.change(key.account, key.region) as change:
            image = change.get("image", key.id)
            if image is None or image["State"] != "pending":
                return
            snapshots = [change.get("snapshot", id) for id in snapshots_of(image)]
            if all(snapshot is None or snapshot["State"] == "completed" for snapshot in snapshots):
                change.put("image", key.id, {**image, "State": "available"})
