"""One server per data folder: the lock that says so, and what a running server tells the command line."""

from __future__ import annotations

import fcntl
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson


@dataclass(frozen=True, slots=True)
class Running:
    """A server as its data folder describes it. The file holds a secret: its owner alone may read it."""

    pid: int
    url: str
    host: str
    port: int
    account: str
    region: str
    access_key_id: str
    secret_access_key: str
    started: float  # Unix time
    version: str
    settings: dict[str, Any]


class AlreadyRunning(Exception):
    """Another server holds the data folder."""

    def __init__(self, data: Path, running: Running | None) -> None:
        super().__init__(str(data))
        self.data = data
        self.running = running


class Lock:
    """Held while a server runs on a data folder. The kernel lets go of it when the process ends, however."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises `AlreadyRunning`."""
        self._data.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(_lock_file(self._data), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(self._data, read(self._data)) from None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        self._descriptor = descriptor

    def release(self) -> None:
        """Let the next server in."""
        if self._descriptor is not None:
            _info_file(self._data).unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = None


def _lock_file(data: Path) -> Path:
    return data / "server.pid"


def _info_file(data: Path) -> Path:
    return data / "server.json"


def pid(data: Path) -> int | None:
    """The process that holds the data folder, or None. Asks the kernel, not the file's text alone."""
    try:
        descriptor = os.open(_lock_file(data), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.read(descriptor, 32).strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None


def write(data: Path, running: Running) -> None:
    """Tell the command line how to reach this server."""
    partial = _info_file(data).with_suffix(".new")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(asdict(running)))
    partial.rename(_info_file(data))


def read(data: Path) -> Running | None:
    """The server that runs on a data folder and is ready, or None."""
    holder = pid(data)
    if holder is None:
        return None
    try:
        told = Running(**orjson.loads(_info_file(data).read_bytes()))
    except (OSError, orjson.JSONDecodeError, TypeError):
        return None
    return told if told.pid == holder else None
