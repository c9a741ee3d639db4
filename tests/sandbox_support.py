"""Drives sandboxes directly: a loop in a thread, and functions whose module code is the test."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import textwrap
import threading
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import leftover_support
from undercast.functions.sandbox import Sandbox
from undercast.functions.sandboxes import Sandboxes
from undercast.functions.spec import Exit, SandboxSpec

T = TypeVar("T")
RUNTIME = "python3.11"
_END_S = 20.0
_MARK = "RESULT "


@dataclass
class Ended:
    """What a finished environment left: its output, its result and how it ended."""

    output: str
    exit: Exit

    @property
    def result(self) -> dict[str, Any]:
        lines = [line for line in self.output.splitlines() if _MARK in line]
        assert lines, f"no result, {self.exit}, output: {self.output[-2000:]}"
        return json.loads(lines[-1].partition(_MARK)[2])


class SandboxLab:
    """Sandboxes of a host id of its own on an event loop in a thread."""

    def __init__(self, folder: Path, host_id: str | None = None) -> None:
        self.host_id = host_id or secrets.token_hex(3)
        self.folder = folder
        leftover_support.watch(folder / "sandboxes", self.host_id)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.sandboxes = Sandboxes(folder / "sandboxes", self.host_id)
        self._number = 0

    def run(self, work: Coroutine[Any, Any, T], timeout: float = 60) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout)

    def start(self) -> None:
        self.run(self.sandboxes.start())
        assert self.sandboxes.capability.available, self.sandboxes.capability

    def close(self) -> None:
        self.run(self.sandboxes.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def code(self, source: str) -> Path:
        """A function whose module does `source`; `give(**members)` prints its result."""
        self._number += 1
        directory = self.folder / f"code{self._number}"
        directory.mkdir()
        head = (
            "import json, sys\n"
            "def give(**members):\n"
            f"    sys.stdout.write('\\n{_MARK}' + json.dumps(members) + '\\n'); sys.stdout.flush()\n"
            "def lambda_handler(event, context): return event\n"
        )
        (directory / "lambda_function.py").write_text(head + textwrap.dedent(source))
        directory.chmod(0o755)
        return directory

    def spec(self, code: Path, way: str, **changes: Any) -> SandboxSpec:
        """The function forked from the zygote, or executed by an interpreter of its own."""
        env = {
            "PATH": "/usr/bin:/bin",
            "LAMBDA_TASK_ROOT": "/var/task",
            "_HANDLER": "lambda_function.lambda_handler",
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
            **changes.pop("env", {}),
        }
        argv = None
        if way == "exec":
            interpreter = self.sandboxes.runtimes()[RUNTIME].interpreter
            argv = (str(interpreter), "-S", "-u", "/var/task/lambda_function.py")
        return SandboxSpec(f"test-{code.name}", RUNTIME, code, env=env, argv=argv, **changes)

    def create(self, source: str, way: str, **changes: Any) -> Sandbox:
        return self.run(self.sandboxes.create(self.spec(self.code(source), way, **changes)))

    def ended(self, source: str, way: str, **changes: Any) -> Ended:
        """Runs a function's module code to its end: of the process, or of the initialisation."""
        sandbox = self.create(source, way, **changes)
        try:
            return self.run(self._until_end(sandbox))
        finally:
            self.run(sandbox.destroy())

    async def _until_end(self, sandbox: Sandbox) -> Ended:
        end = asyncio.ensure_future(sandbox.wait())
        waits: list[asyncio.Future[Any]] = [end]
        if sandbox.channel is not None:
            waits.append(asyncio.ensure_future(self._loop.sock_recv(sandbox.channel, 8)))
        await asyncio.wait(waits, timeout=_END_S, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits[1:]:
            if not wait.done():
                wait.cancel()
            elif not wait.result():  # the process closed its end: it is ending
                await asyncio.wait([end], timeout=_END_S)
        how = end.result() if end.done() else Exit(None, None)
        end.cancel()
        return Ended(read_output(sandbox), how)


def read_output(sandbox: Sandbox) -> str:
    """What is in the log pipe now."""
    parts = []
    while True:
        try:
            part = os.read(sandbox.stdout, 65536)
        except BlockingIOError:
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode(errors="replace")
