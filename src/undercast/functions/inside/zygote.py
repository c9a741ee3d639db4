"""The process environments are forked from: one per runtime, single-threaded, with everything imported.

It stands in the base root that `launch.py` built, in a network of its own with nothing in it, and holds no
descriptor but /dev/null, its log, the socket to the server and its own pid namespace. It does nothing else
than fork when the server says so, so a fork never inherits another environment's anything.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys

from . import init, kernel
from .messages import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType

_REHEARSALS = 20  # the interpreter specialises code that has run some times (PEP 659)


def serve(channel: socket.socket, own_pids: int, bootstrap: ModuleType | None) -> None:
    """Forks environments until the server goes."""
    settings = receive(channel)
    if settings is None:
        return
    for name in ("filter", "snapshot_filter"):
        settings[name] = bytes.fromhex(settings[name])
    own = [own_pids, *settings["fds"].values()]
    gc.collect()
    gc.freeze()  # the collector must not write to what is shared with every environment
    while True:
        request = receive(channel)
        if request is None:
            break
        # for children only: the next one is process 1 of its own namespace
        kernel.unshare(kernel.CLONE_NEWPID)
        if kernel.fork() == 0:
            channel.close()
            for number in own:
                os.close(number)
            init.run(settings, request, bootstrap)  # does not return
        kernel.setns(own_pids, kernel.CLONE_NEWPID)
        for number in request["fds"].values():
            os.close(number)
    if "freezer" in settings["fds"]:
        _thaw(settings["fds"]["freezer"])


def _thaw(freezer: int) -> None:
    """Lets the frozen environments of a server that was killed end: version 1 cgroups hold even SIGKILL back.

    They are told to when this process, their parent, ends.
    """
    for name in os.listdir(freezer):
        try:
            state = os.open(name + "/freezer.state", os.O_WRONLY, dir_fd=freezer)
        except OSError:
            continue  # a file, or gone meanwhile
        try:
            os.write(state, b"THAWED")
        finally:
            os.close(state)


def _preloaded() -> ModuleType:
    """The runtime client, with everything it needs imported."""
    from . import bootstrap, rehearsal

    bootstrap.preload()
    for _ in range(_REHEARSALS):
        rehearsal.rehearse()
    return bootstrap


def main() -> None:
    """Arguments: descriptor of the server's socket, "preload" or "bare", descriptor of its pid namespace."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    own_pids = int(sys.argv[3])
    os.set_inheritable(own_pids, False)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.drop_capability_bounds()
    os.setgroups([])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # environments are reaped by the kernel
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is for the server
    client = _preloaded() if sys.argv[2] == "preload" else None
    sys.path.remove("/var/rapid")
    channel.send(b"up")
    try:
        serve(channel, own_pids, client)
    finally:
        os._exit(0)
