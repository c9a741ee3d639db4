"""SnapStart of a function that imports numpy, pandas and scikit-learn, beside the floor of the same round.

The floor is a fork of an unsandboxed process with the same imports, into the same namespaces, until the child
says so. What it takes without a snapshot, the import itself, is shown for comparison. The packages are
installed once, into Undercast's cache.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.figures import Figure, percentile, show
from undercast.functions import clients
from undercast.functions.ground import Ground
from undercast.functions.inside import wire
from undercast.functions.reserve import DEPTH
from undercast.functions.sandbox import Sandbox
from undercast.functions.sandboxes import Sandboxes
from undercast.functions.snapshots import Restored, Snapshot
from undercast.functions.spec import SandboxSpec

PYTHON = f"python3.{sys.version_info.minor}"
PACKAGES = ("numpy", "pandas", "scikit-learn")
CODE = """\
import numpy, pandas, sklearn.linear_model

def lambda_handler(event, context):
    return numpy.sum(event)
"""
RESTORES, MEMORY_MB, LIMIT_S = 30, 1769, 60.0
_FLOOR = """
import ctypes, os, sys, time
sys.path[:0] = [sys.argv[1]]
import numpy, pandas, sklearn.linear_model
libc = ctypes.CDLL(None, use_errno=True)
home = os.open('/proc/self/ns/pid', os.O_RDONLY)
for _ in range(int(sys.argv[2])):
    read, write = os.pipe()
    begun = time.perf_counter()
    libc.unshare(0x20000000)
    pid = os.fork()
    if pid == 0:
        libc.unshare(0x0E020000)
        os.write(write, b'x')
        os._exit(0)
    libc.setns(home, 0x20000000)
    os.read(read, 1)
    print((time.perf_counter() - begun) * 1000, flush=True)
    os.waitpid(pid, 0)
    time.sleep(0.02)
"""


def layer() -> Path:
    """A layer with the packages, installed if need be. Raises CalledProcessError, TimeoutExpired."""
    target = clients.default_cache() / f"benchmark-{PYTHON}"
    if not (target / "python" / "sklearn").is_dir():
        print(f"Installing {', '.join(PACKAGES)} for the benchmark …", flush=True)
        argv = [sys.executable, "-m", "pip", "install", "-q", "--target", str(target / "python"), *PACKAGES]
        subprocess.run(argv, check=True, timeout=600, stdin=subprocess.DEVNULL, capture_output=True)
    return target


async def _floor(packages: Path) -> float:
    argv = [sys.executable, "-c", _FLOOR, str(packages / "python"), str(RESTORES)]
    env = {"OPENBLAS_NUM_THREADS": "1", "PATH": os.environ.get("PATH", "")}
    done = await asyncio.to_thread(
        subprocess.run,
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return percentile([float(line) for line in done.stdout.split()], 0.5)


async def _frame(channel: Any) -> int:
    """The kind of the next frame, which has no body."""
    async with asyncio.timeout(LIMIT_S):
        data = await asyncio.get_running_loop().sock_recv(channel, wire.TO_ENGINE.size)
    return data[0] if data else 0


async def _initialised(
    sandboxes: Sandboxes, code: Path, packages: Path, snapshot: bool
) -> tuple[Sandbox, float]:
    """A sandbox that has imported the function, and how many milliseconds that took."""
    env = {
        "_HANDLER": "lambda_function.lambda_handler",
        "LAMBDA_TASK_ROOT": "/var/task",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001",
        "PATH": "/usr/bin:/bin",
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if snapshot else "on-demand",
    }
    spec = SandboxSpec(
        "bench", PYTHON, code, layers=(packages,), env=env, memory_mb=MEMORY_MB, snapshot=snapshot
    )
    begun = time.perf_counter()
    sandbox = await sandboxes.create(spec)
    assert await _frame(sandbox.channel) == (wire.SNAPSHOT_READY if snapshot else wire.READY)
    return sandbox, (time.perf_counter() - begun) * 1000


async def _restores(sandboxes: Sandboxes, sandbox: Sandbox) -> tuple[list[float], list[float]]:
    """Milliseconds until a restored environment waits for its first event: with a pause before it, in which
    one is forked ahead, and without."""
    ground = Ground(asyncio.get_running_loop(), sandboxes, lambda *_: None, None, None, set())
    snapshot = Snapshot(ground, sandbox, 512, MEMORY_MB)
    kept: list[Restored] = []

    async def once() -> float:
        begun = time.perf_counter()
        restored = await snapshot.fork({})
        assert await _frame(restored.channel) == wire.READY
        kept.append(restored)
        return (time.perf_counter() - begun) * 1000

    ahead = []
    try:
        for _ in range(RESTORES):
            await asyncio.sleep(0.06)
            ahead.append(await once())
            await kept.pop().destroy()
        at_once = [await once() for _ in range(RESTORES)][DEPTH:]
        for restored in kept:
            await restored.destroy()
    finally:
        snapshot.close()
    return ahead, at_once


async def _measure(rounds: int, folder: Path, packages: Path) -> None:
    sandboxes = Sandboxes(folder / "sandboxes", os.urandom(3).hex())
    await sandboxes.start()
    if not sandboxes.capability.available:
        print(f"snapstart: {sandboxes.capability.reason}")
        return
    code = folder / "code"
    code.mkdir()
    (code / "lambda_function.py").write_text(CODE)
    whole = Figure("start without a snapshot", "ms")
    floor_name = "fork, same imports and namespaces"
    restore = Figure("restore, forked ahead, median", "ms", "< 15 ms", floor_name)
    slowest = Figure("restore, forked ahead, p99", "ms")
    made = Figure("restore, not forked ahead, median", "ms", "< 15 ms", floor_name)
    try:
        for _ in range(rounds):
            floor = await _floor(packages)
            await sandboxes.prepare(PYTHON)
            plain, took = await _initialised(sandboxes, code, packages, snapshot=False)
            whole.add(took)
            await plain.destroy()
            sandbox, _ = await _initialised(sandboxes, code, packages, snapshot=True)
            ahead, at_once = await _restores(sandboxes, sandbox)
            restore.add(percentile(ahead, 0.5), floor)
            slowest.add(percentile(ahead, 0.99))
            made.add(percentile(at_once, 0.5), floor)
            await sandbox.destroy()
    finally:
        await sandboxes.close()
    show("SnapStart: numpy, pandas, scikit-learn", (whole, restore, slowest, made))


def measure(rounds: int) -> None:
    """Prints the table; needs root, and once a package index."""
    try:
        packages = layer()
    except (subprocess.SubprocessError, OSError) as error:
        print(f"snapstart: left out, {', '.join(PACKAGES)} cannot be installed here: {error}")
        return
    with tempfile.TemporaryDirectory(prefix="undercast-bench-") as folder:
        uvloop.run(_measure(rounds, Path(folder), packages))


if __name__ == "__main__":
    measure(3)
