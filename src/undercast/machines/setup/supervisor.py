"""A supervisor for Incus where no systemd runs: starts lxcfs and incusd, restarts them when they die.

Run as `python -m undercast.machines.setup.supervisor`. It adopts daemons that run already, so that it can be
killed and started again itself. SIGTERM stops the daemons, instances keep running; SIGPWR shuts down the
instances as well and unmounts everything, as incusd itself has it. With the word `stop` it does just that,
also when everything was killed.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from undercast.machines.setup.daemon import INCUS_DIR, LOGS, OWN_PLACE, RUN, SUPERVISOR_PID
from undercast.machines.setup.packages import find_program

LXCFS_DIR = Path("/var/lib/lxcfs")
GROUPS = ("incus-admin", "incus", "sudo")


@dataclass(slots=True)
class Daemon:
    """One program kept running. `pid` 0 means it does not run."""

    name: str
    argv: list[str]
    pid: int = 0
    pidfd: int = -1
    failures: int = 0
    started: float = 0.0

    def adopt(self) -> bool:
        """Watch the process of this name that runs already; False when there is none."""
        self.pid = _running(self.argv[0])
        if self.pid:
            _say(f"adopted {self.name} {self.pid}")
            self._watch()
        return self.pid != 0

    def start(self) -> None:
        """Start one with a log of its own."""
        if self.name == "lxcfs":
            _prepare_lxcfs()
        else:
            _remove_orphans()
        log = os.open(LOGS / f"{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        child = subprocess.Popen(
            self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True
        )
        os.close(log)
        self.pid = child.pid
        _say(f"started {self.name} as {self.pid}")
        self._watch()

    def _watch(self) -> None:
        self.pidfd = os.pidfd_open(self.pid)
        self.started = time.monotonic()

    def died(self) -> None:
        """Forget the dead process; the pause before the next start grows while it keeps dying young."""
        os.close(self.pidfd)
        self.pidfd = -1
        try:
            os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            _say(f"{self.name} {self.pid} was adopted")
        self.failures = 0 if time.monotonic() - self.started > 30 else self.failures + 1
        _say(f"{self.name} {self.pid} ended")
        self.pid = 0


def daemons() -> list[Daemon]:
    """lxcfs first: an instance takes its view of /proc when it starts."""
    incusd = find_program("incusd") or "/usr/libexec/incus/incusd"
    group = next((name for name in GROUPS if _has_group(name)), None)
    flags = ["--group", group] if group else []
    found = [Daemon("incusd", [incusd, *flags, "--logfile", str(LOGS / "incusd.log")])]
    lxcfs = find_program("lxcfs")
    if lxcfs and not OWN_PLACE:
        found.insert(0, Daemon("lxcfs", [lxcfs, "-f", "--enable-cfs", "--enable-loadavg", str(LXCFS_DIR)]))
    return found


def main() -> None:
    """Keep the daemons running until told to stop; with the word `stop`, only stop what runs."""
    RUN.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    lock = os.open(RUN / "supervisor.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.lockf(lock, os.F_TLOCK, 0)
    except OSError:
        sys.exit("another supervisor runs")
    wake, poke = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    stopping = 0

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = number
        os.write(poke, b"x")

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGPWR):
        signal.signal(number, stop)
    kept = daemons()
    for daemon in kept:
        daemon.adopt()
    if sys.argv[1:] == ["stop"]:
        stopping = signal.SIGPWR
    else:
        # Now: whoever reads this may send a signal at once, and what runs must be known by then.
        SUPERVISOR_PID.write_text(str(os.getpid()))
    while not stopping:
        for daemon in kept:
            if not daemon.pid and not daemon.adopt():
                daemon.start()
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        for daemon in kept:
            poll.register(daemon.pidfd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll()}
        dead = [daemon for daemon in kept if daemon.pidfd in ready]
        for daemon in dead:
            daemon.died()
        if dead and not stopping:
            # Long enough for machines that go down with the daemon to be down, so that it starts them again.
            time.sleep(min(0.3 * 2 ** max(daemon.failures - 1 for daemon in dead), 2.0))
    power_off = stopping == signal.SIGPWR
    for daemon in reversed(kept):
        _end(daemon, signal.SIGPWR if power_off and daemon.name == "incusd" else signal.SIGTERM)
    if power_off:
        _unmount_all(kept)
        _remove_groups()
    SUPERVISOR_PID.unlink(missing_ok=True)


def _end(daemon: Daemon, number: signal.Signals) -> None:
    if not daemon.pid:
        return
    os.kill(daemon.pid, number)
    poll = select.poll()
    poll.register(daemon.pidfd, select.POLLIN)
    if not poll.poll(60_000 if number == signal.SIGPWR else 15_000):
        os.kill(daemon.pid, signal.SIGKILL)
    _say(f"stopped {daemon.name} {daemon.pid}")


def _unmount_all(kept: list[Daemon]) -> None:
    """What incusd and lxcfs mounted on the host and have left, the innermost first."""
    folders = [str(INCUS_DIR)] + [str(LXCFS_DIR)] * any(daemon.name == "lxcfs" for daemon in kept)
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in reversed(points):
        if any(point == folder or point.startswith(f"{folder}/") for folder in folders):
            subprocess.run(["umount", "-l", point], stdin=subprocess.DEVNULL, timeout=20, check=False)


def _remove_groups() -> None:
    """Control groups of machines whose end no daemon attended. With a process in it one stays."""
    for pattern in ("lxc.*.undercast*", "*/lxc.*.undercast*"):
        for group in Path("/sys/fs/cgroup").glob(pattern):
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()


def _prepare_lxcfs() -> None:
    """A killed lxcfs leaves a dead FUSE mount on which every access fails (ENOTCONN)."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        if line.split()[1] == str(LXCFS_DIR):
            subprocess.run(
                ["umount", "-l", str(LXCFS_DIR)], stdin=subprocess.DEVNULL, timeout=20, check=False
            )
    LXCFS_DIR.mkdir(parents=True, exist_ok=True)


