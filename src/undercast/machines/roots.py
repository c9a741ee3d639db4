"""Snapshots of root disks: what CreateSnapshot and CreateImage keep of a machine.

A snapshot is a copy of the instance that is never started. On btrfs the copy shares all blocks, so it takes a
tenth of a second, and it outlives the machine it was taken from.
"""

from __future__ import annotations

from typing import Any

from undercast.machines import instance
from undercast.machines.errors import Conflict, NotFound
from undercast.machines.incus import Incus, instance_path
from undercast.machines.places import Places


class Roots:
    """The root snapshots of one server, by EC2's snapshot ids."""

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
        """A second snapshot with the same contents."""
        await self._copy(snapshot_id, copy_id)

    async def _copy(self, source: str, target: str) -> None:
        body = {
            "name": target,
            "type": "container",
            "profiles": [],
            "source": {"type": "copy", "source": source, "instance_only": True, "allow_inconsistent": True},
            "config": {instance.KIND: instance.ROOT_SNAPSHOT},
            "devices": {"root": instance.root_disk(self._places, 0)},
        }
        try:
            await self._incus.run("POST", "/1.0/instances", body, timeout_s=300)
        except Conflict:
            return

    def source(self, snapshot_id: str) -> dict[str, Any]:
        """What Incus makes a machine from whose root disk is this snapshot."""
        return {"type": "copy", "source": snapshot_id, "instance_only": True}

    async def list(self) -> list[str]:
        """The ids of all root snapshots."""
        found = await self._incus.all("/1.0/instances")
        return [one["name"] for one in found if one["config"].get(instance.KIND) == instance.ROOT_SNAPSHOT]

    async def delete(self, snapshot_id: str) -> None:
        """Remove a snapshot; machines made from it keep their disks. One that is gone already is no error."""
        try:
            await self._incus.run("DELETE", instance_path(snapshot_id), timeout_s=120)
        except NotFound:
            return
