"""Functions that mean harm: none succeeds, and none disturbs the function that is invoked beside it."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_support import Lambda
from support import Account, Server, wait_until
from undercast.functions.sandboxes import users_of
from undercast.settings import Settings

pytestmark = pytest.mark.usefixtures("needs_root")

_BYSTANDER = """
import os
secret = os.environ["SECRET"]
open("/tmp/secret", "w").write(secret)

def handler(event, context):
    return [secret, sum(range(1000))]
"""
_SECRET = "the-bystanders-secret-4711"


@pytest.fixture
def fn(account: Account) -> Lambda:
    return Lambda(account)


class Bystander:
    """A function that is invoked without a break."""

    def __init__(self, fn: Lambda) -> None:
        self._fn = fn
        self._name = fn.create(_BYSTANDER, Environment={"Variables": {"SECRET": _SECRET}})
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._invoke, daemon=True)
        self.took: list[float] = []
        self.failures: list[Any] = []

    def _invoke(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                answer = self._fn.invoke(self._name)
                if answer.error or answer.result != [_SECRET, 499500]:
                    self.failures.append(answer)
            except Exception as error:
                self.failures.append(error)
            self.took.append(time.monotonic() - began)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)


@contextlib.contextmanager
def bystander(fn: Lambda) -> Iterator[Bystander]:
    """A bystander that must not notice anything."""
    beside = Bystander(fn)
    beside.start()
    try:
        yield beside
        wait_until(lambda: len(beside.took) >= 10, 10, "ten invocations beside it")
    finally:
        beside.stop()
    assert beside.failures == []
    slowest, typical = max(beside.took), sorted(beside.took)[len(beside.took) // 2]
    assert typical < 0.5, f"half of the invocations beside it took over {typical:.2f} s"
    assert slowest < 5, f"an invocation beside it took {slowest:.1f} s"


def attack(fn: Lambda, source: str, event: Any = None, **params: Any) -> Any:
    """Run a hostile function beside a bystander, twice (the second time in what the first has left)."""
    name = fn.create(source, **({"Timeout": 3} | params))
    with bystander(fn):
        fn.invoke(name, event or {})
        answer = fn.invoke(name, event or {})
    return answer


def processes(server: Server) -> int:
    """How many processes the server's environments have, on the whole machine."""
    users = users_of(Settings(data=server.data).host_id)
    found = 0
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with contextlib.suppress(OSError):
                found += process.stat().st_uid in users
    return found


def test_fork_bomb(fn: Lambda, server: Server) -> None:
    before = processes(server)
    answer = attack(
        fn,
        """
import os
def handler(event, context):
    made = 0
    while True:
        try:
            if os.fork() == 0:
                while True:
                    try:
                        os.fork()
                    except OSError:
                        pass
            made += 1
        except OSError:
            pass
""",
        Timeout=2,
    )
    assert answer.error == "Unhandled"
    assert answer.result["errorType"] in ("Sandbox.Timedout", "Runtime.OutOfMemory", "Runtime.ExitError")
    wait_until(lambda: processes(server) < before + 40, 10, "the end of everything the bomb has made")


def test_memory_hog(fn: Lambda) -> None:
    answer = attack(
        fn,
        """
def handler(event, context):
    held = []
    while True:
        held.append(bytearray(10 * 1024 * 1024))
""",
        Timeout=10,
    )
    assert answer.error == "Unhandled"
    assert answer.result["errorType"] == "Runtime.OutOfMemory"
    assert answer.result["errorMessage"] == (
        f"RequestId: {answer.request_id} Error: Runtime exited with error: signal: killed"
    )


def test_disk_filler(fn: Lambda) -> None:
    answer = attack(
        fn,
        """
import errno, os
def handler(event, context):
    written, reason = 0, None
    try:
        with open("/tmp/fill%d" % os.getpid(), "wb") as file:
            while written < 2000 * 1024 * 1024:
                written += file.write(bytes(1024 * 1024))
                file.flush()
    except OSError as error:
        reason = errno.errorcode[error.errno]
    other = {}
    for place in ("/", "/var/task", "/opt", "/usr", "/etc", "/var/runtime", "/dev", "/proc/sys/kernel"):
        try:
            open(place + "/x", "w").close()
            other[place] = "writable"
        except OSError as error:
            other[place] = errno.errorcode[error.errno]
    for path in ("/dev/shm",):
        try:
            with open(path + "/fill", "wb") as file:
                for _ in range(300):
                    file.write(bytes(1024 * 1024))
            other[path] = "filled 300 MB"
        except OSError as error:
            other[path] = errno.errorcode[error.errno]
    os.unlink("/tmp/fill%d" % os.getpid())
    return {"mb": written // 1048576, "reason": reason, "other": other}
""",
        Timeout=30,
    )
    # Writing to shared memory counts as memory: the function may be killed for that part.
    if answer.error:
        assert answer.result["errorType"] == "Runtime.OutOfMemory"
        return
    assert answer.result["reason"] == "ENOSPC"
    assert 300 <= answer.result["mb"] <= 512
    assert "writable" not in answer.result["other"].values()
    assert answer.result["other"]["/dev/shm"] != "filled 300 MB"


