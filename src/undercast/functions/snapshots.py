"""SnapStart: the initialised process of a version, and the environments that are forked from it.

What these have of their own: memory (copied on write), control groups and so limits, channel, log, /tmp,
mounts and processes, which no other environment sees. The network and the user are the version's.
"""

from __future__ import annotations

import array
import asyncio
import contextlib
import errno
import json
import logging
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from undercast.functions.cells import Cell
from undercast.functions.door import PrivilegesKept, check_privileges
from undercast.functions.ground import Ground, Sandbox
from undercast.functions.inside import wire
from undercast.functions.reserve import Reserve
from undercast.functions.sandbox import CORE_MB
from undercast.functions.spec import Exit, SandboxError

_log = logging.getLogger(__name__)

FORK_LIMIT_S = 10.0
LAY_DOWN_LIMIT_S = 2.0
_CREDENTIALS = struct.Struct("=iII")  # struct ucred, unix(7)


class Restored:
    """An environment forked from a snapshot; a sandbox to whoever uses it."""

    runtime_api = None
    gateway = None
    door = None

    def __init__(
        self, channel: socket.socket, stdout: int, cell: Cell, memory_mb: int, gone: Callable[[], None]
    ) -> None:
        self.pid = 0
        self.channel = channel
        self.stdout = stdout
        self._cell = cell
        self._memory_mb = memory_mb
        self._gone = gone
        self._end: asyncio.Future[Exit] = asyncio.get_running_loop().create_future()
        self._destroyed = False
        self._cpu_limited = False

    @property
    def waiting(self) -> bool:
        """Whether it lives."""
        return not self._end.done()

    def go_on(self, env: Mapping[str, str]) -> None:
        """Let it leave the moment of the snapshot, with these variables changed. Raises OSError."""
        self._cell.cgroup.thaw()
        meta = json.dumps(dict(env)).encode()
        self.channel.send(wire.TO_INSIDE.pack(wire.PROCEED, len(meta), 0, 0) + meta)

    async def start(self) -> None:
        raise SandboxError("a restored environment runs already")

    async def spawn(self, argv: Any, env: Any) -> Any:
        raise SandboxError("a restored environment has no external extensions")

    def end_init(self) -> None:
        """Apply the CPU share."""
        if not self._cpu_limited:
            self._cpu_limited = True
            self._cell.cgroup.limit_cpu(self._memory_mb / CORE_MB)

    def boost(self) -> None:
        """Lift it, until `end_init`."""
        self._cpu_limited = False
        self._cell.cgroup.limit_cpu(None)

    async def freeze(self) -> None:
        """Stop every process until `thaw`."""
        self._cell.cgroup.freeze()

    async def thaw(self) -> None:
        """Let them run again."""
        self._cell.cgroup.thaw()

    def memory_peak_mb(self) -> int:
        """Most memory of its own, beside what it shares with the snapshot."""
        return -(-self._cell.cgroup.memory_peak() >> 20)

    async def wait(self) -> Exit:
        """How its process ended, once it has."""
        return await asyncio.shield(self._end)

    def ended(self, status: int | None) -> None:
        """Its process ended; `status` as waitpid(2) gives it, None when the snapshot is gone too."""
        if self._end.done():
            return
        out_of_memory = self._cell.cgroup.out_of_memory_kills() > 0
        if status is None:
            self._end.set_result(Exit(None, signal.SIGKILL))
        elif os.WIFSIGNALED(status):
            self._end.set_result(Exit(None, os.WTERMSIG(status), out_of_memory))
        else:
            self._end.set_result(Exit(os.WEXITSTATUS(status), None, out_of_memory))

    async def destroy(self) -> None:
        """End its processes and give everything back. Idempotent."""
        if self._destroyed:
            return
        self._destroyed = True
        ended = self._end.done()
        self.ended(None)
        self._cell.cgroup.kill()
        if self.pid > 0 and not ended:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        self.channel.close()
        os.close(self.stdout)
        self._gone()


