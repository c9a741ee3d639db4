"""What an environment needs from the kernel that takes time to make: user, cgroups, network, /tmp.

A cell is made ahead by a thread of its own, kept in a small pool and used once. Making one is a millisecond
or two of system calls, during which the thread holds no lock that the event loop waits for.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import itertools
import logging
import os
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from undercast.functions.cgroups import Cgroup, Cgroups
from undercast.functions.env_network import Network, Networks
from undercast.functions.spec import SandboxError
from undercast.functions.tmp_disks import TmpDisks

log = logging.getLogger(__name__)

PROCESSES = 1024  # AWS's limit of processes and threads in an environment
_NOW, _SOON, _LATER, _END = range(4)  # somebody waits; somebody will; nobody does; and no more then


@dataclass(slots=True)
class Cell:
    """One set of prepared resources. `tmp` is a detached mount of `tmp_mb`, closed by whoever used it."""

    number: int
    user: int
    cgroup: Cgroup
    network: Network
    tmp: int
    tmp_mb: int

    def release(self) -> None:
        """Gives everything back but the cgroups, which can only go once the last process has."""
        self.network.close()
        if self.tmp >= 0:
            os.close(self.tmp)
            self.tmp = -1


class Cells:
    """Makes, keeps and removes cells."""

    def __init__(
        self, users: range, cgroups: Cgroups, networks: Networks, disks: TmpDisks, depth: int, tmp_mb: int
    ) -> None:
        self._users = users
        self._cgroups = cgroups
        self._networks = networks
        self._disks = disks
        self._depth = depth
        self._tmp_mb = tmp_mb
        # First in, first out: the kernel may still be removing what a number was last used for.
        self._numbers = collections.deque(range(1, len(users)))
        self._ready: collections.deque[Cell] = collections.deque()
        self._making = 0
        self._count = threading.Lock()  # of what is ready and being made; both threads change it
        self._work: queue.PriorityQueue[tuple[int, int, Callable[[], None]]] = queue.PriorityQueue()
        self._order = itertools.count()
        self._thread = threading.Thread(target=self._run, name="function-cells", daemon=True)
        self._closed = False

    def start(self) -> None:
        self._thread.start()
        self._refill()

    async def take(self, tmp_mb: int) -> Cell:
        """A cell with a /tmp of that size: a prepared one, or one made now.

        Raises OSError, NoAddresses, SandboxError.
        """
        if tmp_mb == self._tmp_mb and self._ready:
            cell = self._ready.popleft()
            self._refill()
            return cell
        made: Future[Cell] = Future()
        self._do(_NOW, lambda: self._fulfil(made, tmp_mb))
        try:
            return await asyncio.wrap_future(made)
        except asyncio.CancelledError:
            made.add_done_callback(self._unclaimed)
            raise

    def give_back(self, cell: Cell) -> None:
        """Removes what is left of a cell whose processes have ended. Returns at once."""
        scarce = len(self._numbers) < len(self._users) // 2
        self._do(_NOW if scarce else _LATER, lambda: self._remove(cell))

    def close(self) -> None:
        """Removes the prepared cells and ends the thread, within seconds."""
        if self._closed:
            return
        self._closed = True
        self._do(_END, lambda: None)
        if self._thread.is_alive():
            self._thread.join(timeout=10)
        while not self._work.empty():  # what came after the end
            self._work.get()[2]()
        while self._ready:
            self._remove(self._ready.popleft())

    def _unclaimed(self, made: Future[Cell]) -> None:
        if not made.cancelled() and made.exception() is None:
            self.give_back(made.result())

    def _refill(self) -> None:
        with self._count:
            while not self._closed and len(self._ready) + self._making < self._depth:
                self._making += 1
                self._do(_SOON, self._prepare)

    def _do(self, priority: int, job: Callable[[], None]) -> None:
        """Has the thread do something, after what is more urgent and what came before."""
        self._work.put((priority, next(self._order), job))

    def _run(self) -> None:
        while True:
            priority, _, job = self._work.get()
            if priority == _END:
                return
            try:
                job()
            except Exception:
                log.exception("preparing an environment's resources failed")

    def _prepare(self) -> None:
        try:
            if not self._closed:
                self._ready.append(self._make(self._tmp_mb))
        finally:
            with self._count:
                self._making -= 1

    def _fulfil(self, made: Future[Cell], tmp_mb: int) -> None:
        if not made.set_running_or_notify_cancel():
            return
        try:
            cell = self._ready.popleft() if tmp_mb == self._tmp_mb and self._ready else self._make(tmp_mb)
        except BaseException as error:
            made.set_exception(error)
        else:
            made.set_result(cell)
            self._refill()

    def _make(self, tmp_mb: int) -> Cell:
        if not self._numbers:
            raise SandboxError(f"all {len(self._users) - 1} environments this server can have are in use")
        number = self._numbers.popleft()
        with contextlib.ExitStack() as undo:
            undo.callback(self._numbers.append, number)
            cgroup = self._cgroups.new(number, PROCESSES)
            undo.callback(cgroup.remove)
            network = self._networks.new(number)
            undo.callback(network.close)
            tmp = self._disks.new(tmp_mb)
            undo.pop_all()
        return Cell(number, self._users[number], cgroup, network, tmp, tmp_mb)

    def _remove(self, cell: Cell) -> None:
        cell.release()
        if not cell.cgroup.remove():
            cell.cgroup.kill()
            if self._closed:
                return  # whoever closed this sweeps the cgroups
            timer = threading.Timer(0.02, self.give_back, (cell,))
            timer.daemon = True
            timer.start()
            return
        self._numbers.append(cell.number)
