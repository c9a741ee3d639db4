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

from undercast.functions import clients, leftovers, locks, packet_filter
from undercast.functions.cells import Cell, Cells
from undercast.functions.cgroups import Cgroups, CgroupsMissing
from undercast.functions.env_network import AddressBlock, Networks, NoAddresses
from undercast.functions.packet_filter import FilterUnavailable
from undercast.functions.reserve import DEPTH, Reserve
from undercast.functions.runtimes import Runtimes
from undercast.functions.sandbox import Sandbox
from undercast.functions.spec import Capability, Runtime, SandboxError, SandboxSpec
from undercast.functions.tmp_disks import DisksUnavailable, TmpDisks
from undercast.functions.zygotes import Zygote

log = logging.getLogger(__name__)

FIRST_USER = 1_900_000_000  # far above what systems and user namespaces hand out (subuid(5))
USERS = 2048  # of one server, and so the number of environments it can have at a time
_SERVERS = 65536
_POOL_TMP_MB = 512  # AWS's default size of /tmp
_DESCRIPTORS = 65536
_LIFE_S = 5.0
_Kind = tuple[Zygote, int]  # what prepared environments differ in: where from, and the size of /tmp


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
        pool: int = DEPTH,
    ) -> None:
        self._root = root
        self._host_id = host_id
        self._pool = pool
        self._users = users_of(host_id)
        self._runtimes = Runtimes(cache or clients.default_cache(), fallback=runtime_fallback)
        self._zygotes: dict[tuple[Path | None, Path | None], asyncio.Task[Zygote]] = {}
        self._cells: Cells | None = None
        self._networks: Networks | None = None
        self._cgroups: Cgroups | None = None
        self._block: AddressBlock | None = None
        self._life: locks.Lock | None = None
        self._sweeping: asyncio.Future[None] | None = None
        self._alive: set[Sandbox] = set()
        self._reserves: dict[_Kind, Reserve[Sandbox]] = {}
        self.capability = Capability(False, "functions have not been started")

    async def start(self) -> None:
        """Removes what an earlier run left and prepares the first environments. Never raises for what the
        machine lacks: `capability` then says so, and `create` refuses with the same words."""
        _, self.capability = await asyncio.gather(
            asyncio.to_thread(self._runtimes.find_nodes), asyncio.to_thread(self._prepare)
        )
        if self.capability.available:
            assert self._cells is not None
            self._cells.start()
            self._sweeping = asyncio.ensure_future(asyncio.to_thread(_sweep))
        else:
            log.warning("%s", self.capability.reason)

    def _prepare(self) -> Capability:
        """What can be done before the first environment, and whether there can be any."""
        if os.geteuid() != 0:
            return Capability(False, "functions need root: run undercast as root (sudo undercast up)")
        notes: list[str] = []
        try:
            self._take_hold(notes)
        except (CgroupsMissing, NoAddresses, DisksUnavailable, locks.Taken, OSError, ValueError) as error:
            self._let_go()
            return Capability(False, f"functions cannot run on this machine: {error}")
        return Capability(True, None, tuple(notes))

    def _take_hold(self, notes: list[str]) -> None:
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, _DESCRIPTORS)), hard))
        self._life = locks.take_life(self._host_id, _LIFE_S)
        self._cgroups = Cgroups(self._host_id)
        self._cgroups.start()
        self._block = self._egress(notes)
        self._networks = Networks(self._host_id, self._block)
        self._networks.sweep()
        disks = TmpDisks(self._root / "tmp")
        disks.prepare(_POOL_TMP_MB)
        self._cells = Cells(self._users, self._cgroups, self._networks, disks, self._pool, _POOL_TMP_MB)

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
        """An environment for a function version, isolated and running. Raises SandboxError.

        Mostly a prepared one that only has to be given its function.
        """
        if self._cells is None or not self.capability.available:
            raise SandboxError(self.capability.reason or "functions are not available")
        zygote = await self._zygote(spec.runtime)
        try:
            sandbox = self._reserve(zygote, spec.tmp_mb).take()
            if sandbox is None:
                sandbox = await self._make(zygote, spec.tmp_mb, ahead=False)
            try:
                await sandbox.bind(spec)
            except BaseException:
                await sandbox.destroy()
                raise
        except (OSError, NoAddresses, DisksUnavailable) as error:
            raise SandboxError(f"the environment could not be made: {error}") from error
        return sandbox

    async def take_cell(self, tmp_mb: int) -> Cell:
        """The resources of one environment, for one that is forked from a snapshot. Raises SandboxError."""
        if self._cells is None:
            raise SandboxError(self.capability.reason or "functions are not available")
        try:
            return await self._cells.take(tmp_mb)
        except (OSError, NoAddresses, DisksUnavailable) as error:
            raise SandboxError(f"the environment could not be made: {error}") from error

    def give_back_cell(self, cell: Cell) -> None:
        """The opposite of `take_cell`, when the processes have ended."""
        if self._cells is not None:
            self._cells.give_back(cell)

    def _reserve(self, zygote: Zygote, tmp_mb: int) -> Reserve[Sandbox]:
        """The prepared environments from a zygote, with a /tmp of a size."""
        reserve = self._reserves.get((zygote, tmp_mb))
        if reserve is None:
            reserve = Reserve(lambda: self._make(zygote, tmp_mb, ahead=True), self._pool)
            self._reserves[zygote, tmp_mb] = reserve
        return reserve

    async def _make(self, zygote: Zygote, tmp_mb: int, *, ahead: bool) -> Sandbox:
        """An environment without a function yet; `ahead`: nobody waits for it.

        Raises SandboxError, OSError, NoAddresses, DisksUnavailable.
        """
        cells = self._cells
        assert cells is not None
        cell = await cells.take(tmp_mb)
        with contextlib.ExitStack() as undo, contextlib.ExitStack() as handed:
            undo.callback(cells.give_back, cell)
            fds = {"net": cell.network.namespace, "tmp": cell.tmp}
            for name, descriptor in cell.cgroup.join_descriptors().items():
                fds[name] = descriptor
                handed.callback(os.close, descriptor)
            ends = {}
            kinds = {"control": socket.SOCK_SEQPACKET, "bind": socket.SOCK_SEQPACKET}
            if zygote.preloaded:
                kinds["channel"] = socket.SOCK_STREAM
            for name, way in kinds.items():
                ends[name], there = socket.socketpair(socket.AF_UNIX, way)
                ends[name].setblocking(False)
                fds[name] = handed.enter_context(there).fileno()
            stdout, fds["stdout"] = os.pipe2(os.O_CLOEXEC)
            handed.callback(os.close, fds["stdout"])
            os.set_blocking(stdout, False)
            sandbox = Sandbox(
                cell,
                control=ends["control"],
                binding=ends["bind"],
                channel=ends.get("channel"),
                stdout=stdout,
                give_back=self._give_back,
            )
            undo.pop_all()
            self._alive.add(sandbox)
            host = str(cell.network.address or "localhost").replace(".", "-")
            request = {"user": cell.user, "host": host, "ahead": ahead}
            try:
                await zygote.fork(request, fds)
                handed.close()
                os.close(cell.tmp)
                cell.tmp = -1
                await sandbox.until_ready()
            except BaseException:
                cell.cgroup.kill()
                await sandbox.destroy()
                raise
        return sandbox

    async def _zygote(self, name: str) -> Zygote:
        """The zygote that environments of a runtime come from, started on first use.

        Runtimes that run on the same interpreter, one standing in for another, share it.
        """
        runtime, client = await self._runtimes.prepare(name)
        key = (runtime.interpreter if runtime.zygote else None, client)
        task = self._zygotes.get(key)
        if task is not None and task.done() and not _lives(task):
            task = None
        if task is None:
            task = self._zygotes[key] = asyncio.create_task(self._start_zygote(name, runtime, client))
        return await asyncio.shield(task)

    async def _start_zygote(self, name: str, runtime: Runtime, client: Path | None) -> Zygote:
        own = Path(sys.base_prefix)
        minor = f"python{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = runtime.interpreter if runtime.zygote else None
        return await Zygote.start(
            name,
            self._root,
            interpreter=interpreter or own / "bin" / minor,
            prefix=runtime.prefix if runtime.zygote else own,
            users=self._users,
            client=client,
            preload=runtime.zygote,
            freezer=self._cgroups.freezer if self._cgroups is not None else None,
        )

    def _give_back(self, sandbox: Sandbox) -> None:
        self._alive.discard(sandbox)
        if self._cells is not None:
            self._cells.give_back(sandbox.cell)

    async def close(self) -> None:
        """Ends every environment and removes everything this server made on the host. Idempotent."""
        await asyncio.gather(*(reserve.close() for reserve in self._reserves.values()))
        self._reserves.clear()
        await asyncio.gather(*(sandbox.destroy() for sandbox in list(self._alive)), return_exceptions=True)
        for starting in self._zygotes.values():
            if starting.done() and not starting.cancelled() and starting.exception() is None:
                starting.result().close()
            else:
                starting.cancel()
        self._zygotes.clear()
        if self._sweeping is not None:
            await self._sweeping  # takes seconds at the most
            self._sweeping = None
        if self.capability.available:
            self.capability = Capability(False, "functions have been stopped")
            await asyncio.to_thread(self._clear)

    def _clear(self) -> None:
        if self._cells is not None:
            self._cells.close()
        if self._cgroups is not None:
            self._cgroups.sweep()
        if self._networks is not None:
            self._networks.sweep()  # the kernel would remove the cables too, in its own time
            self._networks.close()
        if self._block is not None:
            with contextlib.suppress(FilterUnavailable):
                packet_filter.remove(self._host_id)
        self._let_go()

    def _let_go(self) -> None:
        """Lets go of the locks, the one on this server's life last."""
        if self._block is not None:
            self._block.close()
        if self._life is not None:
            self._life.close()


def _lives(starting: asyncio.Task[Zygote]) -> bool:
    """Whether a start that is done gave a zygote that is still there."""
    return not starting.cancelled() and starting.exception() is None and starting.result().alive


def _sweep() -> None:
    try:
        leftovers.sweep()
    except OSError as error:
        log.warning("what servers left that were killed could not be removed: %s", error)
