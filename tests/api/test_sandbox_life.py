"""The life of a sandbox: layers, extensions, freezing, ends, and that nothing is ever left behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import leftover_support
from sandbox_support import SandboxLab, read_output
from undercast.functions import sandboxes as factory
from undercast.functions.reserve import DEPTH
from undercast.functions.spec import SandboxError, SandboxSpec


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
    assert until(lambda: traces(lab.host_id) == [])


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether a condition came true in time."""
    end = time.monotonic() + seconds
    while not (true := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return true


def traces(host_id: str) -> list[str]:
    """What a server with this id has on the host now: cgroups, cables, tables."""
    places = [Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()]
    found = [str(place) for place in places if (place / f"undercast-{host_id}").exists()]
    found += [path.name for path in Path("/sys/class/net").glob(f"uf{host_id}*")]
    done = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, timeout=10, check=True)
    return found + [line for line in done.stdout.splitlines() if host_id in line]


def test_exits_are_reported(lab: SandboxLab) -> None:
    ended = lab.ended("import sys; sys.exit(3)", "exec")
    assert (ended.exit.status, ended.exit.signal, ended.exit.oom_killed) == (3, None, False)
    ended = lab.ended("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "zygote")
    assert (ended.exit.status, ended.exit.signal) == (None, signal.SIGSEGV)
    spec = SandboxSpec("missing", "provided.al2023", lab.code(""), argv=("/var/task/bootstrap",))
    sandbox = lab.run(lab.sandboxes.create(spec))
    try:
        assert lab.run(sandbox.wait(), 10).status == 127
        assert "No such file" in read_output(sandbox)
    finally:
        lab.run(sandbox.destroy())


def test_layers_merge_and_the_later_wins(lab: SandboxLab) -> None:
    layers = []
    for number in (1, 2, 3, 4, 5):  # as many as AWS allows, with paths longer than a mount's option may be
        layer = lab.folder / f"layer{number}{'x' * 100}"
        (layer / "python").mkdir(parents=True)
        (layer / "python" / "shared.py").write_text(f"number = {number}\n")
        (layer / "python" / f"only{number}.py").write_text("")
        layers.append(layer)
    code = "import os, shared, only1, only5\n"
    code += "give(number=shared.number, files=sorted(os.listdir('/opt/python')))\n"
    seen = lab.ended(code, "zygote", layers=tuple(layers)).result
    assert seen == {"number": 5, "files": [*(f"only{number}.py" for number in range(1, 6)), "shared.py"]}
    single = lab.ended(
        "import os\ngive(files=sorted(os.listdir('/opt/python')))", "zygote", layers=(layers[0],)
    )
    assert single.result == {"files": ["only1.py", "shared.py"]}


def test_held_runtime_starts_after_extensions(lab: SandboxLab) -> None:
    spec = lab.spec(lab.code("give(runtime=True)\nimport time; time.sleep(20)\n"), "exec", hold=True)
    sandbox = lab.run(lab.sandboxes.create(spec))
    try:
        extension = lab.run(
            sandbox.spawn(["/bin/sh", "-c", "echo from $X; ls /var/task; id -u"], {"X": "it", "PATH": "/bin"})
        )
        assert lab.run(extension.wait(), 10).status == 0
        said = read_output(sandbox).split()
        assert said == ["from", "it", "lambda_function.py", str(sandbox.cell.user)]
        lab.run(sandbox.start())
        parts: list[str] = []
        assert until(lambda: parts.append(read_output(sandbox)) or "RESULT" in "".join(parts))
        missing = lab.run(sandbox.spawn(["/opt/none"], {}))
        assert lab.run(missing.wait(), 10).status == 127
    finally:
        lab.run(sandbox.destroy())
    assert lab.run(sandbox.wait(), 5).signal == signal.SIGKILL


def test_frozen_processes_stand_still(lab: SandboxLab) -> None:
    """Frozen means no CPU at all; a frozen environment can still be destroyed."""
    sandbox = lab.create("while True: pass", "exec")

    def ticks() -> int:
        total = 0
        for pid in sandbox.cell.cgroup.processes():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total

    try:
        assert until(lambda: ticks() > 5)
        lab.run(sandbox.freeze())
        time.sleep(0.05)
        before = ticks()
        time.sleep(0.4)
        assert ticks() == before
        lab.run(sandbox.thaw())
        assert until(lambda: ticks() > before)
        lab.run(sandbox.freeze())
    finally:
        lab.run(sandbox.destroy(), 10)
    assert not Path(f"/proc/{sandbox.pid}").exists()


def test_everything_is_given_back(lab: SandboxLab) -> None:
    """A burst leaves as many descriptors, cables and cgroups as there were before it."""
    code = lab.code("")

    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    async def burst() -> None:
        made = [await lab.sandboxes.create(lab.spec(code, "zygote")) for _ in range(12)]
        for sandbox in made:
            assert sandbox.memory_peak_mb() < 32
            await sandbox.destroy()
            await sandbox.destroy()

    def at_rest() -> tuple[int, int] | None:
        """Descriptors and traces, once everything that is kept prepared is."""
        cells = lab.sandboxes._cells
        assert cells is not None
        full = all(len(kind._waiting) == DEPTH for kind in lab.sandboxes._reserves.values())
        if (
            not full
            or len(cells._ready) != DEPTH
            or len(cells._numbers) + lab_living() != len(cells._users) - 1
        ):
            return None
        return descriptors(), len(traces(lab.host_id))

    def lab_living() -> int:
        return len(lab.sandboxes._alive) + DEPTH

    lab.run(burst())
    assert until(lambda: at_rest() is not None, 20)
    time.sleep(0.2)
    before = at_rest()
    assert before is not None
    lab.run(burst())
    assert until(
        lambda: (now := at_rest()) is not None and now[0] <= before[0] + 2 and now[1] <= before[1], 20
    )


SERVER = """
import asyncio, sys
from pathlib import Path
from undercast.functions.sandboxes import Sandboxes
from undercast.functions.spec import SandboxSpec
async def main():
    sandboxes = Sandboxes(Path(sys.argv[1]), sys.argv[2])
    await sandboxes.start()
    assert sandboxes.capability.available
    code = Path(sys.argv[3])
    pids = []
    for frozen in (True, False):
        made = await sandboxes.create(SandboxSpec('x', 'provided.al2', code, argv=('/bin/sleep', '300')))
        if frozen:
            await made.freeze()
        pids.append(str(made.pid))
    print('up', *pids, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def test_killed_server_leaves_nothing_for_long(lab: SandboxLab) -> None:
    """After kill -9 what runs ends by itself; the next start removes the rest."""
    host_id = secrets.token_hex(3)
    leftover_support.watch(lab.folder / "killed", host_id)
    argv = [
        sys.executable,
        "-c",
        textwrap.dedent(SERVER),
        str(lab.folder / "killed"),
        host_id,
        str(lab.code("")),
    ]
    server = subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
    assert server.stdout is not None
    try:
        pids = server.stdout.readline().split()[1:]
    finally:
        server.kill()
        server.wait(10)
        server.stdout.close()
    assert len(pids) == 2  # one of them frozen
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    next_one = SandboxLab(lab.folder / "killed2", host_id)
    (lab.folder / "killed2").mkdir()
    next_one.start()
    groups = list(Path("/sys/fs/cgroup").glob(f"*/undercast-{host_id}/*/cgroup.procs"))
    assert all(path.read_text() == "" for path in groups)
    next_one.close()
    assert until(lambda: traces(host_id) == [])


def test_refusals_say_why(lab: SandboxLab, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SandboxError, match=r"The runtime java21 is not supported\. Supported: .*python3\.11"):
        lab.run(lab.sandboxes.create(SandboxSpec("k", "java21", lab.folder)))
    with pytest.raises(SandboxError, match="No such file"):
        lab.run(lab.sandboxes.create(lab.spec(lab.folder / "nowhere", "zygote")))
    monkeypatch.setattr(factory.os, "geteuid", lambda: 1000)
    ordinary = factory.Sandboxes(lab.folder / "ordinary", "abcdef", cache=lab.folder)
    lab.run(ordinary.start())
    assert not ordinary.capability.available
    assert "root" in (ordinary.capability.reason or "")
    with pytest.raises(SandboxError, match="need root"):
        lab.run(ordinary.create(lab.spec(lab.code(""), "zygote")))
