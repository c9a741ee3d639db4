"""What environments stand on: the sandboxes below and the cloud around, as narrow as they need it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from undercast.functions.cells import Cell
from undercast.functions.door import Door
from undercast.functions.function import Credentials, CredentialSource, LogWriter
from undercast.functions.spec import Capability, Exit, Runtime, SandboxSpec

_log = logging.getLogger(__name__)


class Process(Protocol):
    """A further process in a sandbox."""

    async def wait(self) -> Exit: ...


class Sandbox(Protocol):
    """One isolated process tree. Single use."""

    @property
    def pid(self) -> int: ...

    @property
    def channel(self) -> socket.socket | None: ...

    @property
    def stdout(self) -> int: ...

    @property
    def runtime_api(self) -> socket.socket | None: ...  # None: another sandbox's serve this one too

    @property
    def gateway(self) -> socket.socket | None: ...

    @property
    def door(self) -> Door | None: ...

    async def start(self) -> None: ...

    async def spawn(self, argv: Sequence[str], env: Mapping[str, str]) -> Process: ...

    def end_init(self) -> None: ...

    def boost(self) -> None: ...

    async def freeze(self) -> None: ...

    async def thaw(self) -> None: ...

    def memory_peak_mb(self) -> int: ...

    async def wait(self) -> Exit: ...

    async def destroy(self) -> None: ...


class Sandboxes(Protocol):
    """Where sandboxes come from."""

    capability: Capability

    async def start(self) -> None: ...

    async def create(self, spec: SandboxSpec) -> Sandbox: ...

    async def close(self) -> None: ...

    def runtimes(self) -> Mapping[str, Runtime]: ...

    async def prepare(self, runtime: str) -> Runtime: ...

    async def take_cell(self, tmp_mb: int) -> Cell: ...

    def give_back_cell(self, cell: Cell) -> None: ...


@dataclass(slots=True)
class Ground:
    """Shared by all environments of one engine."""

    loop: asyncio.AbstractEventLoop
    sandboxes: Sandboxes
    write_logs: LogWriter
    credentials: CredentialSource | None
    gateway: Callable[[], asyncio.Protocol] | None  # makes the server's side of a function's own AWS call
    tasks: set[asyncio.Task[None]]  # work in the background, ended with the engine

    def run(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in the background; what it raises is logged, never lost."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            _log.error("background work of the functions engine failed", exc_info=problem)

    def credentials_for(self, role_arn: str, account: str, name: str) -> Credentials | None:
        """Temporary keys of a function's role, when the cloud hands out keys."""
        if self.credentials is None or not role_arn:
            return None
        return self.credentials(role_arn, account, name)
