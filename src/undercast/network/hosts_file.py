"""Names in /etc/hosts: what makes printed host names resolve on this machine.

curl and browsers resolve `*.localhost` themselves; Python and everything else on glibc asks /etc/hosts
(hosts(5)). Each server keeps one marked block there and takes it away when it stops. Several servers share
the file: a lock beside it makes their changes follow one another, and each touches its own block only.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

log = logging.getLogger(__name__)

HOSTS = Path("/etc/hosts")
_BEGIN = re.compile(r"# undercast ([0-9a-f]{6}) begin (\d+)$")
_END = re.compile(r"# undercast [0-9a-f]{6} end$")
_LOCK_TRIES = 500
_LOCK_PAUSE_S = 0.01


class HostsFile:
    """One server's block in the hosts file. Every method may be called from any thread.

    Without the right to write the file (`available` is False) names are kept in memory and nothing is
    written; the caller prints addresses that need no name then.
    """

    def __init__(self, host_id: str, path: Path = HOSTS, *, enabled: bool = True) -> None:
        self._path = path
        self._lock_path = path.parent / f".{path.name}.undercast.lock"
        self._host_id = host_id
        self._names: dict[str, str] = {}
        self._guard = threading.Lock()
        self.available = enabled and os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)

    def add(self, names: Mapping[str, str]) -> None:
        """Let each name resolve to its address. A name that is there already moves to the new address."""
        with self._guard:
            if names.items() <= self._names.items():
                return
            self._names.update(names)
            self._write()

    def remove(self, names: Iterable[str]) -> None:
        """Forget names; unknown ones are no error."""
        with self._guard:
            known = [name for name in names if self._names.pop(name, None) is not None]
            if known:
                self._write()

    def close(self) -> None:
        """Take the block away. Called when the server stops."""
        with self._guard:
            self._names.clear()
            self._write()

    def sweep(self) -> None:
        """Take away what killed servers left: this one's block, and those of processes that are gone."""
        with self._guard:
            self._write(sweep=True)

    def _write(self, *, sweep: bool = False) -> None:
        if not self.available:
            return
        try:
            with self._locked():
                before = self._path.read_text(encoding="utf-8", errors="surrogateescape")
                after = self._kept(before, sweep) + self._block()
                if after != before:
                    self._replace(after)
        except OSError as error:
            # A name that does not resolve is no reason to fail the call that made it.
            log.warning("cannot write %s: %s", self._path, error)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # The file itself cannot carry the lock: replacing it would leave others waiting on the old one.
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _kept(self, text: str, sweep: bool) -> str:
        """The text without this server's block, and without those of dead ones when sweeping."""
        kept: list[str] = []
        dropped: list[str] | None = None  # the lines of the block we are in, when it goes
        for line in text.splitlines(keepends=True):
            begin, end = _BEGIN.match(line), _END.match(line)
            if begin is not None and self._goes(begin[1], begin[2], sweep):
                dropped = []
            elif dropped is not None and end is not None:
                dropped = None
            elif dropped is not None:
                dropped.append(line)
            else:
                kept.append(line)
        # A block without an end: somebody edited it. Losing their lines is worse than a stale name.
        body = "".join(kept + (dropped or []))
        return body if not body or body.endswith("\n") else body + "\n"

    def _goes(self, host_id: str, pid: str, sweep: bool) -> bool:
        return host_id == self._host_id or (sweep and not Path("/proc", pid).exists())

    def _block(self) -> str:
        if not self._names:
            return ""
        lines = [f"{address} {name}\n" for name, address in sorted(self._names.items())]
        begin = f"# undercast {self._host_id} begin {os.getpid()}\n"
        return "".join([begin, *lines, f"# undercast {self._host_id} end\n"])

    def _replace(self, text: str) -> None:
        data = text.encode("utf-8", errors="surrogateescape")
        status = self._path.stat()
        descriptor, name = tempfile.mkstemp(prefix=".hosts.undercast.", dir=self._path.parent)
        partial = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                os.fchmod(file.fileno(), status.st_mode & 0o7777)
                os.fchown(file.fileno(), status.st_uid, status.st_gid)
            try:
                partial.replace(self._path)
            except OSError:
                # In containers the file is a bind mount and cannot be replaced, only rewritten.
                self._path.write_bytes(data)
        finally:
            partial.unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Take the lock within seconds, or raise OSError: whoever holds it only rewrites a small file."""
    for _ in range(_LOCK_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_LOCK_PAUSE_S)
    raise TimeoutError("another server holds the lock of the hosts file")
