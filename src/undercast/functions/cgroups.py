"""Control groups of environments: memory, CPU share, number of processes, freezing. Versions 1, 2 and
mixtures.

Every environment gets a group `undercast-HOST/NUMBER` in each hierarchy that carries a controller it needs.
Sources: Documentation/admin-guide/cgroup-v1/{memory,freezer-subsystem}.rst and cgroup-v2.rst of the kernel.
"""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

# The kernel gives a share of CPU as a quota per period, and lets as much again be saved up (sched-bwc.rst).
# A longer period has fewer but longer pauses for a function that uses more than its share, and more that a
# short invocation may use at once: with 4 ms, 8 after a rest, 5 ms of work every 100 ms take 9 ms at 128 MB;
# with the shortest quota there is, 1 ms, 43.
_QUOTA_US, _SHORT_US, _LONG_US = 4_000, 5_000, 100_000
_WANTED = ("memory", "cpu", "pids")
_PARENT = "undercast-"


class CgroupsMissing(Exception):
    """This machine cannot limit environments; the text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the controllers are mounted.

    `freezer` is a version 1 mount, or None: cgroup.freeze of `unified`.
    """

    version1: dict[str, Path]
    unified: Path | None
    freezer: Path | None

    @property
    def memory_v1(self) -> Path | None:
        return self.version1.get("memory")

    def mounts(self) -> list[Path]:
        """Every hierarchy a group is needed in."""
        found = list(dict.fromkeys(self.version1.values()))
        if self.freezer is not None and self.freezer not in found:
            found.append(self.freezer)
        if self.unified is not None and (self.freezer is None or len(self.version1) < len(_WANTED)):
            found.append(self.unified)
        return found


def discover(mountinfo: str | None = None) -> Layout:
    """Reads the layout from /proc/self/mountinfo. Raises CgroupsMissing when a controller is nowhere."""
    text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
    version1: dict[str, Path] = {}
    unified: Path | None = None
    freezer: Path | None = None
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        point = Path(left.split(" ")[4])
        if kind == "cgroup2" and unified is None:
            unified = point
        elif kind == "cgroup":
            names = options.split(",")
            version1.update({name: point for name in _WANTED if name in names and name not in version1})
            if "freezer" in names:
                freezer = freezer or point
    absent = [name for name in _WANTED if name not in version1]
    if absent:
        offered = _controllers(unified)
        nowhere = [name for name in absent if name not in offered]
        if nowhere:
            raise CgroupsMissing(
                f"no cgroup controller for {', '.join(nowhere)} is available on this machine"
            )
    if freezer is None and unified is None:
        raise CgroupsMissing("neither the cgroup v1 freezer nor cgroup v2 is mounted")
    return Layout(version1, unified, freezer)


def _controllers(unified: Path | None) -> list[str]:
    if unified is None:
        return []
    try:
        return (unified / "cgroup.controllers").read_text().split()
    except OSError:
        return []


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)


