"""Packing the root partition of a raw disk; run in a mount namespace of its own by `convert.py`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_BLOCK = 512
_MOUNTS = ("ro,noload", "ro,norecovery", "ro")


def main() -> None:
    """`disk RAW FOLDER PACKED`: mount the partition with /etc/os-release at FOLDER, pack it as squashfs."""
    raw, folder, packed = (Path(word) for word in sys.argv[1:4])
    for offset in [*_partitions(raw), 0]:
        if not _mount(raw, offset, folder):
            continue
        if (folder / "etc" / "os-release").is_symlink() or (folder / "etc" / "os-release").exists():
            argv = [
                "mksquashfs",
                str(folder),
                str(packed),
                "-comp",
                "lz4",
                "-noappend",
                "-no-progress",
                "-quiet",
            ]
            subprocess.run(argv, stdin=subprocess.DEVNULL, check=True, timeout=1500)
            return
        subprocess.run(["umount", "-d", str(folder)], stdin=subprocess.DEVNULL, check=True, timeout=60)
    sys.exit("the disk has no partition with a Linux root file system")


def _partitions(raw: Path) -> list[int]:
    """Where partitions begin, in bytes, the largest first."""
    argv = ["partx", "--show", "--noheadings", "--output", "START,SECTORS", str(raw)]
    shown = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    rows = [tuple(int(word) for word in line.split()) for line in shown.stdout.splitlines()]
    return [start * _BLOCK for start, _ in sorted(rows, key=lambda row: -row[1])]


def _mount(raw: Path, offset: int, folder: Path) -> bool:
    for options in _MOUNTS:
        argv = ["mount", "-o", f"loop,{options},offset={offset}", str(raw), str(folder)]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        if done.returncode == 0:
            return True
    return False


if __name__ == "__main__":
    os.umask(0o077)
    main()
