"""The two first processes of an environment, from the fork to the function's first line.

Process 1 closes the world behind itself, forks the main process, gives up every privilege and goes on as an
ordinary process that the function can neither see, signal nor trace: it starts extensions when the server
asks, reaps what is orphaned and reports how processes ended. When it ends, or the server does, the kernel
ends everything in the environment.

The main process waits for its function. All that took time is then behind it: it attaches code and layers,
gives up every privilege and becomes the runtime. Until that moment nothing of any function has been near
either process.

Process 1 and the server, over the control socket (SOCK_SEQPACKET, JSON):
    {"ready": true} or {"error": TEXT} once, then {"exit": ID, "status": S} or {"exit": ID, "signal": N};
    the main process has the ID 0, others are asked for with {"spawn": ID, "argv": [...], "env": {...}}
The main process and the server, over the binding socket:
    {"argv": [...] or null, "env": {...}, "hold": BOOL, "fds": ["code", "layers"]}; with "hold" it answers
    {"bound": true} when all is in place and starts with the next message.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
import sys
import time

from . import kernel
from .messages import receive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
PROC_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC
MAIN = 0
_PROCESSES = 1024  # of the user; as AWS says


def mask(settings: dict[str, Any]) -> None:
    """Covers what of /proc discloses the host."""
    for path in settings["masked_files"]:
        kernel.mount("/dev/null", path, None, kernel.MS_BIND)
    for path in settings["masked_directories"]:
        kernel.mount("/var/empty", path, None, kernel.MS_BIND)


def _enter(settings: dict[str, Any], request: dict[str, Any]) -> None:
    """Own cgroup, network, mounts and limits."""
    fds = request["fds"]
    for name in fds:
        if name.startswith("cgroup"):
            os.write(fds[name], b"0")
    kernel.setns(fds["net"], kernel.CLONE_NEWNET)
    kernel.unshare(_NAMESPACES)
    kernel.move_mount(fds["tmp"], "/tmp")
    # hidepid: processes of another user, and those that may not be traced (process 1), do not exist
    kernel.mount("proc", "/proc", "proc", PROC_FLAGS, "hidepid=2")
    mask(settings)
    socket.sethostname(request["host"])
    for name, limit in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    os.umask(0o022)
    for name in [name for name in fds if name not in ("stdout", "channel", "bind")]:
        os.close(fds.pop(name))


def _surrender(user: int) -> None:
    """From here on: an ordinary user without any privilege, for good; then comes the filter."""
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def _be_snapshot(settings: dict[str, Any], server: socket.socket) -> None:
    """Comes under a filter whose questions the server answers, and says where (see snapshot.py)."""
    from . import snapshot

    listener = kernel.install_supervised_filter(settings["snapshot_filter"])
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, listener.to_bytes(4, sys.byteorder))]
    server.sendmsg([b'{"fds": ["listener"]}'], rights)
    os.close(listener)
    snapshot.settings = settings


def _detach(stdout: int, keep: list[int]) -> None:
    """In a forked child: its own session and output, no descriptor but those to `keep`, as 3, 4, ..."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(stdout, 1)
    os.dup2(stdout, 2)
    # first out of the way of each other, then into place
    moved = [os.dup2(number, 64 + place) for place, number in enumerate(keep)]
    for place, number in enumerate(moved):
        os.dup2(number, 3 + place, inheritable=False)
    os.closerange(
        3 + len(keep), 256
    )  # requests carry few descriptors and init opens three, so none lies above


def _execute(argv: list[str], env: dict[str, str]) -> NoReturn:
    """Does not return. 127 and 126 are what a shell answers, and AWS's error texts expect."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    os.chdir("/var/task")
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _run_client(bootstrap: Any, channel: int, env: dict[str, str]) -> None:
    """The runtime client that the zygote had already imported. Does not return."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    os.chdir("/var/task")
    os.environ.clear()
    os.environ.update(env)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    own = "/opt/python/lib/python{}.{}/site-packages".format(*sys.version_info)
    entries = ["/var/task", own, "/opt/python", *env.get("PYTHONPATH", "").split(":")]
    sys.path[:0] = [entry for entry in dict.fromkeys(entries) if entry and entry not in sys.path]
    time.tzset()
    bootstrap.run(socket.socket(fileno=channel))


