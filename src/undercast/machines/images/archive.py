"""Tarballs read strictly: one that is damaged or cut short is refused, not taken for a short one.

Python's own reader takes a broken header for the end, and does not look at the checksum of a gzip file.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import lzma
import os
import shutil
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from undercast.machines.errors import Unsupported
from undercast.machines.setup.command import LOCALE

GZIP, BZIP2, XZ, ZSTD = b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd"
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
_END_S = 30.0
_BLOCK = 1 << 20
_LARGEST = 1 << 38  # bytes of one file: skipping what is not there takes time as well


@contextlib.contextmanager
def opened(source: Path, *, whole: bool = True) -> Iterator[tarfile.TarFile]:
    """A tarball (plain, gzip, bzip2, xz or zstd) to be read once, from the front.

    With `whole` its end is looked at as well, so that the checksum over all of it has been verified.

    Raises:
        Unsupported: it is damaged or cut short, or no tarball at all.
    """
    with _sound(source.name), _plain(source, whole) as stream:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK, tarinfo=_Header) as archive:
            yield archive
        while whole and stream.read(_BLOCK):
            pass


@contextlib.contextmanager
def printed(argv: Sequence[str], name: str) -> Iterator[tarfile.TarFile]:
    """The tarball a program prints about the file `name`.

    Raises:
        Unsupported: it failed; the message is the first the program said.
    """
    with _sound(name), _output(argv, name, whole=True) as stream:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=_BLOCK, tarinfo=_Header) as archive:
            yield archive
        while stream.read(_BLOCK):
            pass


def beginning(source: Path) -> bytes:
    """The first 512 bytes of a file, decompressed if need be. Raises Unsupported where that fails."""
    with _sound(source.name), _plain(source, whole=False) as stream:
        return stream.read(tarfile.BLOCKSIZE)


def is_tar(start: bytes) -> bool:
    """Whether this is how a tarball begins."""
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


@contextlib.contextmanager
def _plain(source: Path, whole: bool) -> Iterator[IO[bytes]]:
    with source.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(ZSTD):
        if shutil.which("zstd") is None:
            raise Unsupported(
                f"{source.name} is compressed with zstd. Install the package zstd and try again."
            )
        argv = ["zstd", "--decompress", "--stdout", "--quiet", "--", str(source)]
        with _output(argv, source.name, whole) as stream:
            yield stream
    elif magic.startswith(GZIP):
        with gzip.open(source) as unzipped:
            yield cast(IO[bytes], unzipped)
    elif magic.startswith(XZ):
        with lzma.open(source) as unzipped_xz:
            yield unzipped_xz
    elif magic.startswith(BZIP2):
        with bz2.open(source) as unzipped_bz2:
            yield unzipped_bz2
    else:
        with source.open("rb") as file:
            yield file


@contextlib.contextmanager
def _output(argv: Sequence[str], name: str, whole: bool) -> Iterator[IO[bytes]]:
    """What a program prints. It ends with the block; with `whole` it must have succeeded."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **LOCALE},
        )
        assert process.stdout is not None

        def words() -> str:
            complaints.seek(0)
            lines = complaints.read(1 << 16).decode(errors="replace").strip().splitlines() or [""]
            # Of many complaints the first is the cause; of Python's own the last.
            said = lines[-1] if lines[0].startswith("Traceback") else lines[0]
            return f"{name} cannot be read: {said[:300]}" if said else ""

        try:
            with process.stdout as stream:
                yield stream
            if process.wait(_END_S) and whole:
                raise Unsupported(words() or f"{name} cannot be read: {argv[0]} failed")
        except _DAMAGE as error:
            # The output ended too early; why, the program says itself.
            process.wait(_END_S)
            if said := words():
                raise Unsupported(said) from error
            raise
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


@contextlib.contextmanager
def _sound(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGE as error:
        raise Unsupported(f"{name} is damaged or cut short ({error})") from error
    except OSError as error:
        if error.errno is not None:  # the machine's, not the file's
            raise
        raise Unsupported(f"{name} is damaged or cut short ({error})") from error


class _Header(tarfile.TarInfo):
    """Headers, of which a broken one is an error wherever it stands."""

    @classmethod
    def fromtarfile(cls, tarfile: tarfile.TarFile) -> _Header:
        try:
            header = super().fromtarfile(tarfile)
            if 0 <= header.size <= _LARGEST:
                return header
            raise _ReadError(f"a file of {header.size} bytes")
        except _HeaderError as error:
            if type(error).__name__ == "EOFHeaderError":
                raise
            raise _ReadError(str(error)) from error


_HeaderError, _ReadError = tarfile.HeaderError, tarfile.ReadError
