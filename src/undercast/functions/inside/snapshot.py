"""SnapStart inside: a process in which a function's initialisation has run forks environments from itself.

It gives an environment its memory and nothing else: each has its own control groups, channel, log, /tmp, view
of processes and mounts. The network is the version's, and so is the user. A request is a frame `FORK` with
descriptors: channel, log, /tmp, files to join control groups. The environment says `RESTORED` and waits for
`PROCEED`, which brings its variables; it may have been made ahead.

The process has no privilege, so what it forks makes a user namespace in which it may set itself up, with the
one call that the server answers (`door.py` there), and lays everything down again before the function goes
on. Sources: user_namespaces(7), pid_namespaces(7).
"""

from __future__ import annotations

import array
import gc
import json
import os
import random
import select
import shutil
import signal
import socket
import threading

from . import init, kernel, wire

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DESCRIPTORS = 32
# No cgroup namespace: it would have to be asked for after joining the groups, and all it hides is a number.
_NAMESPACES = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWUTS
)

settings: dict[str, Any] = {}  # how environments are set up; given by init.py


class NotPossible(RuntimeError):
    """The process cannot be forked from; the text says why."""


def check(keep: int) -> None:
    """Raises NotPossible for what a fork would lose or share: threads, connections, event loops."""
    threads = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
    if threads:
        raise NotPossible("SnapStart: threads run after the initialisation: " + ", ".join(threads))
    for name in os.listdir("/proc/self/fd"):
        if int(name) == keep:
            continue
        try:
            target = os.readlink("/proc/self/fd/" + name)
        except OSError:
            continue
        if target.startswith("socket:"):
            raise NotPossible("SnapStart: a socket is open after the initialisation")
        if target in ("anon_inode:[eventpoll]", "anon_inode:inotify"):
            raise NotPossible("SnapStart: an event loop is open after the initialisation")
    try:
        kernel.tid_address()
    except OSError:
        raise NotPossible("SnapStart: the kernel lacks CONFIG_CHECKPOINT_RESTORE") from None
    _end_native_threads()


def _end_native_threads() -> None:
    """Libraries that keep threads for computing end them when the process forks, and make new ones when
    needed."""
    before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = kernel.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    signal.signal(signal.SIGCHLD, before)
    if len(os.listdir("/proc/self/task")) > 1:
        raise NotPossible("SnapStart: threads of a library run after the initialisation")


def serve(channel: socket.socket, logs: list[int]) -> socket.socket:
    """Forks environments until the server goes; returns in each of them, with its own channel."""
    gc.collect()
    gc.freeze()  # the collector must not write to what is shared with every environment
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_read, False)
    os.set_blocking(wake_write, False)
    before = signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    numbers: dict[int, int] = {}
    tid = kernel.tid_address()
    user = os.getuid()
    poll = select.poll()
    poll.register(channel, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == wake_read:
                os.read(wake_read, 4096)
                _report(channel, numbers)
                continue
            number, fds = _request(channel)
            pid = _clone(tid)
            if pid:
                numbers[pid] = number
                for given in fds:
                    os.close(given)
                continue
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, before)
            os.close(wake_read)
            os.close(wake_write)
            channel.close()
            try:
                return _become(fds, logs, user)
            except OSError as error:  # said in the snapshot's log
                os.write(2, f"the environment could not be restored: {error}\n".encode())
                os._exit(1)


def _clone(tid: int) -> int:
    """Forks into new namespaces. Waiting for the server's answer is interrupted when an environment ends."""
    while True:
        try:
            return kernel.clone(_NAMESPACES, tid)
        except InterruptedError:
            continue


def _request(channel: socket.socket) -> tuple[int, list[int]]:
    """One request: a number and descriptors. The process ends with the server."""
    space = socket.CMSG_SPACE(_DESCRIPTORS * 4)
    data, ancillary, _, _ = channel.recvmsg(wire.TO_INSIDE.size, space, socket.MSG_CMSG_CLOEXEC)
    fds = array.array("i")
    for level, kind, content in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(content[: len(content) - len(content) % fds.itemsize])
    if len(data) < wire.TO_INSIDE.size:
        os._exit(0)
    kind, _, _, number = wire.TO_INSIDE.unpack(data)
    if kind != wire.FORK:
        os._exit(1)
    return number, list(fds)


def _report(channel: socket.socket, numbers: dict[int, int]) -> None:
    """Tells the server which environments ended."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if (number := numbers.pop(pid, None)) is not None:
            body = wire.EXITED_BODY.pack(number, status)
            channel.sendall(wire.TO_ENGINE.pack(wire.EXITED, 0, len(body)) + body)


def _become(fds: list[int], logs: list[int], user: int) -> socket.socket:
    """In the child: its own groups, namespaces, log, channel and variables; waits for the server's word."""
    own, log, tmp, *groups = fds
    for group in groups:
        os.write(group, b"0")
        os.close(group)
    _settle(tmp, user)
    for descriptor in logs:
        os.dup2(log, descriptor)
    os.close(log)
    _lay_down()
    channel = socket.socket(fileno=own)
    channel.sendall(wire.TO_ENGINE.pack(wire.RESTORED, 0, 0))
    # Until the server's word this may be hours: what has to be new is made new after it.
    head = channel.recv(wire.TO_INSIDE.size, socket.MSG_WAITALL)
    if len(head) < wire.TO_INSIDE.size or head[0] != wire.PROCEED:
        os._exit(0)
    length = wire.TO_INSIDE.unpack(head)[1]
    os.environ.update(json.loads(channel.recv(length, socket.MSG_WAITALL)))
    random.seed()
    return channel


def _settle(tmp: int, user: int) -> None:
    """In new namespaces: the same user, its own view of processes, a /tmp with what the initialisation left
    there."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)  # /proc/self is this user's
    one = f"{user} {user} 1"
    for name, content in (("setgroups", "deny"), ("gid_map", one), ("uid_map", one)):
        with open("/proc/self/" + name, "w") as file:
            file.write(content)
    left = os.open("/tmp", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    kernel.move_mount(tmp, "/tmp")
    os.close(tmp)
    for name in os.listdir(left):
        source, target = f"/proc/self/fd/{left}/{name}", "/tmp/" + name
        if os.path.isdir(source) and not os.path.islink(source):
            shutil.copytree(source, target, symlinks=True)
        elif os.path.isfile(source) or os.path.islink(source):
            shutil.copy2(source, target, follow_symlinks=False)
    os.close(left)
    kernel.mount("proc", "/proc", "proc", init.PROC_FLAGS, "hidepid=2")
    init.mask(settings)


def _lay_down() -> None:
    """Gives up what the user namespace brought and comes under the filter of every environment."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.drop_capability_bounds()
    kernel.drop_capabilities()
    kernel.install_filter(settings["filter"])