def _main(settings: dict[str, Any], request: dict[str, Any], bootstrap: Any) -> None:
    """The main process: waits for its function and becomes it. Does not return."""
    fds = request["fds"]
    keep = [fds["bind"], fds["channel"]] if "channel" in fds else [fds["bind"]]
    _detach(fds["stdout"], keep)
    server = socket.socket(fileno=3)
    if bootstrap is not None and request["ahead"]:
        from . import rehearsal

        rehearsal.rehearse()
    order = receive(server)
    if order is None:
        os._exit(0)
    kernel.move_mount(order["fds"]["code"], "/var/task")
    if "layers" in order["fds"]:
        kernel.move_mount(order["fds"]["layers"], "/opt")
    for number in order["fds"].values():
        os.close(number)
    if order["snapshot"]:
        # who has capabilities only in a user namespace may mount proc where one is wholly visible: here, to
        # nobody
        kernel.mount("proc", "/var/hidden/proc", "proc", PROC_FLAGS, "hidepid=2")
    _surrender(request["user"])
    if order["snapshot"]:  # no limit per user, which all that are forked from it share: cgroups limit each
        _be_snapshot(settings, server)
    else:
        resource.setrlimit(resource.RLIMIT_NPROC, (_PROCESSES, _PROCESSES))
        kernel.install_filter(settings["filter"])
    if order["hold"]:
        server.send(b'{"bound": true}')
        if receive(server) is None:
            os._exit(0)
    server.close()
    if order["argv"] is not None:
        _execute(order["argv"], order["env"])
    _run_client(bootstrap, 4, order["env"])


class House:
    """What process 1 keeps: the control socket, the log pipe and the processes the server asked for."""

    def __init__(self, control: socket.socket, stdout: int) -> None:
        self.control = control
        self.stdout = stdout
        self.started: dict[int, int] = {}

    def tell(self, **message: object) -> None:
        try:
            self.control.send(json.dumps(message).encode())
        except OSError:
            os._exit(0)

    def spawn(self, identity: int, argv: list[str], env: dict[str, str]) -> None:
        try:
            pid = kernel.fork()
        except OSError as error:  # the limit of processes or of memory
            os.write(self.stdout, f"{argv[0]}: {error.strerror}\n".encode())
            self.tell(exit=identity, status=126)
            return
        if pid:
            self.started[pid] = identity
            return
        try:
            _detach(self.stdout, [])
            _execute(argv, env)
        finally:
            os._exit(1)

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            identity = self.started.pop(pid, None)
            if identity is None:
                continue  # an orphan
            if os.WIFSIGNALED(status):
                self.tell(exit=identity, signal=os.WTERMSIG(status))
            else:
                self.tell(exit=identity, status=os.WEXITSTATUS(status))

    def keep(self, wake: int) -> NoReturn:
        """Until the end."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            for number, _ in poll.poll():
                if number == wake:
                    os.read(wake, 4096)
                    self.reap()
                    continue
                order = receive(self.control)
                if order is None:
                    os._exit(0)  # the server is gone, or done with this environment
                self.spawn(order["spawn"], order["argv"], order["env"])


def run(settings: dict[str, Any], request: dict[str, Any], bootstrap: Any) -> None:
    """In the zygote's child, process 1 of a new pid namespace. Does not return."""
    fds = request["fds"]
    house = House(socket.socket(fileno=fds.pop("control")), fds["stdout"])
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.setsid()
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        _enter(settings, request)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        pid = kernel.fork()
        if pid == 0:
            try:
                _main(settings, request, bootstrap)
            except Exception as error:
                os.write(2, f"the environment could not be set up: {error!r}\n".encode())
            finally:
                os._exit(1)
        house.started[pid] = MAIN
        for name in ("bind", "channel"):
            if name in fds:
                os.close(fds[name])
        _surrender(request["user"])
        resource.setrlimit(resource.RLIMIT_NPROC, (_PROCESSES, _PROCESSES))
        kernel.install_filter(settings["filter"])
        house.tell(ready=True)
        house.keep(wake_read)
    except BaseException as error:
        house.tell(error=f"{type(error).__name__}: {error}")
    finally:
        os._exit(1)
