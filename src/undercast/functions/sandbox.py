"""Execution environments: isolated process trees, made in milliseconds and used by one function version each.

A `Sandbox` is single-use: destroying it takes every process, its network, its /tmp and its user's traces
away. What makes it safe happens in `inside/init.py`; `sandboxes.py` makes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import struct
import sys
from collections.abc import Callable, Mapping, Sequence

from undercast.functions.cells import Cell
from undercast.functions.door import Door
from undercast.functions.function_mounts import function_mounts
from undercast.functions.spec import Exit, SandboxError, SandboxSpec
from undercast.functions.zygotes import send

log = logging.getLogger(__name__)

READY_LIMIT_S = 15.0
END_LIMIT_S = 10.0
CORE_MB = 1769  # memory at which AWS gives one whole core
_KILLED = signal.SIGKILL
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_MAIN = 0


class Process:
    """A process in a sandbox that the server asked for."""

    def __init__(self, wait: Callable[[], asyncio.Future[Exit]]) -> None:
        self._wait = wait

    async def wait(self) -> Exit:
        """How it ended, once it has; also when the whole sandbox ends."""
        return await asyncio.shield(self._wait())


class Sandbox:
    """A running isolated process tree.

    `stdout`, `channel` and the two listeners are closed by `destroy()`; whoever reads them stops before.
    """

    def __init__(
        self,
        cell: Cell,
        *,
        control: socket.socket,
        binding: socket.socket,
        channel: socket.socket | None,
        stdout: int,
        give_back: Callable[[Sandbox], None],
    ) -> None:
        self.pid = 0
        self.channel = channel
        self.stdout = stdout
        self.runtime_api = cell.network.runtime_api
        self.gateway = cell.network.gateway
        self._loop = asyncio.get_running_loop()
        self.cell = cell
        self._cgroup = cell.cgroup
        self._memory_mb = 0
        self._control = control
        self._binding = binding
        self._give_back = give_back
        self._pidfd = -1
        self._ready: asyncio.Future[None] = self._loop.create_future()
        self._ends: dict[int, asyncio.Future[Exit]] = {_MAIN: self._loop.create_future()}
        self._cpu_limited = False
        self.door: Door | None = None  # of a snapshot's process
        self._destroying: asyncio.Future[None] | None = None
        control.setblocking(False)
        binding.setblocking(False)
        control.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._loop.add_reader(control, self._heard)

    @property
    def waiting(self) -> bool:
        """Whether it is ready and lives, and so can be given a function."""
        return self._ready.done() and not self._ends[_MAIN].done()

    async def until_ready(self) -> None:
        """Waits for process 1 to have built its walls. Raises SandboxError."""
        try:
            async with asyncio.timeout(READY_LIMIT_S):
                await self._ready
        except TimeoutError:
            raise SandboxError("the environment did not start in time") from None

    async def bind(self, spec: SandboxSpec) -> None:
        """Gives the waiting main process its function; returns without waiting for it, but with `hold`, when
        the function's files are in place. Raises OSError, SandboxError."""
        if spec.argv is not None and self.channel is not None:
            self.channel.close()
            self.channel = None
        self._memory_mb = spec.memory_mb
        self._cgroup.limit_memory(spec.memory_mb)
        order = {"argv": spec.argv, "env": dict(spec.env), "hold": spec.hold, "snapshot": spec.snapshot}
        fds = function_mounts(spec)
        try:
            send(self._binding, order, fds)
        finally:
            for descriptor in fds.values():
                os.close(descriptor)
        if spec.snapshot:
            self._loop.add_reader(self._binding, self._supervise)
            return
        if not spec.hold:
            self._binding.close()
            return
        async with asyncio.timeout(READY_LIMIT_S):
            if not await self._loop.sock_recv(self._binding, 64):
                raise SandboxError("the environment ended before it was ready")

    def _supervise(self) -> None:
        """The main process hands over where its filter asks."""
        self._loop.remove_reader(self._binding)
        data, ancillary, _, _ = self._binding.recvmsg(64, socket.CMSG_SPACE(4), socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in ancillary:
            if data and level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                self.door = Door(int.from_bytes(content[:4], sys.byteorder))
        self._binding.close()

    async def start(self) -> None:
        """Starts the runtime of a sandbox that was made with `hold`."""
        try:
            self._binding.send(b"{}")
        except OSError as error:
            raise SandboxError(f"the environment is gone: {error.strerror}") from error
        self._binding.close()

    async def spawn(self, argv: Sequence[str], env: Mapping[str, str]) -> Process:
        """Starts a further process (an extension); its output joins the runtime's."""
        identity = len(self._ends)
        end = self._ends[identity] = self._loop.create_future()
        try:
            send(self._control, {"spawn": identity, "argv": list(argv), "env": dict(env)}, {})
        except OSError as error:
            raise SandboxError(f"the environment is gone: {error.strerror}") from error
        return Process(lambda: end)

    def end_init(self) -> None:
        """Applies the CPU share. Until then initialisation has the whole machine, as AWS boosts it."""
        if not self._cpu_limited:
            self._cpu_limited = True
            self._cgroup.limit_cpu(self._memory_mb / CORE_MB)

    def boost(self) -> None:
        """Lifts the CPU share, until `end_init`."""
        self._cpu_limited = False
        self._cgroup.limit_cpu(None)

    async def freeze(self) -> None:
        """Stops every process until `thaw`. The kernel catches them within microseconds; not waited for."""
        self.end_init()
        self._cgroup.freeze()

    async def thaw(self) -> None:
        self._cgroup.thaw()

    def memory_peak_mb(self) -> int:
        """The most memory used so far, rounded up."""
        return -(-self._cgroup.memory_peak() >> 20)

    def reset_peak(self) -> None:
        self._cgroup.reset_peak()

    async def wait(self) -> Exit:
        """How the runtime ended, once it has."""
        return await asyncio.shield(self._ends[_MAIN])

    async def destroy(self) -> None:
        """Ends every process and gives everything back. Idempotent; returns when the processes are gone."""
        if self._destroying is None:
            self._destroying = asyncio.ensure_future(self._destroy())
        await asyncio.shield(self._destroying)

    async def _destroy(self) -> None:
        self._loop.remove_reader(self._control)
        if self._binding.fileno() >= 0:
            self._loop.remove_reader(self._binding)
        self._finish()
        if self.door is not None:
            self.door.close()
        with contextlib.suppress(OSError):
            self._cgroup.thaw()  # the version 1 freezer holds even SIGKILL back
        with contextlib.suppress(OSError):
            self._cgroup.limit_cpu(None)  # dying takes time, too: a fork bomb's thousand are quickly gone
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, _KILLED)
        self._binding.close()
        self._control.close()  # process 1 also ends when this does
        if self._pidfd >= 0:
            await self._until_dead()
            os.close(self._pidfd)
        if self.channel is not None:
            self.channel.close()
        os.close(self.stdout)
        self._give_back(self)

    async def _until_dead(self) -> None:
        """A pidfd becomes readable when process 1, and so every process of its namespace, has ended."""
        dead = asyncio.Event()
        self._loop.add_reader(self._pidfd, dead.set)
        try:
            async with asyncio.timeout(END_LIMIT_S):
                await dead.wait()
        except TimeoutError:
            log.error("environment %d does not end", self.cell.number)
        finally:
            self._loop.remove_reader(self._pidfd)

    def _heard(self) -> None:
        """Reads what process 1 reports."""
        while True:
            try:
                data, ancillary, _, _ = self._control.recvmsg(65536, socket.CMSG_SPACE(_CREDENTIALS.size))
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self._loop.remove_reader(self._control)
                self._finish()
                return
            message = json.loads(data)
            if "ready" in message:
                self._identify(ancillary)
            elif "error" in message:
                if not self._ready.done():
                    self._ready.set_exception(SandboxError(message["error"]))
            else:
                self._ended(message["exit"], message.get("status"), message.get("signal"))

    def _identify(self, ancillary: Sequence[tuple[int, int, bytes]]) -> None:
        """The kernel says who sent the message, by its number on the host (unix(7), SCM_CREDENTIALS)."""
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                self.pid = _CREDENTIALS.unpack_from(content)[0]
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except OSError as error:
            if not self._ready.done():
                self._ready.set_exception(SandboxError(f"the environment ended at once: {error.strerror}"))
            return
        if not self._ready.done():
            self._ready.set_result(None)

    def _ended(self, identity: int, status: int | None, number: int | None) -> None:
        end = self._ends.get(identity)
        if end is not None and not end.done():
            end.set_result(Exit(status, number, self._out_of_memory()))

    def _out_of_memory(self) -> bool:
        return self._cgroup.out_of_memory_kills() > 0

    def _finish(self) -> None:
        """Process 1 is gone, so everything is."""
        if not self._ready.done():
            self._ready.set_exception(SandboxError("the environment ended before it was ready"))
            self._ready.exception()  # it may be that nobody waits any more
        for identity in self._ends:
            self._ended(identity, None, _KILLED)
