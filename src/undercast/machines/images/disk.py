"""Printing the root file system of a disk as a tarball.

Run by `convert.py` in a mount namespace of its own, with which what it mounts goes. The file system is not
trusted: it is mounted read-only, by its type, and may not decide what becomes of the kernel on an error.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_BLOCK = 512
_OPTIONS = "ro,nodev,nosuid,noexec"
# Type, where its mark stands, the mark, options of its own (no journal is replayed).
_TYPES = (
    ("ext4", 1024 + 56, b"\x53\xef", "noload,errors=remount-ro"),
    ("xfs", 0, b"XFSB", "norecovery,nouuid"),
    ("btrfs", 0x10040, b"_BHRfS_M", ""),
    ("squashfs", 0, b"hsqs", ""),
    ("erofs", 1024, b"\xe2\xe1\xf5\xe0", ""),
)
_ROOTS = ("", "root", "@", "@rootfs")  # btrfs: the subvolume that is the root
_TAR = (
    *("tar", "--create", "--file=-", "--format=pax", "--numeric-owner", "--xattrs"),
    *("--xattrs-include=security.capability", "--xattrs-include=user.*", "--warning=no-file-ignored"),
)


def main() -> None:
    """`disk FILE FOLDER`: mount the root partition at FOLDER and print what is in it."""
    disk, folder = Path(sys.argv[1]), Path(sys.argv[2])
    problems = []
    for offset, size in (*partitions(disk), (0, 0)):
        kind, options = _type(disk, offset)
        if not kind:
            continue
        where = f"loop,offset={offset}" + (f",sizelimit={size}" if size else "")
        argv = ["mount", "-t", kind, "-o", ",".join(filter(None, (_OPTIONS, where, options)))]
        done = subprocess.run(
            [*argv, str(disk), str(folder)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60
        )
        if done.returncode:
            problems.append(f"its {kind} file system is damaged, or not known to this kernel")
            continue
        for root in (folder / name for name in _ROOTS):
            if os.path.lexists(root / "etc" / "os-release"):
                os.execvp(_TAR[0], [*_TAR, f"--directory={root}", "."])  # noqa: S606 (no shell is meant)
        subprocess.run(["umount", str(folder)], stdin=subprocess.DEVNULL, check=True, timeout=60)
    problem = problems[0] if problems else "it has no partition with a Linux root (LVM and LUKS are not read)"
    sys.exit(problem)


def partitions(disk: Path) -> list[tuple[int, int]]:
    """Where partitions begin and how large they are, in bytes, the largest first."""
    argv = ["partx", "--show", "--noheadings", "--output", "START,SECTORS", str(disk)]
    shown = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    rows = [tuple(int(word) for word in line.split()) for line in shown.stdout.splitlines()]
    return [(start * _BLOCK, size * _BLOCK) for start, size in sorted(rows, key=lambda row: -row[1])]


def is_disk(file: Path) -> bool:
    """Whether a file is a raw disk: with a partition table, or a file system all over it."""
    with file.open("rb") as disk:
        first = disk.read(1024)
    return first[510:512] == b"\x55\xaa" or first[512:520] == b"EFI PART" or bool(_type(file, 0)[0])


def _type(disk: Path, offset: int) -> tuple[str, str]:
    with disk.open("rb") as file:
        for name, where, mark, options in _TYPES:
            file.seek(offset + where)
            if file.read(len(mark)) == mark:
                return name, options
    return "", ""


if __name__ == "__main__":
    main()
