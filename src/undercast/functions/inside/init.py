"""Process 1 of an environment: closes the world behind itself, starts the runtime, then keeps the house.

It sets up the namespaces while it still may, gives up every privilege, and only then starts anything of the
function's. It goes on as an ordinary process of the function's user that the function can neither see, signal nor
trace: it starts extensions when the server asks, reaps what is orphaned and reports how processes ended. When it
ends, or the server does, the kernel ends everything in the environment.

To the server, over the control socket (SOCK_SEQPACKET, JSON):
    {"ready": true} or {"error": TEXT} once, then {"exit": ID, "status": S} or {"exit": ID, "signal": N}
From the server:
    {"spawn": ID, "argv": [...], "env": {...}}
The runtime itself has the ID 0; it starts at once, or when the server says {"start": true} if the request has "hold".
"""

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

_NAMESPACES = kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWCGROUP
_PROC_FLAGS = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC


def _enter(settings, fds):
    """Own cgroup, network, mounts."""
    for name in fds:
        if name.startswith("cgroup"):
            os.write(fds[name], b"0")
    kernel.setns(fds["net"], kernel.CLONE_NEWNET)
    kernel.unshare(_NAMESPACES)
    for name, target in (("code", "/var/task"), ("layers", "/opt"), ("tmp", "/tmp")):
        if name in fds:
            kernel.move_mount(fds[name], target)
    # hidepid: processes of another user, and those that may not be traced (this one), do not exist
    kernel.mount("proc", "/proc", "proc", _PROC_FLAGS, "hidepid=2")
    for path in settings["masked_files"]:
        kernel.mount("/dev/null", path, None, kernel.MS_BIND)
    for path in settings["masked_directories"]:
        kernel.mount("/var/empty", path, None, kernel.MS_BIND)


def _surrender(settings, request):
    """From here on: an ordinary user without any privilege, for good."""
    for name, limit in settings["limits"].items():
        resource.setrlimit(getattr(resource, name), (limit, limit))
    os.umask(0o022)
    os.setsid()
    user = request["user"]
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.install_filter(settings["filter"])


def _become(env, keep, stdout):
    """In a forked child: its own output, no descriptor but `keep`, the function's environment."""
    os.dup2(stdout, 1)
    os.dup2(stdout, 2)
    low = 3
    if keep is not None:
        os.dup2(keep, 3)
        low = 4
    os.closerange(low, 256)  # requests carry few descriptors and init opens three, so none lies above
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    os.chdir("/var/task")
    os.environ.clear()
    os.environ.update(env)


def _execute(argv, env):
    """Does not return. 127 and 126 are what a shell answers, and AWS's error texts expect."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execvpe(argv[0], argv, env)
    except OSError as error:
        os.write(2, f"{argv[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)


def _run_client(bootstrap, env):
    """The runtime client that the zygote had already imported. Does not return."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    own = "/opt/python/lib/python{}.{}/site-packages".format(*sys.version_info)
    entries = ["/var/task", own, "/opt/python", *env.get("PYTHONPATH", "").split(":")]
    sys.path[:0] = [entry for entry in dict.fromkeys(entries) if entry and entry not in sys.path]
    time.tzset()
    status = 1
    try:
        bootstrap.run(socket.socket(fileno=3))
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else (0 if error.code is None else 1)
    except BaseException:  # what an interpreter does with an exception nobody caught
        sys.excepthook(*sys.exc_info())
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue  # closed by the function, or nobody reads any more
        os._exit(status & 0xFF)


def _fork(argv, env, stdout, channel=None, bootstrap=None):
    """Starts a process of the environment, a command or the runtime client, and returns its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        signal.set_wakeup_fd(-1)
        _become(env, channel, stdout)
        if argv is None:
            _run_client(bootstrap, env)
        else:
            _execute(argv, env)
    finally:
        os._exit(1)


class _House:
    """The control socket, the log pipe and the processes that were started for the server."""

    def __init__(self, control, request, bootstrap):
        self.control = control
        self.request = request
        self.bootstrap = bootstrap
        self.stdout = request["fds"]["stdout"]
        self.started = {}

    def tell(self, **message):
        try:
            self.control.send(json.dumps(message).encode())
        except OSError:
            os._exit(0)

    def start_runtime(self):
        channel = self.request["fds"].get("channel")
        argv, env = self.request["argv"], self.request["env"]
        self.started[_fork(argv, env, self.stdout, channel if argv is None else None, self.bootstrap)] = 0
        if channel is not None:
            os.close(channel)
        self.request = self.bootstrap = None

    def spawn(self, identity, argv, env):
        try:
            self.started[_fork(argv, env, self.stdout)] = identity
        except OSError as error:  # the limit of processes or of memory
            os.write(self.stdout, f"{argv[0]}: {error.strerror}\n".encode())
            self.tell(exit=identity, status=126)

    def reap(self):
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

    def obey(self):
        order = receive(self.control)
        if order is None:
            os._exit(0)  # the server is gone, or done with this environment
        if "spawn" in order:
            self.spawn(order["spawn"], order["argv"], order["env"])
        elif self.request is not None:
            self.start_runtime()

    def keep(self, wake):
        """Until the end."""
        poll = select.poll()
        poll.register(self.control, select.POLLIN)
        poll.register(wake, select.POLLIN)
        while True:
            for number, _ in poll.poll():
                if number == wake:
                    os.read(wake, 4096)
                    self.reap()
                else:
                    self.obey()


def run(settings, request, bootstrap):
    """In the zygote's child, process 1 of a new pid namespace. Does not return."""
    fds = request["fds"]
    house = _House(socket.socket(fileno=fds.pop("control")), request, bootstrap)
    try:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        wake_read, wake_write = os.pipe()
        os.set_blocking(wake_write, False)
        _enter(settings, fds)
        socket.sethostname(request["host"])
        _surrender(settings, request)
        for name in [name for name in fds if name not in ("stdout", "channel")]:
            os.close(fds.pop(name))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        house.tell(ready=True)
        if not request["hold"]:
            house.start_runtime()
        house.keep(wake_read)
    except BaseException as error:
        house.tell(error=f"{type(error).__name__}: {error}")
    finally:
        os._exit(1)