class Snapshot:
    """A process that has initialised a version and forks environments on request."""

    def __init__(self, ground: Ground, sandbox: Sandbox, tmp_mb: int, memory_mb: int) -> None:
        assert sandbox.channel is not None
        self._ground = ground
        self._loop = ground.loop
        self._channel = sandbox.channel
        self._tmp_mb = tmp_mb
        self._memory_mb = memory_mb
        self._children: dict[int, Restored] = {}
        self._number = 0
        self._data = b""
        self._unused = asyncio.Event()
        self._unused.set()
        self._sandbox = sandbox
        self._turn = asyncio.Lock()  # one at a time may go through the door
        sandbox.end_init()  # it has its share like any function, and more only while it forks
        self._reserve = Reserve(self._prepare)
        self._reserve.asked()  # a version is published to be used
        self.alive = True
        self._loop.add_reader(self._channel, self._heard)

    async def until_unused(self) -> None:
        """Wait until no environment that was forked from it lives."""
        await self._reserve.close()
        await self._unused.wait()

    def close(self) -> None:
        """The process is gone or about to be: so are all that were forked from it."""
        if self.alive:
            self.alive = False
            self._loop.remove_reader(self._channel)
            for child in list(self._children.values()):
                child.ended(None)
            self._ground.run(self._reserve.close())

    async def fork(self, env: Mapping[str, str]) -> Restored:
        """A new environment, with these variables changed. Raises SandboxError.

        Mostly one that has been forked ahead and only has to go on.
        """
        child = self._reserve.take() or await self._fork()
        try:
            child.go_on(env)
        except OSError as problem:
            await child.destroy()
            raise SandboxError(f"the snapshot cannot be restored: {problem}") from problem
        return child

    async def _prepare(self) -> Restored:
        """One that waits. What the function left in it must not run meanwhile. Raises SandboxError."""
        child = await self._fork()
        try:
            await child.freeze()
        except OSError as problem:
            await child.destroy()
            raise SandboxError(f"the environment cannot be frozen: {problem}") from problem
        return child

    async def _fork(self) -> Restored:
        """A new environment at the moment of the snapshot, without a privilege. Raises SandboxError."""
        cell = await self._ground.sandboxes.take_cell(self._tmp_mb)
        self._number += 1
        number = self._number
        with contextlib.ExitStack() as undo:
            undo.callback(self._ground.sandboxes.give_back_cell, cell)
            async with self._turn:
                try:
                    cell.cgroup.limit_memory(self._memory_mb)
                    with self._boosted():
                        child = self._ask(number, cell)
                        undo.pop_all()  # it is the child's now
                        await self._admit(child, cell)
                except (OSError, TimeoutError, PrivilegesKept) as problem:
                    why = problem or "it does not answer"
                    raise SandboxError(f"the snapshot cannot be restored: {why}") from problem
        return child

    @contextlib.contextmanager
    def _boosted(self) -> Iterator[None]:
        """The whole machine, for a fork."""
        self._sandbox.boost()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # its groups are gone
                self._sandbox.end_init()

    async def _admit(self, child: Restored, cell: Cell) -> None:
        """Let the new process set itself up, and look whether it has laid its privileges down.

        Raises OSError, TimeoutError, PrivilegesKept.
        """
        door = self._sandbox.door
        try:
            if door is None:
                raise OSError(errno.EPERM, "its filter has no supervisor")
            door.open = True
            try:
                async with asyncio.timeout(FORK_LIMIT_S):
                    child.pid = await self._greeting(child.channel)
            finally:
                door.open = False
            await _powerless(cell)
        except BaseException:
            await child.destroy()
            raise

    def _ask(self, number: int, cell: Cell) -> Restored:
        """Send the request with the descriptors the new process takes."""
        if not self.alive:
            raise OSError(errno.EPIPE, "its process is gone")
        with contextlib.ExitStack() as handed:
            here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            handed.callback(there.close)
            here.setblocking(False)
            here.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            stdout, inside = os.pipe2(os.O_CLOEXEC)
            handed.callback(os.close, inside)
            os.set_blocking(stdout, False)
            child = Restored(here, stdout, cell, self._memory_mb, lambda: self._forget(number, cell))
            self._children[number] = child
            self._unused.clear()
            groups = cell.cgroup.join_descriptors()
            for descriptor in groups.values():
                handed.callback(os.close, descriptor)
            request = wire.TO_INSIDE.pack(wire.FORK, 0, 0, number)
            fds = array.array("i", [there.fileno(), inside, cell.tmp, *groups.values()])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)]
            try:
                if self._channel.sendmsg([request], rights) < len(request):
                    raise OSError(errno.EAGAIN, "it does not take requests")
            except OSError:
                self._children.pop(number)
                here.close()
                os.close(stdout)
                raise
        return child

    async def _greeting(self, channel: socket.socket) -> int:
        """The new process's number on this machine, as the kernel says who sent a message."""
        readable = asyncio.Event()
        self._loop.add_reader(channel, readable.set)
        try:
            await readable.wait()
        finally:
            self._loop.remove_reader(channel)
        size = wire.TO_ENGINE.size
        data, ancillary, _, _ = channel.recvmsg(size, socket.CMSG_SPACE(_CREDENTIALS.size))
        if len(data) < size:
            raise OSError(errno.EPIPE, "the new process ended")
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
        for level, kind, content in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_CREDENTIALS:
                return int(_CREDENTIALS.unpack_from(content)[0])
        raise OSError(errno.EPROTO, "the new process did not say who it is")

    def _heard(self) -> None:
        """The snapshot's process reports ends. It may be hostile: anything else ends it."""
        try:
            data = self._channel.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self._data += data
        size = wire.TO_ENGINE.size + wire.EXITED_BODY.size
        while len(self._data) >= size:
            kind, _, length = wire.TO_ENGINE.unpack_from(self._data)
            if kind != wire.EXITED or length != wire.EXITED_BODY.size:
                _log.warning("a snapshot's process sent what it should not; it is not used any more")
                self.close()
                return
            number, status = wire.EXITED_BODY.unpack_from(self._data, wire.TO_ENGINE.size)
            self._data = self._data[size:]
            child = self._children.get(number)
            if child is not None:
                child.ended(status)

    def _forget(self, number: int, cell: Cell) -> None:
        self._children.pop(number, None)
        if not self._children:
            self._unused.set()
        self._ground.sandboxes.give_back_cell(cell)


async def _powerless(cell: Cell) -> None:
    """Wait until no process of an environment has a privilege. Raises PrivilegesKept."""
    end = time.monotonic() + LAY_DOWN_LIMIT_S
    while True:
        try:
            check_privileges(cell.cgroup.processes())
            return
        except PrivilegesKept:
            if time.monotonic() > end:
                raise
        await asyncio.sleep(0.001)
