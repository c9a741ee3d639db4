"""SnapStart below the engine: environments forked from an initialised process are as alone as any other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox_support import SandboxLab
from undercast.functions.door import PrivilegesKept, check_privileges
from undercast.functions.ground import Ground
from undercast.functions.inside import wire
from undercast.functions.reserve import DEPTH
from undercast.functions.sandbox import Sandbox
from undercast.functions.snapshots import Restored, Snapshot

LOOK = """
import ctypes, errno, os, random
open('/tmp/made-by-init', 'w').write('x')
os.mkdir('/tmp/folder'); open('/tmp/folder/inner', 'w').write('y')
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    ctypes.set_errno(0)
    return 'DONE' if getattr(libc, name)(*arguments) >= 0 else errno.errorcode[ctypes.get_errno()]
calls = {
    'unshare_user': lambda: call('unshare', 0x10000000), 'unshare_all': lambda: call('unshare', 0x3E020000),
    'mount': lambda: call('mount', b'none', b'/tmp', b'tmpfs', 0, None), 'setns': lambda: call('setns', 0, 0),
    'umount': lambda: call('umount2', b'/tmp', 2), 'ptrace': lambda: call('ptrace', 0, 0, 0, 0),
    'clone_user': lambda: call('syscall', 56 if os.uname().machine == 'x86_64' else 220, 0x10000011, 0, 0, 0, 0),
}
at_init = {name: attempt() for name, attempt in calls.items()}
def lambda_handler(event, context):
    if event == 'write':
        return open('/tmp/mark', 'w').write('x')
    status = dict(line.split(':\\t', 1) for line in open('/proc/self/status').read().splitlines() if ':\\t' in line)
    return {
        'at_init': at_init, 'now': {name: attempt() for name, attempt in calls.items()},
        'caps': [status['Cap' + kind].strip() for kind in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')],
        'privileges': status['NoNewPrivs'].strip(), 'filters': status['Seccomp_filters'].strip(),
        'pids': [name for name in os.listdir('/proc') if name.isdigit()], 'me': os.getpid(), 'uid': os.getuid(),
        'tmp': sorted(os.listdir('/tmp')), 'inner': open('/tmp/folder/inner').read(), 'random': random.random(),
        'fds': sorted(os.readlink('/proc/self/fd/' + name).partition(':')[0]
                      for name in os.listdir('/proc/self/fd') if os.path.islink('/proc/self/fd/' + name)),
        'hidden': os.access('/var/hidden/proc', os.R_OK), 'X': os.environ.get('X'),
        'cmdline': open('/proc/cmdline').read(), 'kill': call('kill', -1, 0),
    }
"""


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


async def frame(channel: Any) -> tuple[int, bytes]:
    """One frame from an environment."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        data = b""
        while len(data) < wire.TO_ENGINE.size:
            data += await loop.sock_recv(channel, wire.TO_ENGINE.size - len(data)) or pytest.fail("it ended")
        kind, _, length = wire.TO_ENGINE.unpack(data)
        body = b""
        while len(body) < length:
            body += await loop.sock_recv(channel, length - len(body))
        return kind, body


async def invoke(restored: Restored, event: object) -> Any:
    payload = json.dumps(event).encode()
    meta = b"request\0arn:aws:lambda:x:1:function:f\0\0"
    message = wire.TO_INSIDE.pack(wire.INVOKE, len(meta), len(payload), 3000) + meta + payload
    await asyncio.get_running_loop().sock_sendall(restored.channel, message)
    kind, body = await frame(restored.channel)
    assert kind == wire.RESPONSE, body
    return json.loads(body)


async def snapshot(lab: SandboxLab, source: str) -> tuple[Sandbox, Snapshot]:
    env = {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start", "AWS_LAMBDA_FUNCTION_NAME": "f"}
    spec = lab.spec(lab.code(source), "zygote", env=env, snapshot=True, memory_mb=256)
    sandbox = await lab.sandboxes.create(spec)
    kind, body = await frame(sandbox.channel)
    assert kind == wire.SNAPSHOT_READY, body
    ground = Ground(asyncio.get_running_loop(), lab.sandboxes, lambda *_: None, None, None, set())
    return sandbox, Snapshot(ground, sandbox, 512, 256)


async def prepared(taken: Snapshot) -> list[Restored]:
    """The environments that wait, once all do."""
    async with asyncio.timeout(10):
        while len(taken._reserve._waiting) < DEPTH:
            await asyncio.sleep(0.01)
    return list(taken._reserve._waiting)


def test_restored_environments_are_strangers(lab: SandboxLab) -> None:
    async def scenario() -> tuple[list[Any], str]:
        sandbox, taken = await snapshot(lab, LOOK)
        try:
            pair = [await taken.fork({"X": name}) for name in ("a", "b")]
            for one in pair:
                assert (await frame(one.channel))[0] == wire.READY
            await invoke(pair[0], "write")
            seen = [await invoke(one, "look") for one in pair]
            for one in pair:
                check_privileges(one._cell.cgroup.processes())
                assert one.memory_peak_mb() < 64
            with pytest.raises(PrivilegesKept):
                check_privileges([os.getpid()])
            await pair[1].destroy()
            assert (await invoke(pair[0], "look"))["X"] == "a"  # the other's end is not its own
            await pair[0].destroy()
            return seen, (await pair[0].wait()).signal
        finally:
            taken.close()
            await sandbox.destroy()

    seen, signal = lab.run(scenario())
    assert signal == 9
    for one, name, files in zip(
        seen, "ab", (["folder", "made-by-init", "mark"], ["folder", "made-by-init"]), strict=True
    ):
        assert set(one["at_init"].values()) == set(one["now"].values()) == {"EPERM"}
        assert set(one["caps"]) == {"0000000000000000"}
        assert (one["privileges"], int(one["filters"]) >= 2) == ("1", True)
        assert (one["pids"], one["me"]) == (["1"], 1)
        assert (one["tmp"], one["inner"], one["X"]) == (files, "y", name)
        assert (one["hidden"], one["cmdline"], one["kill"]) == (False, "", "ESRCH")
        assert one["uid"] >= 1_900_000_000
        # standard streams, the log's copy, the channel, and the listing itself
        assert one["fds"].count("socket") == 1
        assert set(one["fds"]) <= {"/dev/null", "pipe", "socket", "/proc/1/fd"}
    assert seen[0]["random"] != seen[1]["random"]


def test_ends_of_restored_environments_are_told(lab: SandboxLab) -> None:
    source = """
    import os, signal
    def lambda_handler(event, context):
        if event == "hog":
            hog = bytearray(400 << 20)
        os._exit(event)
    """

    async def ends() -> list[tuple[int | None, int | None, bool]]:
        sandbox, taken = await snapshot(lab, source)
        found = []
        try:
            for event in (7, "hog"):
                one = await taken.fork({})
                assert (await frame(one.channel))[0] == wire.READY
                meta, payload = b"request\0arn\0\0", json.dumps(event).encode()
                one.channel.send(
                    wire.TO_INSIDE.pack(wire.INVOKE, len(meta), len(payload), 3000) + meta + payload
                )
                async with asyncio.timeout(10):
                    end = await one.wait()
                found.append((end.status, end.signal, end.oom_killed))
                await one.destroy()
            one = await taken.fork({})
            await sandbox.destroy()  # the snapshot's end is theirs
            async with asyncio.timeout(10):
                end = await one.wait()
            found.append((end.status, end.signal, end.oom_killed))
            await one.destroy()
            return found
        finally:
            taken.close()
            await sandbox.destroy()

    assert lab.run(ends()) == [(7, None, False), (None, 9, True), (None, 9, False)]


def test_what_was_forked_ahead_begins_when_it_is_taken(lab: SandboxLab) -> None:
    source = """
    import os, random, time
    from snapshot_restore_py import register_after_restore
    began = []
    register_after_restore(lambda: began.append(time.time()))
    def lambda_handler(event, context):
        return {"began": began, "random": random.random(), "tls": os.urandom(8).hex(), "X": os.environ["X"]}
    """

    async def scenario() -> None:
        sandbox, taken = await snapshot(lab, source)
        try:
            waiting = await prepared(taken)
            for one in waiting:
                check_privileges(one._cell.cgroup.processes())
                assert one._cell.cgroup.processes() == {one.pid}
            os.kill(waiting[0].pid, signal.SIGKILL)
            await waiting[0].thaw()  # the freezer of version 1 holds even that back
            async with asyncio.timeout(10):
                await waiting[0].wait()
            asked = time.time()
            pair = [await taken.fork({"X": name}) for name in ("a", "b")]
            assert pair == waiting[1:3], "what has ended is not handed out"
            seen = []
            for one in pair:
                assert (await frame(one.channel))[0] == wire.READY
                seen.append(await invoke(one, "look"))
            assert [one["X"] for one in seen] == ["a", "b"]
            assert len({one["random"] for one in seen}) == 2
            for one in seen:
                assert len(one["began"]) == 1
                assert one["began"][0] >= asked, "hooks run when it is restored, not ahead"
            for one in pair:
                await one.destroy()
            async with asyncio.timeout(10):
                await taken.until_unused()
            assert not taken._children, "those that waited are gone too"
        finally:
            taken.close()
            await sandbox.destroy()

    lab.run(scenario())


def test_what_waits_does_not_run(lab: SandboxLab) -> None:
    """A function whose initialisation leaves a thief of time behind."""
    source = """
    import socket
    def busy(*_):
        while True:
            pass
    socket.socket.recv = busy
    def lambda_handler(event, context):
        return event
    """

    async def scenario() -> None:
        sandbox, taken = await snapshot(lab, source)
        try:
            for one in await prepared(taken):
                before = _ticks(one.pid)
                await asyncio.sleep(0.1)
                assert _ticks(one.pid) <= before + 1, "it is frozen"
            group = sandbox.cell.cgroup._cpu
            limits = [group / "cpu.cfs_quota_us", group / "cpu.max"]
            limit = next(file.read_text().split()[0] for file in limits if file.exists())
            assert limit not in ("-1", "max"), "what has been initialised has its share"
        finally:
            taken.close()
            await sandbox.destroy()

    lab.run(scenario())


def _ticks(pid: int) -> int:
    """CPU time a process has used (proc_pid_stat(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])
