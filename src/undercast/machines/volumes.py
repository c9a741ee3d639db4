"""Volumes: raw files on the pool, shown to machines as block devices through loop devices.

What is attached where is written in Incus itself, as a device of the machine, and is read back from there. A
machine refers to its volume by a device node of our own (`/dev/undercast-<host id>/<volume>`), because the
number of a loop device is another one after each boot.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import fcntl
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undercast.machines import holders, instance, loop, root_files
from undercast.machines.disks import DiskViews
from undercast.machines.errors import Busy, Conflict, MachineError, NotFound
from undercast.machines.incus import Incus, instance_path
from undercast.machines.places import Places
from undercast.machines.rootfs import is_plain_name

GIB = 1 << 30
_FICLONE = 0x40049409  # <linux/fs.h>


@dataclass(frozen=True, slots=True)
class VolumeState:
    """A volume as it is: its size and, when attached, to which machine and as which device inside."""

    volume_id: str
    size_gib: int
    machine: str | None = None
    device: str | None = None


class Volumes:
    """The volumes of one server. Every method may be called again after a crash."""

    def __init__(self, incus: Incus, places: Places, views: DiskViews) -> None:
        self._incus = incus
        self._views = views
        self._files = places.volumes
        self._snapshots = places.volumes / "snapshots"
        self._nodes = places.nodes
        self._attached: dict[str, tuple[str, str]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def recover(self) -> None:
        """Learn from Incus what is attached, and bind loop devices again that a reboot has lost."""
        self._attached = {}
        for one in await self._incus.all("/1.0/instances"):
            await asyncio.to_thread(self._restore_view, one)
            for name, device in one["devices"].items():
                if device["type"] == "unix-block" and device.get("source", "").startswith(f"{self._nodes}/"):
                    self._attached[name] = (one["name"], device["path"])
        await asyncio.to_thread(self._tidy, set(self._attached))
        for volume_id in self._attached:
            if self._file(volume_id).exists():
                await asyncio.to_thread(self._bind, volume_id)
                await asyncio.to_thread(self._show, volume_id)

    def _restore_view(self, found: Mapping[str, Any]) -> None:
        if found["config"].get(instance.KIND) == instance.MACHINE and not self._views.exists(found["name"]):
            size = found["devices"].get("root", {}).get("size", "0GiB")
            self._views.prepare(found["name"], int(size.removesuffix("GiB")))

    def _show(self, volume_id: str) -> None:
        """Let the machine's list of disks have the volume, at its present size."""
        if where := self._attached.get(volume_id):
            number = loop.number(str(self._nodes / volume_id))
            self._views.add(*where, number, self._file(volume_id).stat().st_size)

    def _tidy(self, attached: set[str]) -> None:
        """Give back loop devices of ours that no machine has any more, and remove unfinished files."""
        for folder in (self._files, self._snapshots):
            for draft in folder.glob("*.new"):
                draft.unlink(missing_ok=True)
        for node in self._nodes.glob("*") if self._nodes.is_dir() else ():
            if node.name not in attached:
                loop.release(self._file(node.name))
                node.unlink(missing_ok=True)

    def _bind(self, volume_id: str) -> Path:
        device = loop.attach(self._file(volume_id))
        node = self._nodes / volume_id
        loop.make_node(node, device)
        return node

    def _unbind(self, volume_id: str) -> bool:
        if not loop.release(self._file(volume_id)):
            return False
        (self._nodes / volume_id).unlink(missing_ok=True)
        return True

    async def list(self) -> dict[str, VolumeState]:
        """All volumes by id."""
        sizes = await asyncio.to_thread(
            lambda: {file.stem: file.stat().st_size // GIB for file in self._files.glob("*.raw")}
        )
        nowhere = (None, None)
        return {
            volume_id: VolumeState(volume_id, size, *self._attached.get(volume_id, nowhere))
            for volume_id, size in sizes.items()
        }

    # Being

    async def create(self, volume_id: str, gib: int, from_snapshot: str | None = None) -> None:
        """Make a volume, empty or with a snapshot's contents. One that exists is left as it is.

        Raises:
            NotFound: there is no such snapshot.
        """
        await asyncio.to_thread(self._create, volume_id, gib, from_snapshot)

    def _create(self, volume_id: str, gib: int, from_snapshot: str | None) -> None:
        file = self._file(volume_id)
        if file.exists():
            return
        draft = file.with_suffix(".new")
        draft.unlink(missing_ok=True)
        if from_snapshot:
            _clone(self._snapshot(from_snapshot), draft)
        else:
            draft.touch(mode=0o600)
        with draft.open("r+b") as handle:
            handle.truncate(max(gib * GIB, draft.stat().st_size))
        draft.replace(file)

    async def create_from_root(self, volume_id: str, gib: int, tree: Path) -> None:
        """Make a volume with an ext4 file system that has everything of a root disk. One that exists is left.

        Raises:
            NotFound: there is no such root disk.
        """
        file = self._file(volume_id)
        draft = file.with_suffix(".new")

        def begin() -> None:
            draft.unlink(missing_ok=True)
            draft.touch(mode=0o600)
            os.truncate(draft, gib * GIB)

        async with self._lock(volume_id):
            if await asyncio.to_thread(file.exists):
                return
            await asyncio.to_thread(begin)
            await root_files.to_file(tree, draft, self._files / "mounted")
            await asyncio.to_thread(draft.replace, file)

    async def delete(self, volume_id: str) -> None:
        """Remove a volume and what is on it. One that is gone already is no error.

        Raises:
            Busy: it is attached, or still held by a machine it was attached to.
        """
        if volume_id in self._attached:
            raise Busy(f"{volume_id} is attached to {self._attached[volume_id][0]}")
        if not await asyncio.to_thread(self._unbind, volume_id):
            raise Busy(f"{volume_id} is still in use")
        await asyncio.to_thread(self._file(volume_id).unlink, missing_ok=True)

    async def grow(self, volume_id: str, gib: int) -> None:
        """Make a volume larger, also while a machine uses it. Making it smaller is not possible.

        Raises:
            NotFound: there is no such volume.
            Conflict: it is larger already.
        """
        await asyncio.to_thread(self._grow, volume_id, gib)

    def _grow(self, volume_id: str, gib: int) -> None:
        file = self._present(volume_id)
        if file.stat().st_size > gib * GIB:
            raise Conflict(f"{volume_id} is larger than {gib} GiB already")
        with file.open("r+b") as handle:
            handle.truncate(gib * GIB)
        loop.resize(file)
        self._show(volume_id)

    # Snapshots

    async def snapshot(self, volume_id: str, snapshot_id: str) -> None:
        """Keep a volume's contents as they are now; blocks are shared, so that it takes milliseconds.

        Raises:
            NotFound: there is no such volume.
        """
        await asyncio.to_thread(self._keep, self._present(volume_id), snapshot_id)

    async def copy_snapshot(self, snapshot_id: str, copy_id: str) -> None:
        """A second snapshot with the same contents."""
        await asyncio.to_thread(self._keep, self._snapshot(snapshot_id), copy_id)

    def _keep(self, source: Path, snapshot_id: str) -> None:
        self._snapshots.mkdir(mode=0o700, exist_ok=True)
        target = self._snapshots / f"{_safe(snapshot_id)}.raw"
        if target.exists():
            return
        draft = target.with_suffix(".new")
        draft.unlink(missing_ok=True)
        _clone(source, draft)
        draft.replace(target)

    async def snapshots(self) -> builtins.list[str]:
        """The ids of all snapshots."""
        return await asyncio.to_thread(lambda: [file.stem for file in self._snapshots.glob("*.raw")])

    async def delete_snapshot(self, snapshot_id: str) -> None:
        """Remove a snapshot; volumes made from it keep their contents. One that is gone is no error."""
        path = self._snapshots / f"{_safe(snapshot_id)}.raw"
        await asyncio.to_thread(path.unlink, missing_ok=True)

    # Attachment

    async def attach(self, volume_id: str, machine: str, device: str) -> None:
        """Show a volume inside a machine as `device` ("/dev/xvdf"), at once or when the machine next starts.

        "/dev/sdf" becomes "/dev/xvdf", as it does on EC2's Xen types.

        Raises:
            NotFound: there is no such volume or machine.
            Conflict: it is attached to another machine, or held by one it was attached to.
        """
        inside = device.replace("/dev/sd", "/dev/xvd")
        async with self._lock(volume_id):
            await self._attach(volume_id, machine, inside)

    async def _attach(self, volume_id: str, machine: str, device: str) -> None:
        where = self._attached.get(volume_id)
        if where == (machine, device):
            return
        if where:
            raise Conflict(f"{volume_id} is attached to {where[0]} as {where[1]}")
        file = self._present(volume_id)
        bound = await asyncio.to_thread(loop.device_of, file)
        if bound and not await asyncio.to_thread(self._unbind, volume_id):
            # Bound although attached nowhere: the machine that had it before still holds it.
            raise Busy(f"{volume_id} is still in use by the machine it was attached to")
        node = await asyncio.to_thread(self._bind, volume_id)
        entry = {
            "type": "unix-block",
            "source": str(node),
            "path": device,
            "mode": "0660",
            # Otherwise Incus could not start the machine after a reboot, when our node is not there yet.
            "required": "false",
        }
        try:
            await self._incus.run(
                "PATCH", instance_path(machine), {"devices": {volume_id: entry}}, timeout_s=60
            )
        except MachineError:
            with contextlib.suppress(MachineError):
                await asyncio.to_thread(self._unbind, volume_id)
            raise
        self._attached[volume_id] = (machine, device)
        await asyncio.to_thread(self._show, volume_id)

    async def detach(self, volume_id: str, force: bool = False) -> None:
        """Take a volume away from its machine. One that is attached nowhere is no error.

        Raises:
            Busy: it is mounted or open in the machine. Nothing has changed then, unless `force` was given,
                which unmounts it and ends the programs that have files open there.
        """
        async with self._lock(volume_id):
            await self._detach(volume_id, force)

    async def _detach(self, volume_id: str, force: bool) -> None:
        if not (where := self._attached.get(volume_id)):
            await self._let_go(volume_id)
            return
        machine, inside = where
        try:
            pid = max(int((await self._incus.get(instance_path(machine, "state")))["pid"]), 0)
        except NotFound:
            pid = 0
        device = await asyncio.to_thread(loop.device_of, self._file(volume_id))
        if device and pid:
            number = loop.number(device)
            points = await asyncio.to_thread(holders.mount_points, pid, number)
            if points and not force:
                raise Busy(f"{volume_id} is mounted at {points[-1]} in {machine}")
            if force:
                await asyncio.to_thread(holders.release, pid, number)
        await self._forget_device(volume_id, machine)
        del self._attached[volume_id]
        await asyncio.to_thread(self._views.remove, machine, inside)
        await self._let_go(volume_id)

    async def _forget_device(self, volume_id: str, machine: str) -> None:
        path = instance_path(machine)
        try:
            found = await self._incus.get(path)
        except NotFound:
            return
        if found["devices"].pop(volume_id, None):
            await self._incus.run("PUT", path, instance.writable(found), timeout_s=60)

    async def _let_go(self, volume_id: str) -> None:
        """Free the loop device; the kernel needs a moment after the last user is gone."""
        for _ in range(20):
            if await asyncio.to_thread(self._unbind, volume_id):
                return
            await asyncio.sleep(0.05)
        raise Busy(f"{volume_id} is still in use by the machine it was attached to")

    def attachments(self, machine: str) -> dict[str, str]:
        """What a machine has: volume ids and their devices inside."""
        return {volume: device for volume, (owner, device) in self._attached.items() if owner == machine}

    async def machine_starting(self, machine: str) -> None:
        """Bind what a machine is about to need."""
        for volume_id in self.attachments(machine):
            await asyncio.to_thread(self._bind, volume_id)
            await asyncio.to_thread(self._show, volume_id)

    async def machine_gone(self, machine: str) -> None:
        """A machine was removed, and its attachments with it."""
        for volume_id in self.attachments(machine):
            del self._attached[volume_id]
            await self._let_go(volume_id)

    # Files

    def path(self, volume_id: str) -> Path:
        """The volume's file.

        Raises:
            NotFound: there is no such volume.
        """
        return self._present(volume_id)

    def _file(self, volume_id: str) -> Path:
        return self._files / f"{_safe(volume_id)}.raw"

    def _present(self, volume_id: str) -> Path:
        file = self._file(volume_id)
        if not file.exists():
            raise NotFound(f"There is no volume {volume_id}")
        return file

    def _snapshot(self, snapshot_id: str) -> Path:
        file = self._snapshots / f"{_safe(snapshot_id)}.raw"
        if not file.exists():
            raise NotFound(f"There is no snapshot {snapshot_id}")
        return file

    def _lock(self, volume_id: str) -> asyncio.Lock:
        return self._locks.setdefault(volume_id, asyncio.Lock())


def _safe(name: str) -> str:
    if not is_plain_name(name):
        raise NotFound(f"{name!r} is no id of a volume or snapshot")
    return name


def _clone(source: Path, target: Path) -> None:
    """Copy a file by sharing its blocks (FICLONE), or sparsely where the file system cannot share."""
    with source.open("rb") as old, target.open("xb") as new:
        try:
            fcntl.ioctl(new.fileno(), _FICLONE, old.fileno())
            return
        except OSError:
            new.truncate(0)
    argv = ["cp", "--sparse=always", "--", str(source), str(target)]
    subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=3600, check=True)
