"""Sandboxes by themselves: making, binding, bursts and memory, beside the floor of the same round.

The floor is a fork of a process that has `awslambdaric` loaded, into new mount, pid, ipc, uts and net
namespaces, until the child says so; nothing is set up in it. "Prepared" is what an environment costs that the
pool had ready, "unprepared" one that has to be made from the beginning, both until the function's module has
been imported.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import uvloop

from benchmarks.figures import Figure, percentile, show
from undercast.functions import clients
from undercast.functions.sandbox import Sandbox
from undercast.functions.sandboxes import Sandboxes
from undercast.functions.spec import SandboxSpec

PYTHON = f"python3.{sys.version_info.minor}"
HANDLER = "def lambda_handler(event, context):\n    return sum(event['nums']) / len(event['nums'])\n"
ONE_BY_ONE, BURST = 40, 200
_READY_S = 20.0

_FLOOR = """
import ctypes, gc, os, sys, time
sys.path[:0] = [sys.argv[1]]
import awslambdaric.bootstrap
libc = ctypes.CDLL(None, use_errno=True)
home = os.open('/proc/self/ns/pid', os.O_RDONLY)
gc.collect(); gc.freeze()
def once():
    read, write = os.pipe()
    begun = time.perf_counter()
    libc.unshare(0x20000000)
    pid = os.fork()
    if pid == 0:
        libc.unshare(0x00020000 | 0x08000000 | 0x04000000 | 0x40000000)
        os.write(write, b'x')
        os._exit(0)
    libc.setns(home, 0x20000000)
    os.read(read, 1)
    took = time.perf_counter() - begun
    os.waitpid(pid, 0)
    os.close(read); os.close(write)
    return took * 1000
for _ in range(int(sys.argv[2])):
    print(once(), flush=True)
    time.sleep(0.02)
"""


async def _floor() -> list[float]:
    """Milliseconds of forks with the same namespaces."""
    client = await clients.for_python(clients.default_cache(), sys.version.split()[0])
    argv = [sys.executable, "-S", "-c", _FLOOR, str(client), str(ONE_BY_ONE)]
    done = await asyncio.to_thread(
        subprocess.run, argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True
    )
    return [float(line) for line in done.stdout.split()]


class _Bench:
    def __init__(self, sandboxes: Sandboxes, code: Path) -> None:
        self._sandboxes = sandboxes
        self._code = code

    def spec(self) -> SandboxSpec:
        env = {
            "_HANDLER": "lambda_function.lambda_handler",
            "LAMBDA_TASK_ROOT": "/var/task",
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
            "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
        }
        return SandboxSpec("bench", PYTHON, self._code, env=env)

    async def one(self, spec: SandboxSpec) -> tuple[Sandbox, float, float]:
        """A sandbox, the time `create` took and the time until its function was imported, in milliseconds."""
        loop = asyncio.get_running_loop()
        begun = time.perf_counter()
        sandbox = await self._sandboxes.create(spec)
        made = time.perf_counter()
        assert sandbox.channel is not None
        async with asyncio.timeout(_READY_S):
            assert await loop.sock_recv(sandbox.channel, 8)
        return sandbox, (made - begun) * 1000, (time.perf_counter() - begun) * 1000

    async def one_by_one(self, spec: SandboxSpec) -> tuple[list[float], list[float], list[float]]:
        """Times of making, of making and importing, of destroying."""
        made, ready, gone = [], [], []
        for _ in range(ONE_BY_ONE):
            sandbox, create_ms, ready_ms = await self.one(spec)
            made.append(create_ms)
            ready.append(ready_ms)
            begun = time.perf_counter()
            await sandbox.destroy()
            gone.append((time.perf_counter() - begun) * 1000)
            await asyncio.sleep(0.06)  # the pool refills when it is quiet
        return made, ready, gone

    async def burst(self) -> tuple[float, float]:
        """Seconds until so many have imported their function, and the proportional memory of one in MiB."""
        begun = time.perf_counter()
        made = await asyncio.gather(*(self.one(self.spec()) for _ in range(BURST)))
        took = time.perf_counter() - begun
        pss = sum(_pss(pid) for sandbox, _, _ in made for pid in sandbox.cell.cgroup.processes())
        await asyncio.gather(*(sandbox.destroy() for sandbox, _, _ in made))
        return took, pss / BURST / 1024


def _pss(pid: int) -> int:
    """Proportional set size in KiB (proc(5), smaps_rollup)."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))


async def _measure(rounds: int, folder: Path) -> None:
    sandboxes = Sandboxes(folder / "sandboxes", os.urandom(3).hex())
    await sandboxes.start()
    if not sandboxes.capability.available:
        print(f"sandbox: {sandboxes.capability.reason}")
        return
    code = folder / "code"
    code.mkdir()
    (code / "lambda_function.py").write_text(HANDLER)
    floor = "fork, same namespaces"
    figures = {
        "create": Figure("create(), prepared, median", "ms", "< 5 ms", floor),
        "ready": Figure("function imported, prepared, median", "ms", "", floor),
        "ready99": Figure("function imported, prepared, p99", "ms", "< 25 ms"),
        "make": Figure("create(), unprepared, median", "ms", "", floor),
        "whole": Figure("function imported, unprepared, median", "ms", "< 10 ms", floor),
        "destroy": Figure("destroy(), median", "ms"),
        "burst": Figure(f"burst of {BURST}, all imported", "s", "< 1.8 s"),
        "pss": Figure("proportional memory of an idle environment", "MiB", "< 6 MiB"),
    }
    bench = _Bench(sandboxes, code)
    try:
        for _ in range(rounds):
            forks = percentile(await _floor(), 0.5)
            await sandboxes.prepare(PYTHON)
            await bench.one_by_one(bench.spec())
            made, ready, gone = await bench.one_by_one(bench.spec())
            figures["create"].add(percentile(made, 0.5), forks)
            figures["ready"].add(percentile(ready, 0.5), forks)
            figures["ready99"].add(percentile(ready, 0.99))
            figures["destroy"].add(percentile(gone, 0.5))
            made, ready, kept = [], [], []
            for _ in range(ONE_BY_ONE):  # without a pause nothing is prepared
                sandbox, create_ms, ready_ms = await bench.one(bench.spec())
                made.append(create_ms)
                ready.append(ready_ms)
                kept.append(sandbox)
            await asyncio.gather(*(sandbox.destroy() for sandbox in kept))
            made, ready = made[ONE_BY_ONE // 2 :], ready[ONE_BY_ONE // 2 :]
            figures["make"].add(percentile(made, 0.5), forks)
            figures["whole"].add(percentile(ready, 0.5), forks)
            took, pss = await bench.burst()
            figures["burst"].add(took)
            figures["pss"].add(pss)
            await asyncio.sleep(1)
    finally:
        await sandboxes.close()
    show("Sandboxes", figures.values())


def measure(rounds: int) -> None:
    """Prints the table; needs root."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="undercast-bench-") as folder:
        uvloop.run(_measure(rounds, Path(folder)))


if __name__ == "__main__":
    measure(3)
