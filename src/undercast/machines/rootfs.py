"""Writing into a machine's root file system from outside, before it boots.

The tree may have been prepared by a hostile root (an image made from someone's instance): a link such as
`/home/ec2-user/.ssh -> /root/.ssh` must not lead a write out to the host. Every path is therefore resolved by
the kernel with the tree as its root (openat2(2), RESOLVE_IN_ROOT); the last component is always made anew.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from undercast.machines.errors import MachineError
from undercast.machines.spec import MachineFile

_SYS_OPENAT2 = 437  # the same number on every architecture (include/uapi/asm-generic/unistd.h)
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    """struct open_how of <linux/openat2.h>."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def _open_in(root: int, path: str, flags: int) -> int:
    how = _How(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    fd = int(
        _libc.syscall(
            ctypes.c_long(_SYS_OPENAT2),
            ctypes.c_int(root),
            ctypes.c_char_p(os.fsencode(path)),
            ctypes.byref(how),
            ctypes.c_size_t(ctypes.sizeof(how)),
        )
    )
    if fd < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), path)
    return fd


class RootFs:
    """One machine's root file system. Ids given and answered are those seen inside the machine."""

    def __init__(self, path: Path) -> None:
        self._root = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        # 0 where Incus maps ids while mounting, the map's base where it had to change them on disk.
        self._base = os.fstat(self._root).st_uid

    def close(self) -> None:
        """Let go of the tree."""
        os.close(self._root)

    def __enter__(self) -> RootFs:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def write(self, files: Mapping[str, MachineFile]) -> None:
        """Put files in place, replacing what has their names; missing folders are made for the file's owner.

        Raises:
            MachineError: a path leads through something that is no folder.
        """
        for path, file in files.items():
            try:
                self._write_one(PurePosixPath("/" + path.lstrip("/")), file)
            except OSError as error:
                raise MachineError(f"{path} cannot be written into the machine: {error.strerror}") from error

    def _write_one(self, path: PurePosixPath, file: MachineFile) -> None:
        with self._folder(path.parent, file) as folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path.name, dir_fd=folder)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(path.name, flags, 0o600, dir_fd=folder)
            try:
                os.fchown(fd, self._base + file.uid, self._base + file.gid)
                os.fchmod(fd, file.mode)
                written = 0
                while written < len(file.content):
                    written += os.write(fd, file.content[written:])
            finally:
                os.close(fd)

    @contextlib.contextmanager
    def _folder(self, path: PurePosixPath, file: MachineFile) -> Iterator[int]:
        try:
            fd = _open_in(self._root, str(path), os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            with self._folder(path.parent, file) as parent:
                private = path.name.startswith(".")
                os.mkdir(path.name, 0o700 if private else 0o755, dir_fd=parent)
                os.chown(
                    path.name,
                    self._base + file.uid,
                    self._base + file.gid,
                    dir_fd=parent,
                    follow_symlinks=False,
                )
                fd = _open_in(self._root, str(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield fd
        finally:
            os.close(fd)

    def exists(self, path: str) -> bool:
        """Whether there is anything at `path`."""
        try:
            os.close(_open_in(self._root, path, os.O_PATH))
        except OSError:
            return False
        return True

    def read(self, path: str, limit: int = 1 << 20) -> bytes:
        """The beginning of a regular file.

        Raises:
            FileNotFoundError: there is none of that name.
        """
        fd = _open_in(self._root, path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise FileNotFoundError(errno.ENOENT, "no regular file", path)
            return os.read(fd, limit)
        finally:
            os.close(fd)

    def remove(self, folder: str, prefix: str) -> None:
        """Remove the files in `folder` whose names begin with `prefix`."""
        try:
            fd = _open_in(self._root, folder, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return
        try:
            for name in os.listdir(fd):  # noqa: PTH208 (pathlib knows no descriptors)
                if name.startswith(prefix):
                    with contextlib.suppress(IsADirectoryError):
                        os.unlink(name, dir_fd=fd)
        finally:
            os.close(fd)


def is_plain_name(name: str) -> bool:
    """Whether a name may become a file name as it is: letters, digits and dashes, as EC2's ids have."""
    return 0 < len(name) <= 64 and all(sign.isascii() and (sign.isalnum() or sign == "-") for sign in name)
