"""What a machine sees of disks: its own, under the names EC2 gives them, and none of the host's.

/sys/block, /sys/dev/block and /proc/partitions of a container are the host's. `lsblk` and `fdisk -l` read
them, so folders of ours are mounted over them when a machine starts: a small tree in the shape of sysfs, kept
up to date from outside while volumes come and go.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

from undercast.machines.places import Places

_SECTOR = 512
_ROOT_NUMBER = os.makedev(202, 0)  # what a Xen guest's first disk has (Documentation/admin-guide/devices.txt)
_ROOT = "xvda"
# What stands for "as large as the pool" where a root disk has no limit.
_UNBOUNDED_GIB = 8


class DiskViews:
    """The views of one server's machines, below /run; a reboot of the host begins anew."""

    def __init__(self, places: Places) -> None:
        self._folder = places.disk_views

    def lxc(self, machine: str) -> list[str]:
        """The mounts, as LXC's configuration has them. Optional: a machine also starts without."""
        folder = self._folder / machine
        targets = {"block": "sys/block", "numbers": "sys/dev/block", "partitions": "proc/partitions"}
        return [
            f"lxc.mount.entry = {folder / name} {target} none bind,ro,optional 0 0"
            for name, target in targets.items()
        ]

    def prepare(self, machine: str, root_gib: int) -> None:
        """Make the view of a machine, with its root disk in it."""
        folder = self._folder / machine
        for name in ("block", "numbers"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "partitions").touch()
        self.add(machine, f"/dev/{_ROOT}", _ROOT_NUMBER, (root_gib or _UNBOUNDED_GIB) << 30)

    def exists(self, machine: str) -> bool:
        """Whether the machine has a view (it has none after a reboot of the host)."""
        return (self._folder / machine / "partitions").exists()

    def add(self, machine: str, device: str, number: int, size: int) -> None:
        """Show a disk: its device inside ("/dev/xvdf"), number and size in bytes. Known ones are updated."""
        if not self.exists(machine):
            return
        folder = self._folder / machine
        disk = folder / "block" / Path(device).name
        (disk / "queue").mkdir(parents=True, exist_ok=True)
        numbers = f"{os.major(number)}:{os.minor(number)}"
        facts = {
            "dev": numbers,
            "size": str(size // _SECTOR),
            "ro": "0",
            "removable": "0",
            "hidden": "0",
            "alignment_offset": "0",
            "range": "1",
            "uevent": f"DEVNAME={disk.name}\nDEVTYPE=disk",
            "queue/rotational": "0",
            "queue/logical_block_size": str(_SECTOR),
            "queue/physical_block_size": str(_SECTOR),
            "queue/minimum_io_size": str(_SECTOR),
            "queue/optimal_io_size": "0",
        }
        for name, value in facts.items():
            (disk / name).write_text(value + "\n")
        link = folder / "numbers" / numbers
        if not link.is_symlink():
            link.symlink_to(f"../../block/{disk.name}")
        self._write_partitions(folder)

    def remove(self, machine: str, device: str) -> None:
        """Hide a disk."""
        if not self.exists(machine):
            return
        folder = self._folder / machine
        disk = folder / "block" / Path(device).name
        with contextlib.suppress(FileNotFoundError):
            (folder / "numbers" / (disk / "dev").read_text().strip()).unlink(missing_ok=True)
        shutil.rmtree(disk, ignore_errors=True)
        self._write_partitions(folder)

    def drop(self, machine: str) -> None:
        """Forget a machine that is gone."""
        shutil.rmtree(self._folder / machine, ignore_errors=True)

    def _write_partitions(self, folder: Path) -> None:
        lines = ["major minor  #blocks  name", ""]
        for disk in sorted((folder / "block").iterdir()):
            major, minor = (disk / "dev").read_text().strip().split(":")
            blocks = int((disk / "size").read_text()) // 2
            lines.append(f"{major:>4} {minor:>8} {blocks:>10} {disk.name}")
        # In place: the file itself is what is mounted.
        (folder / "partitions").write_text("\n".join(lines) + "\n")
