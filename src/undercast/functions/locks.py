"""Locks of servers in /run/undercast: files that exist while somebody holds them.

flock(2) ends with the process that holds it, so a file whose lock is free belongs to a server that is dead.
A file is removed by whoever holds its lock; one that waited for it meanwhile has locked a file that is no
longer there, notices, and takes the new one.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

RUN = Path("/run/undercast")
HOST_ID = re.compile("[0-9a-f]{6}")
_PAUSE_S = 0.01


class Taken(Exception):
    """Another process holds the lock."""


class Lock:
    """A lock that this process holds until `close`, signed with a server's host id, or with nothing."""

    def __init__(self, path: Path, host_id: str = "") -> None:
        """Takes it without waiting. Raises Taken, OSError."""
        self._path = path
        while True:
            self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                there = path.stat().st_ino == os.fstat(self._descriptor).st_ino
            except BlockingIOError:
                os.close(self._descriptor)
                raise Taken(f"{path} is held by another process") from None
            except FileNotFoundError:
                there = False
            except BaseException:
                os.close(self._descriptor)
                raise
            if there:
                break
            os.close(self._descriptor)
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, host_id.encode(), 0)

    def close(self) -> None:
        """Lets go of it; the file goes as well. Idempotent."""
        if self._descriptor >= 0:
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)
            self._descriptor = -1


def life(host_id: str) -> Path:
    """The file whose lock a server holds while anything on this machine carries its host id."""
    return RUN / f"functions-{host_id}.lock"


def take_life(host_id: str, seconds: float) -> Lock:
    """This server's own life. Who removes what an earlier run left is waited for. Raises Taken, OSError."""
    RUN.mkdir(parents=True, exist_ok=True, mode=0o755)
    end = time.monotonic() + seconds
    while True:
        try:
            return Lock(life(host_id), host_id)
        except Taken:
            if time.monotonic() > end:
                raise
            time.sleep(_PAUSE_S)


def signature(path: Path) -> str:
    """The host id in a lock's file; empty when there is none."""
    try:
        text = path.read_text(errors="replace").strip()
    except FileNotFoundError:
        return ""
    return text if HOST_ID.fullmatch(text) else ""
