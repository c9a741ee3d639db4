"""Machines: made, started, stopped, changed, watched and removed, through Incus."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from undercast.machines import firstboot, instance, mend
from undercast.machines.disks import DiskViews
from undercast.machines.errors import Conflict, MachineError, NotFound, Unavailable
from undercast.machines.execute import execute
from undercast.machines.images.library import Images
from undercast.machines.incus import Incus, instance_path
from undercast.machines.nics import attach_nic, detach_nic
from undercast.machines.places import places
from undercast.machines.roots import Roots
from undercast.machines.setup import daemon, limits, project
from undercast.machines.spec import (
    Capability,
    EventKind,
    ExecResult,
    MachineEvent,
    MachineFile,
    MachineSpec,
    MachineState,
    NicSpec,
)
from undercast.machines.volumes import Volumes
from undercast.settings import Settings

_STARTING = Capability(False, "Incus is being started. Try again in a moment.")


class Machines:
    """All machines of one server. Every method is idempotent, so a caller that crashed may just ask again."""

    def __init__(self, settings: Settings) -> None:
        self.places = places(settings)
        self.incus = Incus(self.places.project)
        self.images = Images(self.incus)
        self.roots = Roots(self.incus, self.places)
        self._views = DiskViews(self.places)
        self.volumes = Volumes(self.incus, self.places, self._views)
        self._enabled = settings.servers_enabled
        self._capability = _STARTING

    async def start(self) -> None:
        """See what this machine can do, starting Incus where we are the ones who start it. Never raises."""
        if not self._enabled:
            self._capability = Capability(False, "Servers are turned off (the setting servers_enabled).")
            return
        if os.geteuid() != 0:
            self._capability = Capability(False, "Servers need root. Run Undercast as root (sudo).")
            return
        try:
            await asyncio.to_thread(limits.raise_low)
            await asyncio.to_thread(daemon.ensure_running)
            await project.ensure_pool(self.incus)
            await project.sweep_projects(self.incus)
            await project.ensure_project(self.incus, self.places)
            await self.volumes.recover()
            await mend.mend(self.incus)
        except (MachineError, OSError) as error:
            self._capability = Capability(False, str(error))
            return
        await self.refresh_capability()

    async def close(self) -> None:
        """Let go of Incus; machines keep running."""
        await self.incus.close()

    def capability(self) -> Capability:
        """What this machine can run, as last asked."""
        return self._capability

    async def refresh_capability(self) -> Capability:
        """Ask Incus and the kernel again."""
        try:
            server = await self.incus.get("/1.0")
            resources = await self.incus.get("/1.0/resources")
        except MachineError as error:
            self._capability = Capability(False, str(error))
            return self._capability
        environment = server["environment"]
        cards = (resources.get("gpu") or {}).get("cards") or []
        self._capability = Capability(
            available=True,
            reason="",
            version=environment["server_version"],
            vms="qemu" in environment.get("driver", ""),
            gpus=tuple(card["pci_address"] for card in cards if card.get("nvidia") or card.get("drm")),
            cpus=len(os.sched_getaffinity(0)),
            memory_mib=int(resources["memory"]["total"]) >> 20,
            architecture=environment["kernel_architecture"],
        )
        return self._capability

    # Life

    async def create(self, spec: MachineSpec) -> None:
        """Make a machine with disk, keys and files in place, not started. One that exists is left as it is.

        Raises:
            NotFound: no such image or root snapshot.
            NoCapacity: no room for its disk.
        """
        source: dict[str, Any] = {"type": "image", "fingerprint": spec.image}
        if spec.root_snapshot:
            source = self.roots.source(spec.root_snapshot)
        elif not _is_fingerprint(spec.image):
            source["fingerprint"] = (await self.images.resolve(spec.image)).fingerprint
        body = {
            "name": spec.name,
            "type": "container",
            "source": source,
            "profiles": [],
            "config": instance.config(spec, self._views.lxc(spec.name)),
            "devices": instance.devices(self.places, spec),
        }
        rootfs = self.places.rootfs(spec.name)
        await asyncio.to_thread(self._views.prepare, spec.name, spec.root_gib)
        try:
            await self.incus.run("POST", "/1.0/instances", body, timeout_s=120)
        except Conflict:
            if not await self._half_made(spec.name):
                return
            await self.incus.run("DELETE", instance_path(spec.name), timeout_s=60)
            await self.incus.run("POST", "/1.0/instances", body, timeout_s=120)
        await asyncio.to_thread(firstboot.prepare, rootfs, spec)

    async def _half_made(self, name: str) -> bool:
        """Whether a crash left a machine of this name that was never finished, and so never ran."""
        found = await self.incus.get(instance_path(name))
        if found["status"] != "Stopped" or instance.moment(found.get("last_used_at")):
            return False
        return not await asyncio.to_thread(firstboot.is_prepared, self.places.rootfs(name), name)

    async def launch(self, spec: MachineSpec) -> None:
        """`create` and `start_machine` in one go."""
        await self.create(spec)
        await self.start_machine(spec.name)

    async def start_machine(self, name: str, timeout_s: float = 60.0) -> None:
        """Boot a machine; one that runs already is left running."""
        await self.volumes.machine_starting(name)
        await mend.start(self.incus, name, timeout_s)

    async def stop_machine(self, name: str, force: bool = False, timeout_s: float = 30.0) -> None:
        """Shut a machine down; one that does not follow within the limit loses its power, as on EC2."""
        if force or not await self._gently(name, timeout_s):
            await self._stop_hard(name)

    async def _stop_hard(self, name: str) -> None:
        try:
            await self._change(name, "stop", force=True, timeout_s=30)
        except MachineError as error:
            if "already stopped" not in str(error).lower():
                raise

    async def reboot(self, name: str, timeout_s: float = 30.0) -> None:
        """Restart a machine; one that does not shut down within the limit is reset.

        Stopped and started in two steps: Incus's own restart leaves a machine standing that went down a
        moment after its patience had ended.
        """
        await self.stop_machine(name, timeout_s=timeout_s)
        await self.start_machine(name)

    async def _gently(self, name: str, timeout_s: float) -> bool:
        """Ask its init, and ask again: one that has only just begun to boot does not hear the first time."""
        deadline = time.monotonic() + timeout_s
        patience = 2.0
        while (left := deadline - time.monotonic()) > 0:
            try:
                await self._change(name, "stop", timeout_s=min(patience, left))
                return True
            except (NotFound, Unavailable):
                raise
            except MachineError as error:
                if "already stopped" in str(error).lower():
                    return True
                patience *= 2
        return False

    async def freeze(self, name: str) -> None:
        """Stop all its processes where they are; memory stays."""
        await self._change(name, "freeze", timeout_s=30)

    async def thaw(self, name: str) -> None:
        """Let a frozen machine go on."""
        await self._change(name, "unfreeze", timeout_s=30)

    async def delete(self, name: str) -> None:
        """Remove a machine and its root disk, whatever it is doing. One that is gone already is no error."""
        try:
            await self._stop_hard(name)
            await self.incus.run("DELETE", instance_path(name), timeout_s=60)
        except NotFound:
            pass
        await self.volumes.machine_gone(name)
        await asyncio.to_thread(self._views.drop, name)

    async def _change(self, name: str, action: str, *, force: bool = False, timeout_s: float) -> None:
        body = {"action": action, "force": force, "timeout": max(int(timeout_s), 1)}
        await self.incus.run("PUT", instance_path(name, "state"), body, timeout_s=timeout_s + 5)

    # Change

    async def resize(self, name: str, vcpus: int, memory_mib: int) -> None:
        """Give a machine other limits."""
        await self._patch(name, {"config": instance.size(vcpus, memory_mib)})

    async def grow_root(self, name: str, gib: int) -> None:
        """Make the root disk larger; the machine sees it at once."""
        await asyncio.to_thread(self._views.prepare, name, gib)
        await self._patch(name, {"devices": {"root": instance.root_disk(self.places, gib)}})

    async def label(self, name: str, labels: Mapping[str, str]) -> None:
        """Add or replace labels."""
        await self._patch(name, {"config": instance.labels(labels)})

    async def attach_nic(self, name: str, nic: NicSpec) -> None:
        """Give a machine one more interface, also while it runs."""
        await attach_nic(self.incus, name, nic)

    async def detach_nic(self, name: str, device: str) -> None:
        """Take an interface away, also while it runs. One that is gone already is no error."""
        await detach_nic(self.incus, name, device)

    async def _patch(self, name: str, change: dict[str, Any]) -> None:
        await self.incus.run("PATCH", instance_path(name), change, timeout_s=60)

    # Watch

    async def states(self) -> dict[str, MachineState]:
        """All machines by name."""
        found = await self.incus.all("/1.0/instances")
        return {
            one["name"]: instance.state(one)
            for one in found
            if one.get("config", {}).get(instance.KIND) == instance.MACHINE
        }

    async def pid(self, name: str) -> int:
        """The machine's init as the host sees it, 0 when it does not run."""
        return max(int((await self.incus.get(instance_path(name, "state")))["pid"]), 0)

    async def events(self) -> AsyncIterator[MachineEvent]:
        """What happens to machines, for ever. RESYNC comes first and after every broken connection."""
        async for message in self.incus.events():
            if message is None:
                with contextlib.suppress(MachineError):
                    await mend.mend(self.incus)
                yield MachineEvent("", EventKind.RESYNC)
            elif found := instance.event(message):
                yield found

    async def console_output(self, name: str) -> bytes:
        """What the machine wrote to its console since it booted (a ring buffer of Incus's)."""
        try:
            async with self.incus.stream("GET", instance_path(name, "console")) as response:
                return await response.read()
        except NotFound:
            await self.incus.get(instance_path(name))
            return b""

    # Reach in

    async def exec(
        self,
        name: str,
        argv: Sequence[str],
        *,
        timeout_s: float = 30.0,
        user: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> ExecResult:
        """Run a command inside and wait for its end.

        Raises:
            TimedOut: it did not end within the limit; it was killed.
        """
        return await execute(
            self.incus, name, argv, timeout_s=timeout_s, user=user, environment=environment or {}
        )

    async def push_file(self, name: str, path: str, file: MachineFile) -> None:
        """Write a file inside a machine, also while it runs."""
        headers = {
            "X-Incus-type": "file",
            "X-Incus-write": "overwrite",
            "X-Incus-mode": f"{file.mode:04o}",
            "X-Incus-uid": str(file.uid),
            "X-Incus-gid": str(file.gid),
            "Content-Type": "application/octet-stream",
        }
        await self.incus.request(
            "POST", instance_path(name, "files"), file.content, query={"path": path}, headers=headers
        )

    async def read_file(self, name: str, path: str) -> bytes:
        """The contents of a file inside a machine."""
        async with self.incus.stream("GET", instance_path(name, "files"), query={"path": path}) as response:
            return await response.read()


def _is_fingerprint(text: str) -> bool:
    return len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)
