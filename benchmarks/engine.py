"""The functions engine by itself: warm, cold and burst, beside the floors of the same round.

Floors: one event through the Runtime API over HTTP to an unsandboxed `awslambdaric` (the *bare loop* without
its web server); a fork of a process that has `awslambdaric` loaded, into new namespaces, until it says so.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import uvloop

from benchmarks.figures import Figure, percentile, show
from undercast.functions.answers import PAYLOAD_LIMIT
from undercast.functions.engine import Engine, FunctionSpec
from undercast.functions.http_connection import BodySink, Connection
from undercast.functions.inside import kernel
from undercast.functions.sandboxes import Sandboxes

CODE = """\
import time

def mean(event, context):
    nums = event["nums"]
    return {"statusCode": 200, "body": sum(nums) / len(nums)}

def wait(event, context):
    time.sleep(event)
"""
EVENT = b'{"nums": [1, 2, 3]}'
PYTHON = f"python3.{sys.version_info.minor}"
AT_ONCE, WARM, LOAD, COLD, BURST = 8, 1500, 6000, 40, 200
NAMESPACES = (
    kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWCGROUP
)


async def timed(work: Callable[[], Awaitable[object]], count: int) -> list[float]:
    """Milliseconds of each of `count` runs, one after the other."""
    found = []
    for _ in range(count):
        begun = time.perf_counter()
        await work()
        found.append((time.perf_counter() - begun) * 1000)
    return found


async def rate(work: Callable[[], Awaitable[object]], count: int, at_once: int) -> float:
    """Runs per second with so many at once."""

    async def some() -> None:
        for _ in range(count // at_once):
            await work()

    begun = time.perf_counter()
    await asyncio.gather(*[some() for _ in range(at_once)])
    return count / (time.perf_counter() - begun)


class BareLoop:
    """Unsandboxed `awslambdaric` processes that fetch events over HTTP, and nothing else."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Connection] = asyncio.Queue()
        self._answers: dict[str, asyncio.Future[bytes]] = {}
        self._processes: list[asyncio.subprocess.Process] = []

    async def start(self, folder: Path, count: int) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Connection(self, PAYLOAD_LIMIT), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for _ in range(count):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "awslambdaric", "main.mean",
                env={"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{port}", "PYTHONPATH": str(folder)},
                cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            )  # fmt: skip
            self._processes.append(process)

    async def close(self) -> None:
        for process in self._processes:
            process.kill()
            await process.wait()

    async def invoke(self) -> bytes:
        request_id = str(uuid.uuid4())
        answer = self._answers[request_id] = asyncio.get_running_loop().create_future()
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int(time.time() * 1000) + 3000),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:mean",
        }
        (await self._waiting.get()).respond(200, EVENT, headers)
        return await answer

    def begin(self, connection: Connection) -> BodySink | None:
        return None

    def handle(self, connection: Connection) -> None:
        if connection.method == "GET":
            self._waiting.put_nowait(connection)
        else:
            connection.respond(202, b"{}")
            self._answers.pop(connection.path.split("/")[4]).set_result(bytes(connection.body))

    def lost(self, connection: Connection) -> None:
        return


def round_trip(count: int) -> list[float]:
    """Milliseconds of a byte to another process and back."""
    here, there = socket.socketpair()
    pid = os.fork()
    if pid == 0:
        here.close()
        while data := there.recv(64):
            there.send(data)
        os._exit(0)
    there.close()
    found = []
    for _ in range(count):
        begun = time.perf_counter()
        here.send(b"x")
        here.recv(64)
        found.append((time.perf_counter() - begun) * 1000)
    here.close()
    os.waitpid(pid, 0)
    return found


def forks(count: int) -> list[float]:
    """Milliseconds of a fork into new namespaces, from a process with the runtime client loaded."""
    import awslambdaric.bootstrap  # noqa: F401  # what a zygote holds

    here, there = socket.socketpair()
    maker = os.fork()
    if maker == 0:
        here.close()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        while there.recv(1):
            kernel.unshare(kernel.CLONE_NEWPID)
            if os.fork() == 0:
                kernel.unshare(NAMESPACES & ~kernel.CLONE_NEWPID)
                there.send(b"x")
                os._exit(0)
            kernel.setns(own, kernel.CLONE_NEWPID)
        os._exit(0)
    there.close()
    found = []
    for _ in range(count):
        begun = time.perf_counter()
        here.send(b"x")
        here.recv(1)
        found.append((time.perf_counter() - begun) * 1000)
        time.sleep(0.01)
    here.close()
    os.waitpid(maker, 0)
    return found


