"""Loop devices: a raw file as a block device. See loop(4) and <linux/loop.h>."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
from pathlib import Path

from undercast.machines.errors import MachineError, Unsupported

_LIMIT_S = 20


def attach(file: Path) -> str:
    """The loop device of `file` ("/dev/loop3"), bound now unless it is already.

    Raises:
        Unsupported: this kernel has no loop devices.
    """
    if bound := device_of(file):
        return bound
    return _losetup("--find", "--show", str(file)).strip()


def device_of(file: Path) -> str | None:
    """The loop device bound to `file`, None when there is none."""
    name = str(file)
    for entry in Path("/sys/block").glob("loop*"):
        with contextlib.suppress(OSError):
            if (entry / "loop" / "backing_file").read_text().strip() == name:
                return f"/dev/{entry.name}"
    return None


def release(file: Path) -> bool:
    """Unbind `file`; False when something still holds the device (the kernel then lets go after it does)."""
    device = device_of(file)
    if device is None:
        return True
    _losetup("--detach", device)
    return device_of(file) is None


def release_below(folder: Path) -> None:
    """Unbind whatever is bound to files in `folder`."""
    for entry in Path("/sys/block").glob("loop*"):
        with contextlib.suppress(OSError):
            file = Path((entry / "loop" / "backing_file").read_text().strip().removesuffix(" (deleted)"))
            if file.is_relative_to(folder):
                _losetup("--detach", f"/dev/{entry.name}")


def resize(file: Path) -> None:
    """Let the loop device of `file`, if it has one, take over the file's new size."""
    if device := device_of(file):
        _losetup("--set-capacity", device)


def number(device: str) -> int:
    """The device number (major and minor) of a device node."""
    return Path(device).stat().st_rdev


def make_node(path: Path, device: str) -> None:
    """A block device node at `path` for the same device, made anew when it stands for another one."""
    wanted = number(device)
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if stat.S_ISBLK(found.st_mode) and found.st_rdev == wanted:
            return
        path.unlink()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFBLK | 0o600, wanted)


def _losetup(*words: str) -> str:
    try:
        done = subprocess.run(
            ["losetup", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_LIMIT_S
        )
    except FileNotFoundError as error:
        raise Unsupported("losetup (package mount) is not installed; run `undercast setup`") from error
    except subprocess.TimeoutExpired as error:
        raise MachineError(f"losetup {words[0]} took longer than {_LIMIT_S} s") from error
    if done.returncode:
        raise MachineError(f"losetup {words[0]}: {done.stderr.strip()}")
    return done.stdout
