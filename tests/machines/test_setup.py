"""Set-up: a second Incus beside the machine's own is set up, killed, set up again and removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import wait_until
from undercast.machines.errors import MachineError
from undercast.machines.images import build, host
from undercast.machines.setup import command, limits, packages
from undercast.settings import Settings

pytestmark = [pytest.mark.needs_root]

# One step of the life of the second Incus, run in a process of its own: INCUS_DIR is read at import.
STEP = """
import json, sys, time
from pathlib import Path
from undercast.machines import setup
from undercast.machines.setup import daemon
from undercast.machines.setup.progress import Quiet
from undercast.settings import Settings
settings = Settings(data=Path(sys.argv[2]))
began = time.monotonic()
if sys.argv[1] == "undo":
    setup.undo(settings, Quiet(), keep_cache=True)
elif sys.argv[1] == "stop":
    daemon.stop()
else:
    setup.run(settings, Quiet())
print(json.dumps({"took": time.monotonic() - began, "supervisor": daemon.supervised()}))
"""


class Second:
    """The second Incus, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        folder.chmod(0o711)  # the machines' own users pass through
        self.data.mkdir()
        self.env = {**os.environ, "INCUS_DIR": str(folder / "incus")}
        (folder / "incus").mkdir()

    @property
    def project(self) -> str:
        """The Incus project of its server."""
        return f"undercast-{Settings(data=self.data).host_id}"

    def step(self, name: str) -> dict[str, Any]:
        """Set up, stop, or undo."""
        argv = [sys.executable, "-c", STEP, name, str(self.data)]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=110)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def incus(self, *words: str) -> str:
        """What Incus's own client says."""
        argv = ["incus", "--project", self.project, *words]
        done = subprocess.run(argv, env=self.env, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def processes(self) -> list[int]:
        """All processes that belong to it."""
        found: list[int] = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    environment = (entry / "environ").read_bytes()
                    words = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                if f"INCUS_DIR={self.folder}".encode() in environment and b"pytest" not in words and words:
                    found.append(int(entry.name))
        return found

    def mounts(self) -> list[str]:
        """What is mounted for it on this machine."""
        return [
            line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(self.folder) in line
        ]


@pytest.fixture
def second(machine_settings: Settings) -> Iterator[Second]:
    """A second Incus that is gone afterwards, whatever happened."""
    made = Second(Path(tempfile.mkdtemp(prefix="undercast-incus-")))
    try:
        yield made
    finally:
        for pid in made.processes():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not made.processes(), 10, "end of its processes")
        for line in reversed(made.mounts()):
            subprocess.run(["umount", "-l", line.split()[4]], check=False, timeout=20)
        build.remove_tree(made.folder)


@pytest.mark.needs_incus
@pytest.mark.timeout(180)
def test_set_up_survives_a_kill_and_leaves_nothing_behind(second: Second) -> None:
    first = second.step("run")
    assert first["supervisor"]
    assert "undercast-linux" in second.incus("image", "list", "--format", "csv")
    again = second.step("run")
    assert again["took"] < 2, "set-up with nothing to do"
    assert again["supervisor"] == first["supervisor"]

    # Everything of it dies at once, as in a power cut; its mounts stay behind.
    second.incus("launch", "undercast-linux", "one", "--storage", "undercast")
    dead = second.processes()
    assert len(dead) >= 3
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not set(dead) & set(second.processes()), 10, "end of its processes")
    assert second.mounts()
    third = second.step("run")
    assert third["supervisor"] not in (0, first["supervisor"])
    wait_until(lambda: "RUNNING" in second.incus("list", "--format", "csv"), 20, "restart of the machine")
    assert "root:" in second.incus("exec", "one", "--", "cat", "/etc/passwd")

    # Killed once more, and only to be cleaned up this time.
    dead = second.processes()
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not set(dead) & set(second.processes()), 10, "end of its processes")
    second.step("stop")
    assert not second.processes()
    assert not second.mounts()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/lxc.*.{second.project}_*"))

    second.step("undo")
    assert not second.processes()
    assert not [line for line in second.mounts() if "storage-pools" in line]
    assert not (second.folder / "incus" / "disks" / "undercast.img").exists()


def test_a_tree_with_something_mounted_inside_is_not_removed(tmp_path: Path) -> None:
    inner = tmp_path / "work" / "inner"
    inner.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", str(inner)], check=True, timeout=10)
    try:
        (inner / "precious").write_text("data")
        with pytest.raises(MachineError, match="is mounted inside"):
            build.remove_tree(tmp_path / "work")
        assert (inner / "precious").exists()
    finally:
        subprocess.run(["umount", str(inner)], check=True, timeout=10)
    build.remove_tree(tmp_path / "work")
    assert not (tmp_path / "work").exists()


def test_commands_end_at_their_limit_with_all_they_started() -> None:
    with pytest.raises(MachineError, match=r"took longer than 1 s\n +line one"):
        command.run(["sh", "-c", "echo line one; sleep 60 & sleep 60"], timeout_s=1)
    with pytest.raises(MachineError, match=r"status 3\n +why"):
        command.run(["sh", "-c", "echo why >&2; exit 3"], timeout_s=10)
    with pytest.raises(MachineError, match="is not installed"):
        command.run(["no-such-program"], timeout_s=10)
    began = time.monotonic()
    daemon = "echo started; exec setsid sleep 8 &"
    assert command.run(["sh", "-c", daemon], timeout_s=20) == "started", "a daemon holds the output open"
    assert time.monotonic() - began < 6
    seen: list[str] = []
    assert command.run(["sh", "-c", "echo a; cat; echo b"], timeout_s=10, on_line=seen.append) == "a\nb"
    assert seen == ["a", "b"]


def test_sources_of_the_machine_become_those_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "debian.sources").write_text(
        "Types: deb\n# a comment\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n"
        "Components: main\nSigned-By: /usr/share/keyrings/key.gpg\n\n"
        "Types: deb\nURIs: http://other.test/\nSuites: nodistro\nComponents: main\n"
    )
    (tmp_path / "more.list").write_text(
        "deb [arch=amd64 signed-by=/k.gpg] http://mirror.test/security bookworm-security main\n"
    )
    monkeypatch.setattr(host, "SOURCES", tmp_path)
    text = host.sources("bookworm")
    assert "http://mirror.test/debian" in text and "http://other.test" not in text
    assert "Suites: bookworm-security\nComponents: main\nSigned-By: /k.gpg" in text
    assert "#" not in text


def test_what_is_missing_is_told_by_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "SEARCH", "/nonexistent")
    assert {"incus-base", "mmdebstrap", "btrfs-progs", "lxcfs"} <= set(packages.missing())


def test_low_limits_of_the_kernel_are_raised_and_high_ones_left(tmp_path: Path) -> None:
    values = {"fs/inotify/max_user_instances": 128, "fs/inotify/max_user_watches": 1 << 24}
    for name, value in values.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{value}\n")
    assert limits.raise_low(tmp_path) == ["fs/inotify/max_user_instances"]  # keys: no such file, no harm
    assert [int((tmp_path / name).read_text()) for name in values] == [1 << 20, 1 << 24]
    assert limits.raise_low(tmp_path) == []