@dataclass(slots=True)
class Cgroup:
    """The groups of one environment."""

    layout: Layout
    name: str
    _freezer: int = -1
    _peak: int = -1
    _memory: Path = field(init=False)
    _cpu: Path = field(init=False)
    _pids: Path = field(init=False)

    def __post_init__(self) -> None:
        unified = self.layout.unified or Path()
        self._memory = self.layout.version1.get("memory", unified) / self.name
        self._cpu = self.layout.version1.get("cpu", unified) / self.name
        self._pids = self.layout.version1.get("pids", unified) / self.name

    @property
    def directories(self) -> list[Path]:
        return [mount / self.name for mount in self.layout.mounts()]

    def create(self, pids: int) -> None:
        """Makes the groups. Raises OSError."""
        for directory in self.directories:
            directory.mkdir(exist_ok=True)
        _write(self._pids / "pids.max", str(pids))
        if self.layout.freezer is not None:
            state = self.layout.freezer / self.name / "freezer.state"
        else:
            state = (self.layout.unified or Path()) / self.name / "cgroup.freeze"
        self._freezer = os.open(state, os.O_WRONLY | os.O_CLOEXEC)

    def join_descriptors(self) -> dict[str, int]:
        """Files a process writes "0" to in order to join, to be closed afterwards.

        In version 1 that is `tasks`: a single thread that moves itself needs no lock over all forks of the
        machine (kernel/cgroup/cgroup.c, cgroup_procs_write_start), which would cost milliseconds.
        """
        found: dict[str, int] = {}
        for number, mount in enumerate(self.layout.mounts()):
            file = "cgroup.procs" if mount == self.layout.unified else "tasks"
            found[f"cgroup{number}"] = os.open(mount / self.name / file, os.O_WRONLY | os.O_CLOEXEC)
        return found

    def limit_memory(self, megabytes: int) -> None:
        """Limits memory, and swap with it so that nothing beyond the limit is ever used."""
        limit = str(megabytes << 20)
        if self.layout.memory_v1 is not None:
            _write(self._memory / "memory.limit_in_bytes", limit)
            with contextlib.suppress(FileNotFoundError):  # a kernel without swap accounting
                _write(self._memory / "memory.memsw.limit_in_bytes", limit)
            return
        _write(self._memory / "memory.max", limit)
        with contextlib.suppress(FileNotFoundError):
            _write(self._memory / "memory.swap.max", "0")
        _write(self._memory / "memory.oom.group", "0")

    def limit_cpu(self, cores: float | None) -> None:
        """Limits CPU to so many cores; None: no limit."""
        version1 = "cpu" in self.layout.version1
        if cores is None:
            name = "cpu.cfs_quota_us" if version1 else "cpu.max"
            _write(self._cpu / name, "-1" if version1 else "max")
            return
        period = min(_LONG_US, max(_SHORT_US, math.ceil(_QUOTA_US / cores)))
        quota = max(_QUOTA_US, round(cores * period))
        if version1:
            _write(self._cpu / "cpu.cfs_period_us", str(period))
            _write(self._cpu / "cpu.cfs_quota_us", str(quota))
        else:
            _write(self._cpu / "cpu.max", f"{quota} {period}")
        with contextlib.suppress(OSError):  # Linux 5.14: what was not used may be used in the next period
            _write(self._cpu / ("cpu.cfs_burst_us" if version1 else "cpu.max.burst"), str(quota))

    def freeze(self) -> None:
        """Stops every process; returns at once, the kernel catches them as they leave it."""
        os.pwrite(self._freezer, b"FROZEN" if self.layout.freezer is not None else b"1", 0)

    def thaw(self) -> None:
        os.pwrite(self._freezer, b"THAWED" if self.layout.freezer is not None else b"0", 0)

    def memory_peak(self) -> int:
        """The most memory used since the group was made or the peak was reset, in bytes.

        Asked for after every invocation, so the file stays open.
        """
        if self._peak < 0:
            names = ["memory.peak", "memory.current"]  # memory.peak: Linux 5.19
            if self.layout.memory_v1 is not None:
                names = ["memory.max_usage_in_bytes"]
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self._peak = os.open(self._memory / name, os.O_RDONLY | os.O_CLOEXEC)
                    break
            else:
                return 0
        return int(os.pread(self._peak, 32, 0))

    def reset_peak(self) -> None:
        """Lets the peak start again from what is used now, where the kernel can (version 2: Linux 6.12)."""
        file = "memory.max_usage_in_bytes" if self.layout.memory_v1 is not None else "memory.peak"
        with contextlib.suppress(OSError):
            _write(self._memory / file, "0")

    def out_of_memory_kills(self) -> int:
        """How many processes the kernel killed because the limit was reached."""
        file = "memory.oom_control" if self.layout.memory_v1 is not None else "memory.events"
        try:
            text = (self._memory / file).read_text()
        except OSError:
            return 0
        return next((int(line.split()[1]) for line in text.splitlines() if line.startswith("oom_kill ")), 0)

    def processes(self) -> set[int]:
        """Every process in any of the groups."""
        found: set[int] = set()
        for directory in self.directories:
            with contextlib.suppress(OSError):
                found.update(int(pid) for pid in (directory / "cgroup.procs").read_text().split())
        return found - {0}  # 0: of another pid namespace, and to kill(2) our own process group

    def kill(self) -> None:
        """Ends every process. Frozen ones are thawed, as version 1 does not deliver to them."""
        with contextlib.suppress(OSError):
            self.thaw()
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> bool:
        """Removes the groups; False while processes are still dying in them."""
        for directory in self.directories:
            try:
                directory.rmdir()
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno == errno.EBUSY:
                    return False
                raise
        for descriptor in (self._freezer, self._peak):
            if descriptor >= 0:
                os.close(descriptor)
        self._freezer = self._peak = -1
        return True