def _remove_orphans() -> None:
    """Interfaces of machines that ended while no daemon was there: Incus would find their names taken.

    Such a pair has both ends on the host, one of them under a name Incus made up.
    """
    listing = subprocess.run(
        ["ip", "-json", "link", "show", "type", "veth"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
        check=False,
    ).stdout
    for link in json.loads(listing or b"[]"):
        if "link_netnsid" not in link and re.fullmatch(r"veth[0-9a-f]{8}", link.get("link", "")):
            argv = ["ip", "link", "delete", link["ifname"]]
            subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False)
            _say(f"removed {link['ifname']}, whose machine has ended")


def _running(program: str) -> int:
    """The main process of a program on this Incus directory, 0 when none runs.

    incusd starts helpers from the same file (`incusd forkstart ...`), so the first argument must be a flag.
    """
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            words = (entry / "cmdline").read_bytes().split(b"\0")
            if (entry / "exe").readlink() != Path(program).resolve() or not _daemon_words(words, program):
                continue
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        folder = next(
            (word[10:].decode() for word in environment if word.startswith(b"INCUS_DIR=")), "/var/lib/incus"
        )
        if folder == str(INCUS_DIR):
            return int(entry.name)
    return 0


def _daemon_words(words: list[bytes], program: str) -> bool:
    """Whether a command line is the daemon's own: LXC's monitors, which hold the machines, share its file."""
    if Path(words[0].decode(errors="replace")).name != Path(program).name:
        return False
    return len(words) < 2 or words[1][:1] in (b"-", b"")


def _has_group(name: str) -> bool:
    return any(line.startswith(f"{name}:") for line in Path("/etc/group").read_text().splitlines())


def _say(text: str) -> None:
    print(time.strftime("%Y-%m-%dT%H:%M:%S"), text, flush=True)


if __name__ == "__main__":
    main()
