"""The server's end of zygotes: starts one per runtime on first use and hands it requests to fork."""

from __future__ import annotations

import array
import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from undercast.functions import base_root, seccomp
from undercast.functions.spec import SandboxError

START_LIMIT_S = 20.0
SEND_LIMIT_S = 10.0
INSIDE = Path(__file__).parent / "inside"

LIMITS = {
    "RLIMIT_CORE": 0,
    "RLIMIT_NOFILE": 1024,
    "RLIMIT_MEMLOCK": 65536,
    "RLIMIT_MSGQUEUE": 0,
}

# What every process of an environment starts from, as on AWS; the function's own variables replace it. ld.so
# reads LD_LIBRARY_PATH once, when the zygote starts.
BASE_ENV = {
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "PATH": "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:"
    "/var/task:/var/task/lib:/opt/lib",
}

_LAUNCH = "import sys; sys.path.append(sys.argv[1]); from inside import launch; launch.main()"
_START = (
    "import sys; sys.path[:] = ['/var/rapid', '/var/runtime'] + [p for p in sys.path if p];"
    "from undercast_inside import zygote; zygote.main()"
)


def send(channel: socket.socket, message: Mapping[str, Any], fds: Mapping[str, int]) -> None:
    """One message with descriptors (see inside/messages.py).

    Raises BlockingIOError when the socket is full.
    """
    data = json.dumps({**message, "fds": list(fds)}).encode()
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds.values()))] if fds else []
    channel.sendmsg([data], rights)


async def _writable(channel: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_writer(channel, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_writer(channel)


class Zygote:
    """One zygote process. Its log is a file, its life ends with this object's socket."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: socket.socket, log_file: Path, preloaded: bool
    ) -> None:
        self.preloaded = preloaded
        self._process = process
        self._channel = channel
        self._log_file = log_file
        self._order = asyncio.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @classmethod
    async def start(
        cls,
        name: str,
        directory: Path,
        *,
        interpreter: Path,
        users: range,
        prefix: Path | None,
        client: Path | None,
        preload: bool,
        freezer: Path | None,
    ) -> Zygote:
        """Starts a zygote on an interpreter and waits until it is up. Raises SandboxError.

        `freezer` is the parent of this server's version 1 freezer groups, to be thawed when it is killed.
        """
        root = directory / "root"
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        plan_read, plan_write = os.pipe()
        log_file = directory / f"zygote-{name}.log"
        argv = [str(interpreter), "-S", "-X", "utf8", "-c", _START, str(there.fileno())]
        plan = base_root.plan(
            root,
            argv=[*argv, "preload" if preload else "bare"],
            env=BASE_ENV,
            users=users,
            inside=INSIDE,
            prefix=prefix,
            client=client,
        )
        with log_file.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _LAUNCH, str(INSIDE.parent), str(plan_read)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(there.fileno(), plan_read),
                env={},
                cwd="/",
                start_new_session=True,
            )
        there.close()
        os.close(plan_read)
        here.setblocking(False)
        zygote = cls(process, here, log_file, preload)
        try:
            await asyncio.to_thread(_write_all, plan_write, json.dumps(plan).encode())
            await zygote._greet(freezer)
        except BaseException:
            zygote.close()
            raise
        return zygote

    async def _greet(self, freezer: Path | None) -> None:
        loop = asyncio.get_running_loop()
        try:
            answer = await asyncio.wait_for(loop.sock_recv(self._channel, 64), START_LIMIT_S)
        except (TimeoutError, OSError) as error:
            raise SandboxError(f"the zygote did not start: {error!r}") from error
        if answer != b"up":
            raise SandboxError(f"the zygote did not start: {self._last_words()}")
        files, directories = base_root.masked_paths()
        settings = {
            "filter": seccomp.build().hex(),
            "snapshot_filter": seccomp.build(snapshot=True).hex(),
            "limits": LIMITS,
            "masked_files": files,
            "masked_directories": directories,
        }
        with contextlib.ExitStack() as handed:
            fds = {}
            if freezer is not None:
                fds["freezer"] = os.open(freezer, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                handed.callback(os.close, fds["freezer"])
            await self.fork(settings, fds)

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            return self._log_file.read_text(errors="replace").strip().rpartition("\n")[2]
        return "no output"

    async def fork(self, request: Mapping[str, Any], fds: Mapping[str, int]) -> None:
        """Hands a request over, in order. Raises SandboxError when the zygote is gone or does not listen."""
        try:
            async with asyncio.timeout(SEND_LIMIT_S), self._order:
                while True:
                    try:
                        send(self._channel, request, fds)
                        return
                    except BlockingIOError:
                        await _writable(self._channel)
        except (TimeoutError, OSError) as error:
            raise SandboxError(f"the zygote does not answer: {error!r}; {self._last_words()}") from error

    def close(self) -> None:
        """Ends the process and with it every environment forked from it."""
        self._channel.close()
        self._process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)


def _write_all(descriptor: int, data: bytes) -> None:
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
