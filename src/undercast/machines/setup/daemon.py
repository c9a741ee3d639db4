"""The Incus daemon: its unit where systemd runs, a small supervisor of our own where it does not."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from undercast.machines.errors import MachineError, Unavailable
from undercast.machines.setup.command import run
from undercast.machines.setup.packages import find_program

USUAL_DIR = Path("/var/lib/incus")
INCUS_DIR = Path(os.environ.get("INCUS_DIR", USUAL_DIR))
SOCKET = Path(os.environ.get("INCUS_SOCKET", INCUS_DIR / "unix.socket"))
# A second Incus beside the machine's own (INCUS_DIR says where) keeps all that is its own in its folder.
OWN_PLACE = INCUS_DIR != USUAL_DIR
RUN = INCUS_DIR / "undercast" if OWN_PLACE else Path("/run/undercast/incus")
LOGS = RUN if OWN_PLACE else Path("/var/log/undercast")
SUPERVISOR_PID = RUN / "supervisor.pid"
UNITS = ("incus.service", "incus.socket", "lxcfs.service")


class _UnixConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(SOCKET))


def responds(timeout_s: float = 2.0) -> bool:
    """Whether an Incus daemon answers on the socket within the limit."""
    connection = _UnixConnection("incus", timeout=timeout_s)
    try:
        connection.request("GET", "/1.0")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def systemd_runs() -> bool:
    """Whether systemd is this machine's init (sd_booted(3))."""
    return Path("/run/systemd/system").is_dir()


def supervised() -> int:
    """The process id of our supervisor, 0 when there is none."""
    try:
        pid = int(SUPERVISOR_PID.read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return 0
    return pid if b"undercast.machines.setup.supervisor" in command else 0


def ensure_running(timeout_s: float = 60.0) -> None:
    """Start the daemon unless it answers already, and see that something restarts it when it dies.

    Raises:
        Unavailable: Incus is not installed, or did not come up within the limit; the message names its log.
    """
    if find_program("incusd") is None:
        raise Unavailable("Incus is not installed. Run `undercast setup` as root to install it.")
    up = responds()
    if systemd_runs() and not OWN_PLACE:
        if up:
            return
        for unit in UNITS:
            if subprocess.run(["systemctl", "cat", unit], capture_output=True, timeout=20).returncode == 0:
                run(["systemctl", "start", unit], timeout_s=timeout_s)
    elif not supervised() and (not up or (RUN / "by-hand").exists()):
        _start_supervisor()
    _wait(responds, timeout_s, f"Incus did not answer within {timeout_s:.0f} s; see {LOGS}/incusd.log")


def stop(timeout_s: float = 90.0) -> None:
    """Shut down the daemon with all machines, where we started it by hand; nothing stays mounted.

    A daemon of systemd's, or one somebody else started, is left alone.
    """
    if not supervised():
        if not (RUN / "by-hand").exists():
            return
        process = _start_supervisor("stop")
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired as error:
            raise MachineError(f"Incus did not stop within {timeout_s:.0f} s") from error
    else:
        os.kill(supervised(), signal.SIGPWR)
        _wait(lambda: not supervised(), timeout_s, "The supervisor of Incus did not stop")
    (RUN / "by-hand").unlink(missing_ok=True)


def _start_supervisor(*words: str) -> subprocess.Popen[bytes]:
    """Detached, with closed input and its own log: it outlives its caller and holds no pipe of theirs."""
    RUN.mkdir(parents=True, exist_ok=True)
    LOGS.mkdir(parents=True, exist_ok=True)
    (RUN / "by-hand").touch()
    with (LOGS / "incus-supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "undercast.machines.setup.supervisor", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            close_fds=True,
        )


def _wait(condition: Callable[[], bool], timeout_s: float, failure: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise MachineError(failure)
        time.sleep(0.05)