def test_endless_loop(fn: Lambda) -> None:
    answer = attack(fn, "def handler(event, context):\n    while True:\n        pass\n", Timeout=1)
    assert answer.result["errorType"] == "Sandbox.Timedout"
    ignoring = """
import signal, threading
for number in range(1, 32):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
def spin():
    while True:
        pass
def handler(event, context):
    for _ in range(20):
        threading.Thread(target=spin).start()
    spin()
"""
    assert attack(fn, ignoring, Timeout=1).result["errorType"] == "Sandbox.Timedout"


def test_other_peoples_code_and_credentials(fn: Lambda, server: Server) -> None:
    own = fn.account.secret_access_key
    answer = attack(
        fn,
        """
import glob, os
def handler(event, context):
    needles = [needle.encode() for needle in event["needles"]]
    found, seen = [], 0
    places = ["/tmp/**", "/var/**", "/opt/**", "/root/**", "/home/**", "/run/**", "/etc/**",
              "/srv/**", "/mnt/**", "/proc/[0-9]*/environ", "/proc/[0-9]*/cmdline", "/proc/[0-9]*/root/tmp/*",
              "/proc/[0-9]*/cwd/*",
              event["data"] + "/**", "/proc/[0-9]*/maps", "/proc/[0-9]*/fd/*"]
    for place in places:
        for path in glob.iglob(place, recursive=True):
            if os.path.isfile(path) and not path.startswith("/var/task"):
                try:
                    with open(path, "rb") as file:
                        content = file.read(1024 * 1024)
                except OSError:
                    continue
                seen += 1
                found += [path for needle in needles if needle in content]
    return {"seen": seen, "found": found, "data": os.path.exists(event["data"]),
            "pids": len(glob.glob("/proc/[0-9]*")), "uid": os.getuid(),
            "fds": sorted(os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")
                          if os.path.exists("/proc/self/fd/" + fd))}
""",
        {"needles": [_SECRET, own, server.secret_access_key, "SECRET = "], "data": str(server.data)},
        Timeout=30,
        MemorySize=512,
    )
    assert answer.error is None, answer.payload
    seen = answer.result
    assert seen["found"] == [] and seen["data"] is False and seen["seen"] > 3
    assert seen["pids"] < 20 and seen["uid"] != 0
    assert not [fd for fd in seen["fds"] if str(server.data) in fd or fd.endswith((".db", ".db-wal"))]


def test_host_and_neighbours_over_the_network(fn: Lambda, server: Server) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_server(("0.0.0.0", 0)) as wide:
        port, wide_port = listener.getsockname()[1], wide.getsockname()[1]
        gateway = int(server.url.rsplit(":", 1)[1])
        addresses = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
        neighbour = fn.create(
            """
import socket, subprocess, time
listener = socket.create_server(("0.0.0.0", 8099))
def handler(event, context):
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
    except OSError:
        address = None
    time.sleep(event["s"])
    return address
""",
            Timeout=20,
        )
        address = fn.invoke(neighbour, {"s": 0}).result
        keeping = threading.Thread(target=fn.invoke, args=(neighbour, {"s": 8}))
        keeping.start()
        targets = [("127.0.0.1", port), ("127.0.0.1", gateway), ("127.0.0.1", wide_port)]
        targets += [(one, wide_port) for one in addresses]
        if address:
            targets.append((address, 8099))
        answer = attack(
            fn,
            """
import socket
def handler(event, context):
    reached = []
    for host, port in event["targets"] + [[gateway(), event["wide"]], [gateway(), event["gateway"]]]:
        try:
            socket.create_connection((host, port), 0.5).close()
            reached.append([host, port])
        except OSError:
            pass
    for path in ("/run/docker.sock", "/var/lib/incus/unix.socket", "/run/systemd/private"):
        try:
            socket.socket(socket.AF_UNIX).connect(path)
            reached.append(path)
        except OSError:
            pass
    for name in ("undercast", "incus"):
        try:
            socket.socket(socket.AF_UNIX).connect("\\0" + name)
            reached.append(name)
        except OSError:
            pass
    return reached

def gateway():
    for line in open("/proc/net/route").read().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000":
            return socket.inet_ntoa(bytes.fromhex(fields[2])[::-1])
    return "127.0.0.1"
""",
            {"targets": targets, "wide": wide_port, "gateway": gateway},
            Timeout=10,
        )
        keeping.join(20)
        assert answer.error is None, answer.payload
        # 4566 on its own loopback is the function's own way to the API; nothing else may answer.
        assert [each for each in answer.result if each != ["127.0.0.1", 4566]] == []


