"""One server at a time owns the network of instances: the lock that says who.

The addresses instances use and the link-local ones of the metadata service exist once per machine, so two
servers cannot both give them out. The lock is an flock(2): it ends with the process that holds it.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

LOCK = Path("/run/undercast/servers.lock")


class Owner:
    """The lock on this machine's instance network."""

    def __init__(self, path: Path = LOCK) -> None:
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Whether this server owns the network."""
        return self._descriptor is not None

    def acquire(self, who: str) -> str | None:
        """Take the lock without waiting. Returns None when it is ours, else the reason why not."""
        if self.held:
            return None
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            return f"the instance network needs root on this machine ({error.strerror}: {self._path})"
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            return f"another Undercast server on this machine runs the instances ({holder})"
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{who}\n".encode(), 0)
        self._descriptor = descriptor
        return None

    def release(self) -> None:
        """Let another server have the network."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
