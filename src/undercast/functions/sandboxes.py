"""The factory of execution environments on this machine.

    spec ─► runtime (runtimes.py) ─► zygote (zygotes.py) ──fork──► process 1 (inside/init.py)
         └► cell: user, cgroups, network, /tmp (cells.py), code and layers as detached mounts ─┘

The server itself never forks for an environment and waits for nothing on the way but process 1's report.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from undercast.functions import clients, packet_filter
from undercast.functions.cells import Cells
from undercast.functions.cgroups import Cgroups, CgroupsMissing
from undercast.functions.env_network import AddressBlock, Networks, NoAddresses
from undercast.functions.inside import kernel
from undercast.functions.packet_filter import FilterUnavailable
from undercast.functions.runtimes import Runtimes
from undercast.functions.sandbox import Sandbox
from undercast.functions.spec import Capability, Runtime, SandboxError, SandboxSpec
from undercast.functions.tmp_disks import DisksUnavailable, TmpDisks
from undercast.functions.zygotes import Zygote

log = logging.getLogger(__name__)

FIRST_USER = 1_900_000_000  # far above what systems and user namespaces hand out (subuid(5))
USERS = 2048  # of one server, and so the number of environments it can have at a time
_SERVERS = 65536
_POOL = 8
_POOL_TMP_MB = 512  # AWS's default size of /tmp
_DESCRIPTORS = 65536
_READ_ONLY = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV
_BARE = "bare"


def users_of(host_id: str) -> range:
    """The users that belong to a server, by its host id."""
    first = FIRST_USER + int(host_id, 16) % _SERVERS * USERS
    return range(first, first + USERS)


class Sandboxes:
    """Makes environments. One per server, on one event loop."""

    def __init__(
        self,
        root: Path,
        host_id: str,
        *,
        runtime_fallback: bool = True,
        cache: Path | None = None,
        pool: int = _POOL,
    ) -> None:
        self._root = root
        self._host_id = host_id
        self._pool = pool
        self._users = users_of(host_id)
        self._runtimes = Runtimes(cache or clients.default_cache(), fallback=runtime_fallback)
        self._zygotes: dict[str, asyncio.Task[Zygote]] = {}
        self._cells: Cells | None = None
        self._networks: Networks | None = None
        self._cgroups: Cgroups | None = None
        self._block: AddressBlock | None = None
        self._alive: set[Sandbox] = set()
        self.capability = Capability(False, "functions have not been started")

    async def start(self) -> None:
        """Removes what an earlier run left and prepares the first environments. Never raises for what the machine
        lacks: `capability` then says so, and `create` refuses with the same words."""
        if os.geteuid() != 0:
            self.capability = Capability(False, "functions need root: run undercast as root (sudo undercast up)")
            return
        notes: list[str] = []
        try:
            await asyncio.to_thread(self._prepare, notes)
        except (CgroupsMissing, NoAddresses, DisksUnavailable, OSError, ValueError) as error:
            self.capability = Capability(False, f"functions cannot run on this machine: {error}")
            log.warning("%s", self.capability.reason)
            return
        self.capability = Capability(True, None, tuple(notes))

    def _prepare(self, notes: list[str]) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))
        self._cgroups = Cgroups(self._host_id)
        self._cgroups.start()
        self._block = self._egress(notes)
        self._networks = Networks(self._host_id, self._block)
        self._networks.sweep()
        disks = TmpDisks(self._root / "tmp")
        disks.prepare(_POOL_TMP_MB)
        self._cells = Cells(self._users, self._cgroups, self._networks, disks, self._pool, _POOL_TMP_MB)
        self._cells.start()

    def _egress(self, notes: list[str]) -> AddressBlock | None:
        """Without a packet filter no environment may have a cable: it would reach the host."""
        block = AddressBlock(self._host_id)
        try:
            packet_filter.apply(self._host_id, block.network)
        except FilterUnavailable as error:
            block.close()
            notes.append(f"functions have no network beyond themselves: {error}")
            log.warning("%s", notes[-1])
            return None
        return block

    def runtimes(self) -> Mapping[str, Runtime]:
        """What this machine offers, by AWS's identifier."""
        return self._runtimes.found

    async def prepare(self, runtime: str) -> Runtime:
        """Gets a runtime ready: installs its client if need be and starts its zygote. Raises SandboxError."""
        await self._zygote(runtime)
        return self._runtimes.get(runtime)

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """An environment for a function version, isolated and running. Raises SandboxError."""
        if self._cells is None or not self.capability.available:
            raise SandboxError(self.capability.reason or "functions are not available")
        zygote = await self._zygote(spec.runtime)
        try:
            return await self._create(spec, zygote, self._cells)
        except (OSError, NoAddresses, DisksUnavailable) as error:
            raise SandboxError(f"the environment could not be made: {error}") from error

    async def _create(self, spec: SandboxSpec, zygote: Zygote, cells: Cells) -> Sandbox:
        cell = await cells.take(spec.tmp_mb)
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as handed:
            undo.callback(cells.give_back, cell)
            fds = {"net": cell.network.namespace, "tmp": cell.tmp}
            for name, descriptor in cell.cgroup.join_descriptors().items():
                fds[name] = descriptor
                handed.callback(os.close, descriptor)
            for name, descriptor in _mounts(spec).items():
                fds[name] = descriptor
                handed.callback(os.close, descriptor)
            cell.cgroup.limit_memory(spec.memory_mb)
            control, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            fds["control"] = handed.enter_context(there).fileno()
            channel = None
            if spec.argv is None:
                channel, inside = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
                channel.setblocking(False)
                fds["channel"] = handed.enter_context(inside).fileno()
            stdout, fds["stdout"] = os.pipe2(os.O_CLOEXEC)
            handed.callback(os.close, fds["stdout"])
            os.set_blocking(stdout, False)
            sandbox = Sandbox(
                cell,
                memory_mb=spec.memory_mb,
                control=control,
                channel=channel,
                stdout=stdout,
                give_back=self._give_back,
            )
            undo.pop_all()
            self._alive.add(sandbox)
            try:
                await zygote.fork(_request(spec, cell.user, str(cell.network.address)), fds)
                handed.close()
                os.close(cell.tmp)
                cell.tmp = -1
                await sandbox.until_ready()
            except BaseException:
                await self._discard(sandbox)
                raise
        return sandbox

    async def _zygote(self, runtime: str) -> Zygote:
        """The zygote that environments of a runtime come from, started on first use."""
        self._runtimes.get(runtime)
        task = self._zygotes.get(runtime)
        if task is not None and task.done() and (task.cancelled() or task.exception() or not task.result().alive):
            task = None
        if task is None:
            task = self._zygotes[runtime] = asyncio.create_task(self._start_zygote(runtime))
        return await asyncio.shield(task)

    async def _start_zygote(self, name: str) -> Zygote:
        runtime, client = await self._runtimes.prepare(name)
        own = Path(sys.base_prefix)
        interpreter = runtime.interpreter if runtime.zygote else None
        return await Zygote.start(
            name,
            self._root,
            interpreter=interpreter or own / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}",
            prefix=runtime.prefix if runtime.zygote else own,
            users=self._users,
            client=client,
            preload=runtime.zygote,
        )

    def _give_back(self, sandbox: Sandbox) -> None:
        self._alive.discard(sandbox)
        if self._cells is not None:
            self._cells.give_back(sandbox.cell)

    async def _discard(self, sandbox: Sandbox) -> None:
        """After a failure: nobody else knows this sandbox."""
        sandbox.cell.cgroup.kill()
        await sandbox.destroy()

    async def close(self) -> None:
        """Ends every environment and removes everything this server made on the host. Idempotent."""
        await asyncio.gather(*(sandbox.destroy() for sandbox in list(self._alive)), return_exceptions=True)
        for task in self._zygotes.values():
            if task.done() and not task.cancelled() and task.exception() is None:
                task.result().close()
            else:
                task.cancel()
        self._zygotes.clear()
        if self.capability.available:
            self.capability = Capability(False, "functions have been stopped")
            await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        if self._cells is not None:
            self._cells.close()
        if self._cgroups is not None:
            self._cgroups.sweep()
        if self._networks is not None:
            self._networks.close()
        if self._block is not None:
            with contextlib.suppress(FilterUnavailable):
                packet_filter.remove(self._host_id)
            self._block.close()


def _request(spec: SandboxSpec, user: int, address: str) -> dict[str, object]:
    """What process 1 is told."""
    return {
        "argv": None if spec.argv is None else list(spec.argv),
        "env": dict(spec.env),
        "hold": spec.hold,
        "user": user,
        "host": address.replace(".", "-"),
    }


def _mounts(spec: SandboxSpec) -> dict[str, int]:
    """The function's code and layers, read-only, as detached mounts. Raises OSError."""
    found = {"code": _read_only(spec.code)}
    try:
        if len(spec.layers) == 1:
            found["layers"] = _read_only(spec.layers[0])
        elif spec.layers:
            # overlayfs searches the first directory first; a later layer wins
            lower = ":".join(str(layer).replace("\\", "\\\\").replace(":", "\\:") for layer in reversed(spec.layers))
            found["layers"] = kernel.new_mount("overlay", [("lowerdir", lower)], _READ_ONLY)
    except BaseException:
        os.close(found["code"])
        raise
    return found


def _read_only(directory: Path) -> int:
    descriptor: int = kernel.open_tree(directory)
    try:
        kernel.mount_setattr(descriptor, _READ_ONLY)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
