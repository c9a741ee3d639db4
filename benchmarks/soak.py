"""What the server holds before and after a long run: memory, descriptors, threads. Nothing may grow.

Not part of `make bench`: `python -m benchmarks soak`. 100,000 invocations, a thousand open connections, large
events and answers, clients that stop reading, clients that leave in the middle.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.cloud import BenchCloud, running_cloud
from benchmarks.functions import EVENT, signed_invoke
from benchmarks.http_client import latencies, throughput

INVOCATIONS, AT_ONCE, PART = 100_000, 16, 5_000
OPEN, LARGE, LEAVING = 1000, 40, 300
IDLE_S = 10.0
_LIMIT_S = 420.0
_ECHO = "def lambda_handler(event, context):\n    return event\n"


class Soak:
    """One server under one load after the other."""

    def __init__(self, cloud: BenchCloud) -> None:
        self._cloud = cloud
        self._table = Table(title="What the server holds", title_justify="left")
        for column in ("after", "resident memory", "descriptors", "threads", "took"):
            self._table.add_column(column, justify="left" if column == "after" else "right")
        self._ends = time.monotonic() + _LIMIT_S

    def run(self) -> None:
        """All loads; prints the table."""
        cloud = self._cloud
        cloud.create_function("warm", MemorySize=512)
        cloud.create_function("echo", _ECHO, MemorySize=1769, Timeout=30)
        self._load(PART)
        large = signed_invoke(cloud, "echo", json.dumps("x" * 5_900_000).encode())
        latencies("127.0.0.1", cloud.port, large, 2)
        self._note("the start, warm", lambda: None)
        with self._open_connections():
            self._note(f"{OPEN} open connections", lambda: self._load(PART))
        self._note(f"{INVOCATIONS // 2:,} invocations", self._many)
        self._note(f"{INVOCATIONS // 2:,} more", self._many)
        self._note(
            f"{LARGE} events and answers of 6 MB", lambda: latencies("127.0.0.1", cloud.port, large, LARGE)
        )
        self._note("20 clients that do not read 6 MB", lambda: self._leave(large, 20, wait_s=1.0))
        self._note("20 more of them", lambda: self._leave(large, 20, wait_s=1.0))
        request = signed_invoke(cloud, "warm")
        self._note(f"{LEAVING} clients that leave", lambda: self._leave(request, LEAVING, wait_s=0.0))
        self._note("rest, until idle environments are gone", lambda: time.sleep(IDLE_S + 10))
        Console(width=120).print(self._table)

    def _many(self) -> None:
        done = 0
        while done < INVOCATIONS // 2 and time.monotonic() < self._ends:
            self._load(PART)
            done += PART
        if done < INVOCATIONS // 2:
            print(f"soak: stopped after {done:,} invocations, {_LIMIT_S:.0f} s")

    def _load(self, count: int) -> None:
        request = signed_invoke(self._cloud, "warm", EVENT)  # a signature is good for five minutes
        asyncio.run(throughput("127.0.0.1", self._cloud.port, [request] * AT_ONCE, count))

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._cloud.port), timeout=30)

    @contextmanager
    def _open_connections(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            for _ in range(OPEN):
                held.enter_context(self._connect())
            yield

    def _leave(self, request: bytes, count: int, wait_s: float) -> None:
        """Send a request on each of so many connections, and reset them without reading the answers."""
        sockets = [self._connect() for _ in range(count)]
        for sock in sockets:
            sock.sendall(request)
        time.sleep(wait_s)
        for sock in sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.close()
        time.sleep(1.0)  # the invocations go on without their callers

    def _note(self, what: str, load: Callable[[], object]) -> None:
        began = time.monotonic()
        load()
        took = time.monotonic() - began
        folder = Path("/proc", str(self._cloud.pid))
        threads, descriptors = (sum(1 for _ in (folder / kind).iterdir()) for kind in ("task", "fd"))
        memory = f"{self._cloud.resident_mib():.0f} MiB"
        self._table.add_row(what, memory, str(descriptors), str(threads), f"{took:.1f} s")


def measure(rounds: int) -> None:
    """Prints the table; one round is all there is."""
    os.environ["UNDERCAST_FUNCTIONS_IDLE_S"] = str(IDLE_S)
    with running_cloud() as cloud:
        Soak(cloud).run()
