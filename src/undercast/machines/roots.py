"""Root disks apart from their machines: what CreateSnapshot, CreateImage and a detached root volume are.

Each is an instance of Incus that is never started. On btrfs making one shares all blocks, so it takes a tenth
of a second, and it outlives the machine it was taken from. Until it is whole it is marked as a draft.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from undercast.machines import firstboot, instance, root_files
from undercast.machines.errors import NotFound
from undercast.machines.incus import Incus, instance_path
from undercast.machines.places import Places


class Roots:
    """The root disks of one server, by EC2's ids of snapshots and volumes."""

    def __init__(self, incus: Incus, places: Places) -> None:
        self._incus = incus
        self._places = places

    async def snapshot(self, machine: str, snapshot_id: str) -> None:
        """Keep the root disk of a machine (running or not) as it is now. One that exists stays as it is.

        Raises:
            NotFound: there is no such machine.
        """
        await self._copy(machine, snapshot_id)

    async def copy(self, snapshot_id: str, copy_id: str) -> None:
        """A second one with the same contents. One that exists stays as it is."""
        await self._copy(snapshot_id, copy_id)

    async def take_out(self, machine: str, volume_id: str) -> bool:
        """Keep the root disk of a machine that is about to be removed, in place of what had the id before.

        False when there is no such machine (any more): then what is kept stays as it is.
        """
        try:
            await self._incus.get(instance_path(machine))
        except NotFound:
            return False
        await self.delete(volume_id)
        await self._copy(machine, volume_id)
        return True

    async def read(self, file: Path, volume_id: str) -> None:
        """Keep the ext4 file system in a volume's file as a root disk, in place of what had the id before.

        Raises:
            MachineError: there is none that could be read.
        """
        await self.delete(volume_id)
        await self._draft(volume_id, {"type": "none"})
        tree = self.tree(volume_id)
        await asyncio.to_thread(tree.mkdir, mode=0o755, exist_ok=True)
        await root_files.to_tree(file, tree, self._places.volumes / "mounted")
        await self._finish(volume_id)

    async def _copy(self, source: str, target: str) -> None:
        if await self._whole(target):
            return
        await self._draft(
            target, {"type": "copy", "source": source, "instance_only": True, "allow_inconsistent": True}
        )
        await self._finish(target)

    async def _draft(self, target: str, source: dict[str, Any]) -> None:
        body = {
            "name": target,
            "type": "container",
            "profiles": [],
            "source": source,
            "config": {instance.KIND: instance.ROOT_DRAFT},
            "devices": {"root": instance.root_disk(self._places, 0)},
        }
        await self._incus.run("POST", "/1.0/instances", body, timeout_s=300)

    async def _finish(self, target: str) -> None:
        await asyncio.to_thread(firstboot.retire, self.tree(target))
        whole = {"config": {instance.KIND: instance.ROOT_SNAPSHOT}}
        await self._incus.run("PATCH", instance_path(target), whole)

    async def _whole(self, target: str) -> bool:
        """Whether it is there already. What a crash has left of an attempt is removed."""
        try:
            found = await self._incus.get(instance_path(target))
        except NotFound:
            return False
        if found["config"].get(instance.KIND) == instance.ROOT_SNAPSHOT:
            return True
        await self.delete(target)
        return False

    def tree(self, snapshot_id: str) -> Path:
        """Where its files are."""
        return self._places.rootfs(snapshot_id)

    def source(self, snapshot_id: str) -> dict[str, Any]:
        """What Incus makes a machine from whose root disk is this one."""
        return {"type": "copy", "source": snapshot_id, "instance_only": True}

    async def list(self) -> list[str]:
        """The ids of all there are, drafts as well."""
        kinds = (instance.ROOT_SNAPSHOT, instance.ROOT_DRAFT)
        found = await self._incus.all("/1.0/instances")
        return [one["name"] for one in found if one["config"].get(instance.KIND) in kinds]

    async def delete(self, snapshot_id: str) -> None:
        """Remove one; machines made from it keep their disks. One that is gone already is no error."""
        try:
            await self._incus.run("DELETE", instance_path(snapshot_id), timeout_s=120)
        except NotFound:
            return
