"""Hostile functions against the sandbox, forked from a zygote and executed alike."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox_support import SandboxLab, read_output

WAYS = ("zygote", "exec")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxLab]:
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must run as root: sandboxes need it")
        pytest.skip("needs root")
    lab = SandboxLab(tmp_path_factory.mktemp("lab"))
    lab.start()
    try:
        yield lab
    finally:
        lab.close()


IDENTITY = """
import os, socket
status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
fds = {}
for number in os.listdir('/proc/self/fd'):
    try:
        fds[number] = os.readlink('/proc/self/fd/' + number)
    except OSError:
        pass
give(
    uid=os.getuid(), gid=os.getgid(), groups=os.getgroups(), name=__import__('pwd').getpwuid(os.getuid()).pw_name,
    caps=[status['Cap' + kind].strip() for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')],
    privileges=status['NoNewPrivs'].strip(), seccomp=status['Seccomp'].strip(),
    pids=sorted(int(p) for p in os.listdir('/proc') if p.isdigit()), me=os.getpid(), fds=fds,
    env=sorted(os.environ), cgroup=open('/proc/self/cgroup').read(),
    host=socket.gethostname(), root=sorted(os.listdir('/')), cwd=os.getcwd(),
    mounts=open('/proc/self/mounts').read(),
)
"""


@pytest.mark.parametrize("way", WAYS)
def test_identity(lab: SandboxLab, way: str) -> None:
    """An ordinary user without privileges, alone in its namespaces, with nobody else's descriptors or variables."""
    seen = lab.ended(IDENTITY, way).result
    assert seen["uid"] == seen["gid"] >= 1_900_000_000
    assert seen["name"] == f"sbx_user{seen['uid']}"
    assert seen["groups"] in ([], [seen["gid"]])
    assert set(seen["caps"]) == {"0000000000000000"}
    assert (seen["privileges"], seen["seccomp"]) == ("1", "2")
    assert seen["pids"] == [seen["me"]]  # process 1 is there but cannot be seen
    assert seen["me"] != 1
    expected = {"LAMBDA_TASK_ROOT", "PATH", "_HANDLER", "AWS_LAMBDA_RUNTIME_API"}
    # LC_CTYPE is the interpreter's own doing, the descriptor the runtime client's
    assert set(seen["env"]) - {"LC_CTYPE", "_LAMBDA_TELEMETRY_LOG_FD"} == expected
    assert all(line.endswith(":/") for line in seen["cgroup"].splitlines())
    assert seen["cwd"] == "/var/task"
    assert not {"home", "work", "srv", "mnt", "data", "sys", "run"} & set(seen["root"])
    assert seen["host"] != socket.gethostname()
    kinds = {number: target.partition(":")[0] for number, target in seen["fds"].items()}
    assert kinds["0"] == "/dev/null"
    assert kinds["1"] == kinds["2"] == "pipe"
    extra = sorted(kind for number, kind in kinds.items() if int(number) > 2)
    # the fast transport's socket and the runtime client's copy of the log pipe, nothing else
    assert extra == (["pipe", "socket"] if way == "zygote" else [])
    assert str(lab.folder) not in seen["mounts"]


CALLS = """
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    answer = getattr(libc, name)(*arguments)
    return errno.errorcode.get(ctypes.get_errno(), '') if answer < 0 else 'DONE'
def number(value, *arguments):
    return call('syscall', ctypes.c_long(value), *arguments)
arm = os.uname().machine == 'aarch64'
ring = ctypes.create_string_buffer(256)
give(
    ptrace=call('ptrace', 0, 0, 0, 0), mount=call('mount', b'none', b'/tmp', b'tmpfs', 0, None),
    umount=call('umount2', b'/proc', 2), unshare_user=call('unshare', 0x10000000), unshare_net=call('unshare', 0x40000000),
    clone_user=number(220 if arm else 56, 0x10000000 | 17, 0, 0, 0, 0), clone3=number(435, ring, 88),
    setns=call('setns', 0, 0), chroot=call('chroot', b'/tmp'), pivot=call('pivot_root', b'/tmp', b'/tmp'),
    bpf=number(280 if arm else 321, 0, ring, 128), uring=number(425, 8, ring), keyctl=number(219 if arm else 250, 0, 0),
    add_key=number(217 if arm else 248, b'user', b'x', b'y', 1, -2), perf=number(241 if arm else 298, ring, 0, -1, -1, 0),
    kexec=number(104 if arm else 246, 0, 0, 0, 0), module=number(105 if arm else 175, 0, 0, b''),
    userfault=number(282 if arm else 323, 1), open_tree=number(428, -100, b'/', 1), fsopen=number(430, b'tmpfs', 0),
    readv=number(270 if arm else 310, 1, ring, 1, ring, 1, 0), pidfd_getfd=number(438, 0, 0, 0),
    future=number(467, 0, 0, 0, 0), x32=number(0x40000000 | 39), hostname=call('sethostname', b'x', 1),
    reboot=call('reboot', 0x1234567), swapon=call('swapon', b'/tmp', 0), settime=call('settimeofday', ring, None),
    setuid0=call('setuid', 0), mknod=call('mknod', b'/tmp/disk', 0o60666, 0xfe00),
    packet=call('socket', 17, 3, 0), vsock=call('socket', 40, 1, 0), alg=call('socket', 38, 5, 0),
    netfilter=call('socket', 16, 3, 12), raw=call('socket', 2, 3, 1), inject=call('ioctl', 1, 0x5412, b'x'),
    works=[call('socket', 2, 1, 0), call('socket', 1, 1, 0), call('socket', 16, 3, 0)],
)
"""


@pytest.mark.parametrize("way", WAYS)
def test_system_calls(lab: SandboxLab, way: str) -> None:
    """Whatever reaches for the kernel, other processes or namespaces is refused."""
    seen = lab.ended(CALLS, way).result
    assert seen.pop("works") == ["DONE"] * 3
    absent = {name for name, answer in seen.items() if answer == "ENOSYS"}
    assert absent == {"clone3", "uring", "future", "x32"}
    assert {seen[name] for name in ("packet", "vsock", "alg")} == {"EAFNOSUPPORT"}
    others = {name: answer for name, answer in seen.items() if answer not in ("ENOSYS", "EAFNOSUPPORT")}
    assert {name: answer for name, answer in others.items() if answer != "EPERM"} == {}


FILES = """
import os, errno
def attempt(what, *arguments):
    try:
        result = what(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]
    return 'DONE'
def write(path):
    with open(path, 'w') as file:
        file.write('x')
def read(path):
    with open(path, 'rb') as file:
        file.read(16)
give(
    own_code=attempt(write, '/var/task/lambda_function.py'), new_code=attempt(write, '/var/task/evil.py'),
    usr=attempt(write, '/usr/evil'), etc=attempt(write, '/etc/passwd'), root=attempt(write, '/evil'),
    rapid=attempt(write, '/var/rapid/undercast_inside/init.py'), runtime=attempt(write, '/var/runtime/evil.py'),
    opt=attempt(write, '/opt/evil'), tmp=attempt(write, '/tmp/fine'), sys_ctl=attempt(write, '/proc/sys/kernel/hostname'),
    sysrq=attempt(write, '/proc/sysrq-trigger'), chmod=attempt(os.chmod, '/var/task/lambda_function.py', 0o777),
    secret=attempt(read, os.environ['SECRET']), shadow=attempt(read, '/etc/shadow'), ssh=attempt(read, '/root/.ssh/id_rsa'),
    kcore=attempt(read, '/proc/kcore'), init_env=attempt(read, '/proc/1/environ'), init_fd=attempt(os.listdir, '/proc/1/fd'),
    parent_mem=attempt(read, '/proc/1/mem'), disk=attempt(read, '/dev/vda'), cmdline=open('/proc/cmdline').read(),
    bus=os.listdir('/proc/bus') if os.path.isdir('/proc/bus') else [], ssl=attempt(os.listdir, '/etc/ssl/certs'),
    home=os.path.expanduser('~'), listed=os.listdir('/root') if os.path.isdir('/root') else [], shm=os.path.isdir('/dev/shm'),
)
"""


@pytest.mark.parametrize("way", WAYS)
def test_files(lab: SandboxLab, way: str) -> None:
    """Nothing can be written but /tmp, and nothing of the host or the server read."""
    secret = lab.folder / f"secret-{way}"
    secret.write_text("credentials")
    secret.chmod(0o644)
    seen = lab.ended(FILES, way, env={"SECRET": str(secret)}).result
    assert seen["tmp"] == "DONE"
    for name in ("own_code", "new_code", "usr", "root", "rapid", "runtime", "opt", "chmod", "etc"):
        assert seen[name] in ("EROFS", "EACCES", "EPERM"), name
    for name in ("secret", "shadow", "ssh", "init_env", "init_fd", "parent_mem", "disk"):
        assert seen[name] in ("ENOENT", "EACCES"), name
    for name in ("sys_ctl", "sysrq", "kcore"):
        assert seen[name] in ("EACCES", "EPERM", "EROFS", "ENOENT"), name
    assert (seen["cmdline"], seen["bus"]) == ("", [])
    assert set(seen["listed"]) <= {".pyenv"}
    assert not seen["shm"]


REACH = """
import os, socket
def reach(address, port):
    try:
        with socket.create_connection((address, int(port)), timeout=0.4) as connection:
            return connection.recv(100).decode() or 'closed'
    except OSError as error:
        return type(error).__name__
give(**{target: reach(*target.rsplit(':', 1)) for target in os.environ['TARGETS'].split()})
"""


class Greeter:
    """A listener on the host that tells callers where they came from."""

    def __init__(self, address: str = "0.0.0.0") -> None:
        self._socket = socket.create_server((address, 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.sendall(f"hello {peer[0]}".encode())

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


@pytest.fixture
def outside() -> Iterator[tuple[str, str, int]]:
    """A host beyond this one: (its address, the address of ours that it sees, its port). Made of a namespace."""
    name = f"uct{secrets.token_hex(3)}"
    place = 4 * secrets.randbelow(63)
    ours, theirs = f"203.0.113.{place + 1}", f"203.0.113.{place + 2}"
    say = f"import socket,sys\ns=socket.create_server(('{theirs}',0))\nprint(s.getsockname()[1],flush=True)\n"
    say += "while True:\n c,p=s.accept()\n c.sendall(('hello '+p[0]).encode());c.close()\n"

    def ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True, timeout=10, capture_output=True)

    ip("netns", "add", name)
    server = None
    try:
        ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("addr", "add", f"{ours}/30", "dev", name)
        ip("link", "set", name, "up")
        for step in (["addr", "add", f"{theirs}/30", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            ip("-n", name, *step)
        argv = ["ip", "netns", "exec", name, "python3", "-c", say]
        server = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        assert server.stdout is not None
        yield theirs, ours, int(server.stdout.readline())
    finally:
        if server is not None:
            server.kill()
            server.wait(10)
            if server.stdout is not None:
                server.stdout.close()
        ip("netns", "del", name)


def test_network(lab: SandboxLab, outside: tuple[str, str, int]) -> None:
    """Out through the host, translated; never to the host itself, to another environment or to link-local."""
    far, near, far_port = outside
    host = Greeter()
    loopback = Greeter("127.0.0.1")
    other = lab.create(
        "import socket\ns = socket.create_server(('0.0.0.0', 8080))\ngive()\ns.accept()\n", "exec"
    )
    neighbour = other.cell.network.address
    own = {line.split()[3].partition("/")[0] for line in _ip_addresses()} - {"127.0.0.1"}
    blocked = [f"127.0.0.1:{loopback.port}", f"{neighbour}:8080", "169.254.169.254:80", "169.254.76.1:80"]
    others = sorted(address for address in own if not address.startswith(("169.254.", "203.0.113.")))
    blocked += [f"{address}:{host.port}" for address in (near, *others[:2])]
    try:
        seen = lab.ended(REACH, "zygote", env={"TARGETS": " ".join([*blocked, f"{far}:{far_port}"])}).result
        executed = lab.ended(
            REACH, "exec", env={"TARGETS": " ".join([blocked[0], f"{far}:{far_port}"])}
        ).result
        with socket.create_connection(("127.0.0.1", host.port), timeout=2) as connection:  # it does listen
            assert connection.recv(100) == b"hello 127.0.0.1"
    finally:
        lab.run(other.destroy())
        host.close()
        loopback.close()
    for result in (seen, executed):
        assert result.pop(f"{far}:{far_port}") == f"hello {near}"
        assert set(result.values()) <= {"TimeoutError", "ConnectionRefusedError", "OSError"}, result


def _ip_addresses() -> list[str]:
    done = subprocess.run(["ip", "-4", "-o", "addr"], capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("way", WAYS)
def test_fork_bomb_disturbs_nobody(lab: SandboxLab, way: str) -> None:
    bomb = "import os\ngive()\nwhile True:\n    try:\n        os.fork()\n    except OSError:\n        pass\n"
    sandbox = lab.create(bomb, way)
    sandbox.end_init()
    try:
        started = time.monotonic()
        assert lab.ended("give(fine=True)", way).result == {"fine": True}
        assert time.monotonic() - started < 5
        assert len(sandbox.cell.cgroup.processes()) <= 1024
    finally:
        lab.run(sandbox.destroy())
    assert sandbox.cell.cgroup.processes() == set()


@pytest.mark.parametrize("way", WAYS)
def test_memory_hog_is_killed(lab: SandboxLab, way: str) -> None:
    ended = lab.ended("hog = []\nwhile True:\n    hog.append(bytearray(1 << 20))\n", way, memory_mb=128)
    assert ended.exit.oom_killed
    assert ended.exit.signal == 9
    assert ended.exit.status is None


FILL = """
import errno, os, time
start = time.monotonic()
written = 0
try:
    with open('/tmp/fill', 'wb', buffering=0) as file:
        while True:
            written += file.write(bytes(1 << 20))
except OSError as error:
    give(written=written >> 20, error=errno.errorcode[error.errno], left=os.listdir('/tmp'))
"""


def test_disk_filler_meets_its_limit(lab: SandboxLab) -> None:
    """/tmp has its configured size, counts neither as memory nor for anybody else, and is empty for the next."""
    before = os.statvfs(lab.folder)
    seen = lab.ended(FILL, "zygote", tmp_mb=64, memory_mb=128).result
    assert seen["error"] == "ENOSPC"
    assert 55 <= seen["written"] <= 64
    after = os.statvfs(lab.folder)
    assert (before.f_bfree - after.f_bfree) * before.f_bsize < 200 << 20
    assert lab.ended("import os; give(left=os.listdir('/tmp'))", "zygote", tmp_mb=64).result == {"left": []}


def test_endless_loop_gets_its_share(lab: SandboxLab) -> None:
    """128 MB are 7 % of a core, once the initialisation is over."""
    code = "import time\ntime.sleep(0.2)\nend = time.monotonic() + 1.5\nused = time.process_time()\n"
    code += "while time.monotonic() < end: pass\ngive(used=time.process_time() - used)\n"
    sandbox = lab.create(code, "exec", memory_mb=128)
    sandbox.end_init()
    try:
        lab.run(sandbox.wait(), 15)
        used = float(read_output(sandbox).rpartition('"used": ')[2].rstrip("}\n"))
    finally:
        lab.run(sandbox.destroy())
    assert used < 0.4


STATE = """
import random, os, ssl, uuid, secrets, tempfile
give(values=[random.random(), random.getrandbits(64), os.urandom(8).hex(), ssl.RAND_bytes(8).hex(),
    str(uuid.uuid4()), secrets.token_hex(8), next(tempfile._get_candidate_names())])
"""


def test_nothing_random_is_shared(lab: SandboxLab) -> None:
    """Environments of one zygote draw different numbers from every source."""
    draws = [lab.ended(STATE, "zygote").result["values"] for _ in range(3)]
    for source in zip(*draws, strict=True):
        assert len(set(source)) == 3


def test_environments_are_strangers(lab: SandboxLab) -> None:
    """What one writes, imports or sets is nowhere in another, also when it inherits its place."""
    mark = secrets.token_hex(8)
    write = f"import os, sys, types\nopen('/tmp/mark', 'w').write('{mark}')\nos.environ['MARK'] = '{mark}'\n"
    write += f"sys.modules['mark'] = types.ModuleType('{mark}')\ngive(uid=os.getuid())\n"
    look = "import os, sys\ngive(tmp=os.listdir('/tmp'), mark=os.environ.get('MARK'), module='mark' in sys.modules,\n"
    look += "  uid=os.getuid(), others=[p for p in os.listdir('/proc') if p.isdigit() and int(p) != os.getpid()])\n"
    users = {lab.ended(write, "zygote").result["uid"] for _ in range(2)}
    with_living = lab.create(write + "import time; time.sleep(30)\n", "zygote")
    try:
        for _ in range(2):
            seen = lab.ended(look, "zygote").result
            assert (seen["tmp"], seen["mark"], seen["module"], seen["others"]) == ([], None, False, [])
            assert seen["uid"] != with_living.cell.user
            users.add(seen["uid"])
    finally:
        lab.run(with_living.destroy())
    assert len(users) == 4


def test_process_one_is_out_of_reach(lab: SandboxLab) -> None:
    """The function cannot end, stop or see the process that keeps its environment."""
    code = "import os, signal\nanswers = []\n"
    code += "for number in (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):\n"
    code += "    try:\n        os.kill(1, number); answers.append('sent')\n"
    code += "    except OSError as error: answers.append(type(error).__name__)\n"
    code += "give(answers=answers, status=os.path.exists('/proc/1'))\n"
    sandbox = lab.create(code + "import time; time.sleep(20)\n", "exec")
    try:
        deadline = time.monotonic() + 10
        output = ""
        while "RESULT" not in output and time.monotonic() < deadline:
            output += read_output(sandbox)
        assert '"status": false' in output
        child = lab.run(sandbox.spawn(["/bin/sh", "-c", "exit 7"], {"PATH": "/bin"}))
        assert lab.run(child.wait(), 10).status == 7  # it still does its work
    finally:
        lab.run(sandbox.destroy())


def test_secrets_of_the_server_stay_outside(lab: SandboxLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the server's reaches a zygote or its children, not even through /proc."""
    code = "import os\ngive(environ=open('/proc/self/environ').read(), fine=os.environ.get('HOME'))\n"
    seen = lab.ended(code, "zygote").result
    assert seen["fine"] is None
    inherited = {entry.partition("=")[0] for entry in seen["environ"].split("\0") if entry}
    assert inherited <= {"LANG", "TZ", "PATH", "LD_LIBRARY_PATH", "LC_CTYPE"}
    assert Path("/proc/self/environ").read_text() != seen["environ"]
