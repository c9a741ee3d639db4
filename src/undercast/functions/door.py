"""What a snapshot's process must ask the server for: namespaces.

What SnapStart forks from has no privilege, so every fork makes a user namespace to set itself up in. A
function has no business there. The filter of such a process therefore leaves the answer to this supervisor,
which says yes while the server has itself asked for a fork, and no at any other time; and before the server
lets the forked environment go on, it looks whether every privilege has been laid down again.

Source: seccomp_unotify(2), linux/seccomp.h.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
from collections.abc import Iterable
from pathlib import Path

_RECEIVE, _SEND = 0xC0502100, 0xC0182101  # _IOWR('!', 0, struct seccomp_notif), _IOWR('!', 1, ..._resp)
_NOTICE = struct.Struct("=QIIiIQ6Q")  # id, pid, flags, then struct seccomp_data
_ANSWER = struct.Struct("=QqiI")  # id, value, error, flags
_CONTINUE = 1


class PrivilegesKept(Exception):
    """A process that should have none has capabilities, or is not under a filter."""


class Door:
    """Answers a filter's questions on the event loop. `open` says what."""

    def __init__(self, listener: int) -> None:
        self.open = False
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(listener, self._asked)

    def _asked(self) -> None:
        question = bytearray(_NOTICE.size)
        try:
            fcntl.ioctl(self._listener, _RECEIVE, question)
        except OSError as error:
            if error.errno != errno.ENOENT:  # whoever asked is gone already
                self.close()
            return
        identity = _NOTICE.unpack(question)[0]
        answer = (identity, 0, 0, _CONTINUE) if self.open else (identity, 0, -errno.EPERM, 0)
        with contextlib.suppress(OSError):
            fcntl.ioctl(self._listener, _SEND, _ANSWER.pack(*answer))

    def close(self) -> None:
        """From now on the answer is that there is no such call. Idempotent."""
        if self._listener >= 0:
            self._loop.remove_reader(self._listener)
            os.close(self._listener)
            self._listener = -1


def check_privileges(pids: Iterable[int]) -> None:
    """Raises PrivilegesKept unless none of these processes has a capability and all are under two filters."""
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue  # it has ended
        state = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            if int(state[name], 16):
                raise PrivilegesKept(f"process {pid} has {name} {state[name].strip()}")
        if int(state["NoNewPrivs"]) != 1 or int(state.get("Seccomp_filters", "2")) < 2:
            raise PrivilegesKept(f"process {pid} is not under the filter of environments")
