"""Builds the root that all environments of a runtime share, then becomes the runtime's zygote.

Started by the server's interpreter with the number of a descriptor that holds the plan as JSON
(`base_root.py` writes it). Everything happens in namespaces of this process's own: no mount
made here is ever seen by the host, and all of it is gone when the last environment is.
"""

from __future__ import annotations

import json
import os
import stat
import sys

from . import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}


def _devices(root: str) -> None:
    """The few devices programs need, and the usual links into /proc."""
    directory = os.path.join(root, "dev")
    os.mkdir(directory, 0o755)
    for name, (major, minor) in _DEVICES.items():
        path = os.path.join(directory, name)
        try:
            os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        except PermissionError:  # a container that forbids device nodes: show the host's
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o666))
            kernel.mount("/dev/" + name, path, None, kernel.MS_BIND)
        os.chmod(path, 0o666)
    for name, target in (("fd", "fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink("/proc/self/" + target, os.path.join(directory, name))


def _bind(source: str, target: str) -> None:
    """Shows a directory or file of the host, read-only, without devices or set-user-ID programs."""
    kernel.mount(source, target, None, kernel.MS_BIND)
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID | kernel.MS_NODEV
    kernel.mount(None, target, None, flags)


def build(root: str, plan: dict[str, Any]) -> None:
    """Fills the directory `root` as the plan says and makes it this process's root, read-only."""
    kernel.unshare(kernel.CLONE_NEWNS | kernel.CLONE_NEWIPC | kernel.CLONE_NEWUTS | kernel.CLONE_NEWNET)
    kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("undercast", root, "tmpfs", kernel.MS_NOSUID, "mode=0755,size=16m")
    os.umask(0o022)
    for path in plan["directories"]:
        os.makedirs(root + path, 0o755, exist_ok=True)
    os.makedirs(root + "/var/hidden/proc")
    os.chmod(root + "/var/hidden", 0o700)
    for path, text in plan["files"].items():
        os.makedirs(os.path.dirname(root + path), 0o755, exist_ok=True)
        with open(root + path, "w", encoding="utf-8") as file:
            file.write(text)
    for path, target in plan["links"].items():
        os.makedirs(os.path.dirname(root + path), 0o755, exist_ok=True)
        os.symlink(target, root + path)
    _devices(root)
    for target, source in plan["binds"].items():
        if os.path.isdir(source):
            os.makedirs(root + target, 0o755, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(root + target), 0o755, exist_ok=True)
            os.close(os.open(root + target, os.O_CREAT | os.O_WRONLY, 0o644))
        _bind(source, root + target)
    kernel.mount(
        None, root, None, kernel.MS_REMOUNT | kernel.MS_RDONLY | kernel.MS_NOSUID, "mode=0755,size=16m"
    )
    os.chdir(root)
    kernel.pivot_root(".", ".")  # pivot_root(2), NOTES: stacks the old root below, without a directory for it
    kernel.umount(".")
    os.chdir("/")


def main() -> None:
    with os.fdopen(int(sys.argv[2]), "rb") as file:
        plan = json.load(file)
    own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY)
    os.set_inheritable(own_pids, True)
    build(plan["root"], plan)
    os.execve(plan["argv"][0], [*plan["argv"], str(own_pids)], plan["env"])
