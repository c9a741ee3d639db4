"""A terminal on an instance: an ordinary ssh on a pseudoterminal, let in by a key that lives for a minute."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import struct
import tempfile
import termios
from pathlib import Path

from undercast.services.base import AwsError
from undercast.services.ec2 import ssh_keys
from undercast.services.ec2_instance_connect.keys import Keys

_CHUNK = 1 << 16
_LARGEST = 1000  # columns or rows
_END_S = 3.0


class Terminal:
    """Both directions of a running login. Whoever opened it closes it."""

    def __init__(self, process: asyncio.subprocess.Process, master: int, key: Path) -> None:
        self._process = process
        self._master = master
        self._key = key
        self._output: asyncio.Queue[bytes] = asyncio.Queue(64)
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        """Move output into the queue. A full queue holds the reading back, and with it the program."""
        loop = asyncio.get_running_loop()
        try:
            while data := await loop.run_in_executor(None, self._read_once):
                await self._output.put(data)
        finally:
            await self._output.put(b"")

    def _read_once(self) -> bytes:
        try:
            return os.read(self._master, _CHUNK)
        except OSError:  # EIO: the last process on the terminal has ended
            return b""

    async def read(self) -> bytes:
        """The next output; empty once the login has ended."""
        return await self._output.get()

    async def write(self, data: bytes) -> None:
        """Type something."""
        loop = asyncio.get_running_loop()
        while data:
            written = await loop.run_in_executor(None, os.write, self._master, data)
            data = data[written:]

    def resize(self, columns: int, rows: int) -> None:
        """Tell the program its window's size, in characters."""
        size = (max(1, min(rows, _LARGEST)), max(1, min(columns, _LARGEST)))
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))

    async def close(self) -> None:
        """End the login and leave nothing behind."""
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), _END_S)
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        os.close(self._master)
        self._key.unlink(missing_ok=True)


async def open_terminal(
    keys: Keys, instance_id: str, address: str, user: str, columns: int, rows: int
) -> Terminal:
    """Log in to the instance at `address`, with a key made for this one login."""
    made = await asyncio.to_thread(ssh_keys.make, "ed25519", "pem")
    await keys.send(instance_id, user, ssh_keys.openssh(made.public))
    descriptor, name = tempfile.mkstemp(prefix="undercast-terminal-")
    with os.fdopen(descriptor, "w") as file:
        file.write(made.private + "\n")
    master, slave = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *_ssh(user, address, name),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "xterm-256color", "LANG": "C.UTF-8"},
        )
    except OSError as error:
        os.close(master)
        Path(name).unlink(missing_ok=True)
        raise AwsError("ServiceException", f"ssh cannot be run: {error.strerror}", 500) from error
    finally:
        os.close(slave)
    terminal = Terminal(process, master, Path(name))
    terminal.resize(columns, rows)
    return terminal


def _ssh(user: str, address: str, key: str) -> list[str]:
    # The address was just given by our own network and the host key is new with every instance.
    options = {
        "StrictHostKeyChecking": "no",
        "UserKnownHostsFile": "/dev/null",
        "GlobalKnownHostsFile": "/dev/null",
        "LogLevel": "ERROR",
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "ConnectTimeout": "10",
        "ServerAliveInterval": "30",
        "EscapeChar": "none",
    }
    words = [word for option, value in options.items() for word in ("-o", f"{option}={value}")]
    return ["ssh", "-F", "none", "-tt", "-i", key, *words, "-l", user, "--", address]
