"""Files of other worlds made into what Incus imports: a description and a root file system."""

from __future__ import annotations

import functools
import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from undercast.machines.errors import MachineError, NoCapacity, Unsupported
from undercast.machines.images import archive, contents, layers, pack, qcow2
from undercast.machines.images.detect import Kind
from undercast.machines.setup.command import run

_LIMIT_S = 1800.0
_ONLY_LEAKS = 3  # qemu-img(1): clusters that nobody uses, which does no harm
_NAMESPACES = ("unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--")


@dataclass(frozen=True, slots=True)
class Converted:
    """A root file system as squashfs, and what is in it."""

    rootfs: Path
    contents: contents.Contents
    unpacked_bytes: int


def convert(source: Path, kind: Kind, work: Path) -> Converted:
    """The root file system of an image, packed anew in `work`.

    Whatever it comes from, all of it is read (so what is damaged is found now, not at the first launch), and
    only plain files, folders and links whose names stay inside are taken over.

    Raises:
        Unsupported: it is damaged, a tool is missing, or it cannot run as a machine here.
        NoCapacity: it is larger than half of what is free on this machine's disk.
    """
    # Half: what is made of it has to fit as well.
    room = shutil.disk_usage(work).free // 2
    found = _layers(source, kind, work, room)
    tree = pack.survey(
        found,
        room,
        below="rootfs" if kind is Kind.INCUS else "",
        whiteouts=kind in (Kind.OCI, Kind.DOCKER),
    )
    known = contents.look(tree)
    rootfs = work / "rootfs.squashfs"
    size = pack.pack(tree, found, rootfs)
    return Converted(rootfs, known, size)


def _layers(source: Path, kind: Kind, work: Path, room: int) -> list[pack.Layer]:
    match kind:
        case Kind.TREE | Kind.INCUS:
            return [functools.partial(archive.opened, source)]
        case Kind.DISK:
            return [_disk(source, source.name, work)]
        case Kind.QCOW2:
            return [_disk(_raw(source, work, room), source.name, work)]
    folder = source
    if source.is_file():
        folder = work / "layout"
        folder.mkdir()
        layers.unpack(source, folder, room)
    paths = layers.oci_layers(folder) if kind is Kind.OCI else layers.docker_layers(folder)
    return [functools.partial(archive.opened, path) for path in paths]


def _disk(disk: Path, name: str, work: Path) -> pack.Layer:
    """The root partition, mounted read-only in a namespace of its own, which ends with the program."""
    folder = work / "mounted"
    folder.mkdir()
    program = [sys.executable, "-m", "undercast.machines.images.disk", str(disk.absolute()), str(folder)]
    return functools.partial(archive.printed, [*_NAMESPACES, *program], name)


def _raw(source: Path, work: Path, room: int) -> Path:
    if qcow2.virtual_size(source) > room:
        raise NoCapacity("The disk is larger than what this machine's disk has room for.")
    if shutil.which("qemu-img") is None:
        raise Unsupported(
            "Importing a qcow2 disk needs qemu-img. Install the package qemu-utils and try again."
        )
    raw = work / "disk.raw"
    file = str(source.absolute())
    try:
        # What has been cut off would be converted to zeros.
        run(["qemu-img", "check", "-q", "-f", "qcow2", file], timeout_s=_LIMIT_S, allowed=(_ONLY_LEAKS,))
        run(["qemu-img", "convert", "-f", "qcow2", "-O", "raw", file, str(raw)], timeout_s=_LIMIT_S)
    except MachineError as error:
        reason = str(error).splitlines()[-1].strip().removeprefix("qemu-img: ")
        if reason.startswith("ERROR"):  # of thousands
            raise Unsupported(f"{source.name} is damaged or cut short") from error
        raise Unsupported(f"{source.name} cannot be read: {reason}") from error
    return raw


def digest(source: Path) -> str:
    """The SHA-256 of a file, or of all files of a folder."""
    files = [source] if source.is_file() else sorted(path for path in source.rglob("*") if path.is_file())
    total = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()


def metadata(description: str, ami: str, *, created: int, **properties: str) -> bytes:
    """Incus's description of an image: a tarball of metadata.yaml, without templates (we write those files).

    The same arguments give the same bytes, and so the same fingerprint.
    """
    architecture = properties.pop("architecture", platform.machine())
    facts = {
        "architecture": architecture,
        "creation_date": created,
        "properties": {
            "description": description,
            "architecture": architecture,
            "undercast.ami": ami,
            **{key.replace("_", "."): value for key, value in properties.items()},
        },
    }
    text = json.dumps(facts, sort_keys=True).encode()
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz") as made:
        entry = tarfile.TarInfo("metadata.yaml")
        entry.size = len(text)
        made.addfile(entry, io.BytesIO(text))
    return buffer.getvalue()