def test_its_own_code_and_the_kernel(fn: Lambda, tmp_path: Path) -> None:
    answer = attack(
        fn,
        """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    ctypes.set_errno(0)
    done = getattr(libc, name)(*arguments)
    return "done" if done != -1 else errno.errorcode[ctypes.get_errno()]

def attempt(action):
    try:
        action()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def handler(event, context):
    here = os.path.abspath(__file__)
    return {
        "overwrite": attempt(lambda: open(here, "a")),
        "add": attempt(lambda: open("/var/task/new.py", "w")),
        "unlink": attempt(lambda: os.unlink(here)),
        "chmod": attempt(lambda: os.chmod(here, 0o777)),
        "remount": call("mount", b"none", b"/var/task", b"none", 0x1020, None),
        "mount": call("mount", b"none", b"/tmp", b"tmpfs", 0, None),
        "mount proc": call("mount", b"proc", b"/tmp", b"proc", 0, None),
        "umount": call("umount2", b"/var/task", 2),
        "pivot": call("chroot", b"/tmp"),
        "ptrace": call("ptrace", 16, 1, 0, 0),
        "unshare user": call("unshare", 0x10000000),
        "unshare mount": call("unshare", 0x00020000),
        "setns": call("setns", os.open("/proc/self/ns/net", os.O_RDONLY), 0),
        "setuid": call("setuid", 0),
        "reboot": call("syscall", 169, 0xfee1dead, 672274793, 0x1234567, 0),
        "module": call("syscall", 313, 0, b"", 0),
        "bpf": call("syscall", 321, 0, None, 0),
        "perf": call("syscall", 298, None, 0, -1, -1, 0),
        "keyctl": call("syscall", 250, 0, -3, 0, 0, 0),
        "sethostname": call("sethostname", b"x", 1),
        "settime": call("syscall", 227, 0, ctypes.create_string_buffer(16)),
        "mknod": attempt(lambda: os.mknod("/tmp/disk", 0o60600, os.makedev(8, 0))),
        "kill 1": attempt(lambda: os.kill(-1, 0)) and "asked",
        "sysrq": attempt(lambda: open("/proc/sysrq-trigger", "w")),
        "core pattern": attempt(lambda: open("/proc/sys/kernel/core_pattern", "w")),
        "cgroup": attempt(lambda: os.makedirs("/sys/fs/cgroup/memory/mine")),
        "nice": attempt(lambda: os.nice(-10)),
        "no new privs": [l for l in open("/proc/self/status") if l.startswith(("NoNewPrivs", "Seccomp:"))],
    }
""",
        Timeout=10,
    )
    assert answer.error is None, answer.payload
    tried = answer.result
    assert tried.pop("no new privs") == ["NoNewPrivs:\t1\n", "Seccomp:\t2\n"]
    assert tried.pop("kill 1") == "asked"
    assert [what for what, outcome in tried.items() if outcome == "done"] == []


def test_descriptors_and_threads(fn: Lambda) -> None:
    answer = attack(
        fn,
        """
import os, threading, time
def handler(event, context):
    opened = []
    try:
        while len(opened) < 100000:
            opened.append(os.open("/dev/null", os.O_RDONLY))
    except OSError:
        pass
    for fd in opened:
        os.close(fd)
    threads = 0
    try:
        while threads < 20000:
            threading.Thread(target=time.sleep, args=(2,), daemon=True).start()
            threads += 1
    except RuntimeError:
        pass
    return [len(opened), threads]
""",
        Timeout=20,
        MemorySize=1024,
    )
    assert answer.error is None, answer.payload
    descriptors, threads = answer.result
    assert descriptors <= 1024 and threads <= 1024  # AWS's limits


def test_a_flood_of_output(fn: Lambda) -> None:
    answer = attack(
        fn,
        """
import sys
def handler(event, context):
    line = "x" * 1000 + "\\n"
    for _ in range(20000):
        sys.stdout.write(line)
    return "done"
""",
        Timeout=15,
        MemorySize=512,
    )
    assert answer.error is None or answer.result["errorType"] == "Sandbox.Timedout"


def test_answers_that_lie(fn: Lambda, server: Server) -> None:
    """A function that speaks to its Runtime API itself gains nothing."""
    answer = attack(
        fn,
        """
import http.client, json, os
def handler(event, context):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"], timeout=1)
    seen = []
    for method, path, body in (
        ("POST", "/2018-06-01/runtime/invocation/no-such-id/response", "{}"),
        ("POST", "/2018-06-01/runtime/invocation/../../x/response", "{}"),
        ("GET", "/2018-06-01/other", ""),
        ("POST", "/2018-06-01/runtime/invocation/%s/response" % ("x" * 5000), "{}"),
    ):
        try:
            api.request(method, path, body)
            reply = api.getresponse()
            reply.read()
            seen.append(reply.status)
        except OSError as error:
            seen.append(str(error))
            api.close()
    return seen
""",
        Timeout=10,
    )
    assert answer.error is None, answer.payload
    assert all(not isinstance(status, int) or status >= 400 for status in answer.result), answer.result
    assert json.dumps(answer.result)
