"""From tarballs to the squashfs that Incus imports, in two readings: first the names, then the contents."""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO

from undercast.machines.errors import MachineError, NoCapacity
from undercast.machines.images.tree import Node, Tree, parts

# Each call opens the same tarball again, at its beginning.
Layer = Callable[[], AbstractContextManager[tarfile.TarFile]]

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_KEPT = ("SCHILY.xattr.security.capability", "SCHILY.xattr.user.")
_PLAIN = (tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.FIFOTYPE)
_TEXT = 1 << 16
_START = 20  # bytes: as much of an ELF header as says the machine
_LATEST = (1 << 32) - 1


def survey(layers: Sequence[Layer], room: int, *, below: str = "", whiteouts: bool = False) -> Tree:
    """The tree these layers make, the lowest first. With `below`, that folder of theirs is its root.

    Devices are left out: a machine gets its own, and no others.

    Raises:
        NoCapacity: it unpacks to more than `room` bytes.
        Unsupported: a layer is damaged, or holds names that lead out of the tree.
    """
    tree = Tree()
    for index, layer in enumerate(layers):
        with layer() as archive:
            for number, member in enumerate(archive):
                if member.isreg():
                    room -= abs(member.size)
                if room < 0:
                    raise NoCapacity("The image unpacks to more than this machine's disk has room for.")
                if path := _path(member.name, below):
                    if whiteouts and path[-1].startswith(_WHITEOUT):
                        _white_out(tree, path, index)
                    else:
                        _take(tree, path, member, archive, (index, number), below)
    return tree


def pack(tree: Tree, layers: Sequence[Layer], target: Path) -> int:
    """Write the tree as squashfs. Returns how large it is unpacked.

    Raises:
        MachineError: it holds what a squashfs cannot.
    """
    size = 0
    argv = [
        *("sqfstar", "-comp", "lz4", "-mkfs-time", "0", "-exit-on-error", "-quiet", "-no-progress"),
        *("-root-mode", "0755", "-root-uid", "0", "-root-gid", "0", "-root-time", "0", str(target)),
    ]
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=said, stderr=said)
        assert process.stdin is not None
        try:
            with process.stdin as stream:
                size = _write(tree, layers, stream)
            status = process.wait(600)
        except BrokenPipeError:
            status = process.wait(60)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        if status:
            said.seek(0)
            words = said.read().decode(errors="replace")[-500:].strip()
            raise MachineError(f"The image could not be packed: {words or f'sqfstar ended with {status}'}")
    return size


def _path(name: str, below: str) -> list[str]:
    path = parts(name)
    if not below:
        return path
    return path[1:] if path[:1] == [below] else []


def _white_out(tree: Tree, path: list[str], layer: int) -> None:
    if path[-1] == _OPAQUE:
        tree.clear(path[:-1], layer)
    elif hidden := path[-1].removeprefix(_WHITEOUT):
        tree.hide([*path[:-1], hidden], layer)


def _take(
    tree: Tree,
    path: list[str],
    member: tarfile.TarInfo,
    archive: tarfile.TarFile,
    entry: tuple[int, int],
    below: str,
) -> None:
    if member.islnk():
        tree.link(path, _path(member.linkname, below), entry)
    elif member.isdir():
        tree.put(path, Node(entry, {}, header=member))
    elif member.issym():
        tree.put(path, Node(entry, target=member.linkname))
    elif member.isreg():
        tree.put(path, Node(entry, start=_start(path, member, archive)))
    elif member.isfifo():
        tree.put(path, Node(entry))
    elif member.isdev():
        tree.put(path, Node(entry, device=True))


def _start(path: list[str], member: tarfile.TarInfo, archive: tarfile.TarFile) -> bytes:
    text = path[-1] == "os-release" and member.size <= _TEXT
    if not text and not member.mode & 0o111:
        return b""
    file = archive.extractfile(member)
    return file.read(_TEXT if text else _START) if file else b""


def _write(tree: Tree, layers: Sequence[Layer], stream: IO[bytes]) -> int:
    size = 0
    names: dict[tuple[int, int], list[str]] = {}
    with tarfile.open(fileobj=stream, mode="w|", encoding="utf-8", errors="surrogateescape") as made:
        for path, node in tree.items():
            if node.children is not None:
                _add(made, _header(path, node.header or _folder()))
            elif not node.device:
                names.setdefault(node.entry, []).append(path)
        for index, layer in enumerate(layers):
            with layer() as archive:
                for number, member in enumerate(archive):
                    if found := names.get((index, number)):
                        _write_one(made, archive, member, found)
                        size += member.size
    return size


def _write_one(
    made: tarfile.TarFile, archive: tarfile.TarFile, member: tarfile.TarInfo, names: list[str]
) -> None:
    _add(made, _header(names[0], member), archive.extractfile(member) if member.isreg() else None)
    for name in names[1:]:
        link = _header(name, member)
        link.type, link.linkname, link.size, link.pax_headers = tarfile.LNKTYPE, names[0], 0, {}
        _add(made, link)


def _add(made: tarfile.TarFile, header: tarfile.TarInfo, content: IO[bytes] | None = None) -> None:
    # PAX only where it is needed: sqfstar 4.5 takes the slash off a link's target in such a header.
    made.format = tarfile.PAX_FORMAT if header.pax_headers else tarfile.GNU_FORMAT
    made.addfile(header, content)


def _header(path: str, member: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry's header reduced to what a machine's file has; ids are numbers."""
    header = tarfile.TarInfo(path)
    header.type = member.type if member.type in _PLAIN else tarfile.REGTYPE
    header.size = member.size if header.type == tarfile.REGTYPE else 0
    header.mode = member.mode & 0o7777
    header.uid, header.gid = member.uid, member.gid
    header.mtime = int(member.mtime) if 0 <= member.mtime <= _LATEST else 0
    header.linkname = member.linkname if member.issym() else ""
    header.pax_headers = {key: text for key, text in member.pax_headers.items() if key.startswith(_KEPT)}
    return header


def _folder() -> tarfile.TarInfo:
    folder = tarfile.TarInfo()
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    return folder