async def floors(folder: Path) -> tuple[float, float]:
    """The bare loop's median in ms and its rate."""
    bare = BareLoop()
    await bare.start(folder, AT_ONCE)
    try:
        await rate(bare.invoke, 64, AT_ONCE)
        warm = percentile(await timed(bare.invoke, WARM), 0.5)
        return warm, await rate(bare.invoke, LOAD, AT_ONCE)
    finally:
        await bare.close()


async def one_round(folder: Path, figures: dict[str, Figure]) -> None:
    """What the engine makes of the same function, beside the floors of the same minute."""
    bare_ms, bare_rate = await floors(folder)
    sandboxes = Sandboxes(folder.parent / "engine", uuid.uuid4().hex[:6])
    engine = Engine(sandboxes, write_logs=lambda *_: None)
    await engine.start()
    if not sandboxes.capability.available:
        raise SystemExit(sandboxes.capability.reason)
    spec = FunctionSpec(
        key="mean", arn="arn:aws:lambda:us-east-1:000000000000:function:mean", account="000000000000",
        region="us-east-1", name="mean", version="$LATEST", runtime=PYTHON, handler="main.mean", code=folder,
        memory_mb=1769, timeout_s=30,
    )  # fmt: skip

    async def invoke(which: FunctionSpec = spec, event: bytes = EVENT) -> None:
        done = await engine.invoke(which, event, request_id=str(uuid.uuid4()), invoked_arn=which.arn)
        if done.function_error is not None:
            raise SystemExit(f"the function failed: {done.payload!r}")

    try:
        await rate(invoke, 64, AT_ONCE)
        warm = await timed(invoke, WARM)
        figures["p50"].add(percentile(warm, 0.5), bare_ms)
        figures["p99"].add(percentile(warm, 0.99), bare_ms)
        figures["rate"].add(await rate(invoke, LOAD, AT_ONCE), bare_rate)
        cold = []
        for number in range(COLD):
            fresh = replace(spec, key=f"cold-{number}")
            cold += await timed(partial(invoke, fresh), 1)
            engine.retire(fresh.key)
            await asyncio.sleep(0.05)
        floor = percentile(forks(COLD), 0.5)
        figures["cold_p50"].add(percentile(cold, 0.5), floor)
        figures["cold_p99"].add(percentile(cold, 0.99), floor)
        burst = replace(spec, key="burst")
        figures["burst"].add((await timed(partial(together, partial(invoke, burst)), 1))[0] / 1000)
        waiting = partial(invoke, replace(spec, key="wait", handler="main.wait"), b"2.0")
        figures["spread"].add((await timed(partial(together, waiting), 1))[0] / 1000 - 2.0)
    finally:
        await engine.close()


async def together(work: Callable[[], Awaitable[object]]) -> None:
    """The burst: so many at the same moment."""
    await asyncio.gather(*[work() for _ in range(BURST)])


def measure(rounds: int = 3) -> None:
    """Run `rounds` rounds and print the table."""
    figures = {
        "trip": Figure("(a byte to another process and back, p50)", "ms"),
        "p50": Figure("warm invoke, p50", "ms", "< 1.5x", "bare loop"),
        "p99": Figure("warm invoke, p99", "ms", "", "bare loop's p50"),
        "rate": Figure(f"warm invokes per second, {AT_ONCE} at once", "/s", "> 0.7x", "bare loop"),
        "cold_p50": Figure("cold start, p50", "ms", "< 10 ms", "fork"),
        "cold_p99": Figure("cold start, p99", "ms", "< 25 ms", "fork"),
        "burst": Figure(f"{BURST} at once from none", "s", "< 2 s"),
        "spread": Figure(f"{BURST} at once that each take 2 s, beyond those", "s", "< 2 s"),
    }
    for _ in range(rounds):
        with tempfile.TemporaryDirectory(prefix="undercast-bench-") as root:
            folder = Path(root) / "code"
            folder.mkdir(mode=0o755)
            (folder / "main.py").write_text(CODE)
            (folder / "main.py").chmod(0o644)
            figures["trip"].add(percentile(round_trip(WARM), 0.5))
            uvloop.run(one_round(folder, figures))
    show("The functions engine by itself", figures.values())