class Cgroups:
    """All groups of one server."""

    def __init__(self, host_id: str, layout: Layout | None = None) -> None:
        self.layout = layout or discover()
        self.parent = f"{_PARENT}{host_id}"

    @property
    def freezer(self) -> Path | None:
        """The parent of the version 1 freezer groups, None where version 2 freezes."""
        return None if self.layout.freezer is None else self.layout.freezer / self.parent

    def start(self) -> None:
        """Removes what an earlier run left and makes the parent groups. Raises CgroupsMissing."""
        self.sweep()
        for mount in self.layout.mounts():
            try:
                (mount / self.parent).mkdir(exist_ok=True)
                if mount == self.layout.unified:
                    self._delegate(mount)
            except OSError as error:
                raise CgroupsMissing(f"cannot make cgroups under {mount}: {error.strerror}") from error

    def _delegate(self, unified: Path) -> None:
        """Lets the children have the controllers (cgroup-v2.rst, "Controlling Controllers")."""
        wanted = [name for name in _WANTED if name not in self.layout.version1]
        if not wanted:
            return
        enable = " ".join(f"+{name}" for name in wanted)
        _write(unified / "cgroup.subtree_control", enable)
        _write(unified / self.parent / "cgroup.subtree_control", enable)

    def new(self, number: int, pids: int) -> Cgroup:
        """Groups for one environment, without limits on memory and CPU yet."""
        group = Cgroup(self.layout, f"{self.parent}/{number}")
        group.create(pids)
        return group

    def _left(self) -> Iterator[Cgroup]:
        names: set[str] = set()
        for mount in self.layout.mounts():
            with contextlib.suppress(OSError):
                names.update(entry.name for entry in (mount / self.parent).iterdir() if entry.is_dir())
        for name in names:
            yield Cgroup(self.layout, f"{self.parent}/{name}")

    def sweep(self, seconds: float = 3.0) -> None:
        """Ends everything in groups of this server's name and removes them, for at most so long."""
        end([self], seconds)

    def condemn(self) -> list[Cgroup]:
        """Begins to end everything in these groups."""
        left = list(self._left())
        for group in left:
            with contextlib.suppress(OSError):
                group.create(0)
            group.kill()
        return left

    def remove_parents(self) -> None:
        """Removes the parent groups once they are empty."""
        for mount in self.layout.mounts():
            with contextlib.suppress(OSError):
                (mount / self.parent).rmdir()


def end(servers: Iterable[Cgroups], seconds: float) -> None:
    """Ends everything in the groups of all of them and removes the groups, for at most so long."""
    condemned = [(server, server.condemn()) for server in servers]
    _until_gone([group for _, groups in condemned for group in groups], seconds)
    for server, _ in condemned:
        server.remove_parents()


def host_ids(layout: Layout) -> set[str]:
    """Whose groups there are on this machine."""
    names = {entry.name for mount in layout.mounts() for entry in mount.iterdir()}
    return {name.removeprefix(_PARENT) for name in names if name.startswith(_PARENT)}


def _until_gone(groups: Iterable[Cgroup], seconds: float) -> None:
    end = time.monotonic() + seconds
    left = list(groups)
    while left and time.monotonic() < end:
        left = [group for group in left if not group.remove()]
        if left:
            time.sleep(0.01)
