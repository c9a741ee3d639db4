"""Unpacking deployment packages that strangers made.

An archive may name paths outside its folder, hide links that lead there, or unfold into terabytes. Nothing
is written before the whole directory of the archive was checked, and what is written is counted.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from undercast.services.lambda_ import errors, limits

_MOST_ENTRIES = 250_000  # an archive of 50 MiB can hold far more empty files than a disk has inodes
_CHUNK = 1024 * 1024
_BAD = "Could not unzip uploaded file. Please check your file, then try to upload again."
# RuntimeError: encrypted, or compressed in a way nobody has; ValueError: names that are no text.
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError)
# What is wrong with this machine rather than with the archive (whose names may be too long, say).
_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_TOO_BIG = f"Unzipped size must be smaller than {limits.UNZIPPED} bytes"


def unpack(archive: bytes, target: Path) -> int:
    """Unpack into the new folder `target`. Gives the unzipped size in bytes.

    Raises AWS's errors, leaving `target` behind half full for the caller to remove.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return _unpack(opened, target)
    except OSError as error:
        if error.errno in _OURS:
            raise
        raise errors.invalid(_BAD) from error
    except _BROKEN as error:
        raise errors.invalid(_BAD) from error


def _unpack(archive: zipfile.ZipFile, target: Path) -> int:
    entries = archive.infolist()
    if not entries:
        raise errors.invalid("Uploaded file must be a non-empty zip")
    if len(entries) > _MOST_ENTRIES:
        raise errors.invalid(_BAD)
    if sum(entry.file_size for entry in entries) >= limits.UNZIPPED:
        raise errors.invalid(_TOO_BIG)
    places = {entry.filename: _place(entry.filename) for entry in entries}
    links: list[tuple[Path, str]] = []
    left = limits.UNZIPPED
    target.mkdir(mode=0o755)
    for entry in entries:
        path = target / places[entry.filename]
        mode = entry.external_attr >> 16
        if entry.is_dir():
            path.mkdir(mode=0o755, parents=True, exist_ok=True)
            continue
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if stat.S_ISLNK(mode):
            links.append((path, archive.read(entry).decode()))
            continue
        left -= _write(archive, entry, path, _mode(mode), left)
    # Links come last, so that no file is ever written through one. Where they lead is looked up inside the
    # environment only, whose root is its own.
    for path, destination in links:
        path.unlink(missing_ok=True)
        path.symlink_to(destination)
    for folder, _, _ in os.walk(target):
        Path(folder).chmod(0o755)  # the umask had its say; the function is another user
    return limits.UNZIPPED - left


def _place(name: str) -> PurePosixPath:
    """The relative path of an entry. Raises for anything that could leave the folder."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or not path.parts or "\0" in name:
        raise errors.invalid(_BAD)
    return path


def _mode(mode: int) -> int:
    """Readable by everyone and writable by nobody else: the function runs as another user.

    AWS keeps the executable bits; archives made without Unix modes (or with Python's `writestr`, which
    says 0600) work there too.
    """
    return 0o755 if mode & 0o111 else 0o644


def _write(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, mode: int, left: int) -> int:
    written = 0
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with archive.open(entry) as source, os.fdopen(os.open(path, flags, mode), "wb") as sink:
        os.fchmod(sink.fileno(), mode)  # the umask had its say
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > left:  # the directory lied about the size
                raise errors.invalid(_TOO_BIG)
            sink.write(chunk)
    return written


def remove(folder: Path) -> None:
    """Delete an unpacked archive; one that is gone already is fine."""
    shutil.rmtree(folder, ignore_errors=True)


def check_zipped(archive: bytes) -> None:
    """Raise AWS's error for an archive that is too large, or empty."""
    if len(archive) >= limits.ZIPPED:
        raise errors.entity_too_large(f"Zipped size must be smaller than {limits.ZIPPED} bytes")
    if not archive:
        raise errors.invalid("Uploaded file must be a non-empty zip")
