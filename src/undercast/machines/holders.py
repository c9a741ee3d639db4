"""Who inside a machine holds a block device: its mounts, and the processes with files open on them."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

from undercast.machines.errors import MachineError


def mount_points(pid: int, device: int) -> list[str]:
    """Where the device is mounted in the mount namespace of process `pid`, the innermost mounts first."""
    if not pid:
        return []
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        lines = Path(f"/proc/{pid}/mountinfo").read_text().splitlines()
    except OSError:
        return []
    # proc(5): field 3 is major:minor, field 5 the mount point with blanks written in octal.
    fields = [line.split() for line in lines]
    return [
        words[4].encode().decode("unicode_escape")
        for words in reversed(fields)
        if len(words) > 5 and words[2] == wanted
    ]


def release(pid: int, device: int) -> None:
    """Take the device away from the machine whose init is `pid`: unmount everywhere, end who has files open.

    What had not been written is lost, as with a forced detach on EC2.

    Raises:
        MachineError: a mount could not be taken away.
    """
    for process in _representatives(pid):
        for point in mount_points(process, device):
            _unmount(process, point)
    for process in _members(pid):
        if _holds(process, device):
            os.kill(process, signal.SIGKILL)


def _unmount(pid: int, point: str) -> None:
    argv = ["nsenter", "-t", str(pid), "-a", "--", "umount", "-l", point]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    if done.returncode:
        raise MachineError(f"{point} could not be unmounted: {done.stderr.strip()}")


def _representatives(pid: int) -> list[int]:
    """One process for each mount namespace in the machine."""
    found: dict[str, int] = {}
    for process in _members(pid):
        try:
            found.setdefault(str(Path(f"/proc/{process}/ns/mnt").readlink()), process)
        except OSError:
            continue
    return list(found.values())


def _members(pid: int) -> Iterator[int]:
    """The processes of a machine: those in the user namespace of its init."""
    try:
        own = Path(f"/proc/{pid}/ns/user").readlink()
    except OSError:
        return
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "ns" / "user").readlink() == own:
                yield int(entry.name)
        except OSError:
            continue


def _holds(process: int, device: int) -> bool:
    folder = Path(f"/proc/{process}")
    try:
        links = [folder / "cwd", folder / "root", *(folder / "fd").iterdir()]
    except OSError:
        return False
    for link in links:
        try:
            found = link.stat()
        except OSError:
            continue
        if device in (found.st_dev, found.st_rdev):
            return True
    return False
