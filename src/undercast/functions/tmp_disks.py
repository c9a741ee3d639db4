"""/tmp of environments: a file system of its own for each, of exactly the configured size.

An ext4 image in an unlinked file, on a loop device that clears itself, mounted without a place in any file
system tree: the descriptor is all there is, so closing it (or dying) takes everything away. A tmpfs would be
simpler but counts as the function's memory. Images are copied from a template made once per size, of which
only some hundred kilobytes are not holes.

Sources: loop(4), linux/loop.h, fsopen(2), mke2fs(8).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from undercast.functions.inside import kernel

_GET_FREE, _CONFIGURE = 0x4C82, 0x4C0A
_AUTOCLEAR = 4
_ATTRIBUTES = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV | kernel.MOUNT_ATTR_NOATIME
_MKFS_TIMEOUT_S = 60
_TRIES = 64


class DisksUnavailable(Exception):
    """This machine offers no loop devices or no ext4; the text says which."""


def _loop(backing: int) -> int:
    """A loop device over an open file, as a descriptor; it frees itself when nobody uses it."""
    control = os.open("/dev/loop-control", os.O_RDWR | os.O_CLOEXEC)
    try:
        for _ in range(_TRIES):
            number = fcntl.ioctl(control, _GET_FREE)
            device = os.open(f"/dev/loop{number}", os.O_RDWR | os.O_CLOEXEC)
            # struct loop_config: fd, block_size, struct loop_info64 (lo_flags after 52 bytes), reserved
            information = struct.pack("=52xI", _AUTOCLEAR).ljust(232, b"\0")
            try:
                fcntl.ioctl(device, _CONFIGURE, struct.pack("=II", backing, 4096) + information + bytes(64))
            except OSError as error:
                os.close(device)
                if error.errno != errno.EBUSY:  # another process took the same number
                    raise
                continue
            return device
        raise DisksUnavailable("no free loop device could be had")
    finally:
        os.close(control)


def _mount(image: int) -> int:
    device = _loop(image)
    try:
        name = os.readlink(f"/proc/self/fd/{device}")
        return kernel.new_mount("ext4", [("source", name), ("nombcache", None)], _ATTRIBUTES)
    finally:
        os.close(device)


class TmpDisks:
    """Makes /tmp file systems. Blocking: called from a worker thread."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._templates: dict[int, list[tuple[int, bytes]]] = {}
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def prepare(self, megabytes: int) -> list[tuple[int, bytes]]:
        """Makes the template for a size unless it is there. Raises OSError, DisksUnavailable."""
        template = self._templates.get(megabytes)
        if template is None:
            template = self._templates[megabytes] = self._make_template(megabytes)
        return template

    def new(self, megabytes: int) -> int:
        """A detached mount as a descriptor. Raises OSError, DisksUnavailable."""
        template = self.prepare(megabytes)
        image = os.open(self._directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(image, megabytes << 20)
            for offset, data in template:
                os.pwrite(image, data, offset)
            return _mount(image)
        finally:
            os.close(image)

    def _make_template(self, megabytes: int) -> list[tuple[int, bytes]]:
        """What of a fresh file system is not empty: (offset, bytes)."""
        program = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin:/bin")
        if program is None:
            raise DisksUnavailable("mkfs.ext4 is not installed (Debian package e2fsprogs)")
        with tempfile.NamedTemporaryFile(dir=self._directory, prefix="template-") as file:
            os.ftruncate(file.fileno(), megabytes << 20)
            subprocess.run(
                [
                    program, "-q", "-F", "-b", "4096", "-m", "0", "-I", "256",
                    "-N", str(max(2048, megabytes * 32)),
                    "-O", "^has_journal,^resize_inode,^orphan_file,uninit_bg",
                    "-E", "lazy_itable_init=1,nodiscard", file.name,
                ],
                check=True, capture_output=True, timeout=_MKFS_TIMEOUT_S, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            mount = _mount(file.fileno())
            try:
                os.rmdir("lost+found", dir_fd=mount)
                os.chmod(".", 0o1777, dir_fd=mount)
            finally:
                os.close(mount)
            os.sync()
            return _extents(file.fileno())


def _extents(file: int) -> list[tuple[int, bytes]]:
    """The parts of a file that are neither holes nor zeros (lseek(2), SEEK_DATA)."""
    found: list[tuple[int, bytes]] = []
    size = os.fstat(file).st_size
    offset = 0
    while offset < size:
        try:
            start = os.lseek(file, offset, os.SEEK_DATA)
        except OSError:  # ENXIO: only a hole is left
            break
        offset = os.lseek(file, start, os.SEEK_HOLE)
        for position in range(start, offset, 4096):
            block = os.pread(file, 4096, position)
            if not block.strip(b"\0"):
                continue
            if found and found[-1][0] + len(found[-1][1]) == position:
                found[-1] = (found[-1][0], found[-1][1] + block)
            else:
                found.append((position, block))
    return found
