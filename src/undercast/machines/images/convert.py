"""Files of other worlds made into what Incus imports: a description and a root file system."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import sys
import tarfile
from pathlib import Path

from undercast.machines.errors import Unsupported
from undercast.machines.images import layers
from undercast.machines.images.detect import Kind
from undercast.machines.setup.command import run

INITS = ("sbin/init", "usr/sbin/init", "lib/systemd/systemd", "usr/lib/systemd/systemd", "bin/init")
_LIMIT_S = 1800.0


def convert(source: Path, kind: Kind, work: Path) -> Path:
    """The root file system of an image, as a tarball or squashfs (in `work`, unless `source` is one already).

    Raises:
        Unsupported: a tool is missing, or the image cannot run as a machine because it has no init.
    """
    if kind in (Kind.TREE, Kind.SQUASHFS):
        return source
    if kind is Kind.DISK:
        return _from_disk(source, work)
    folder = source
    if source.is_file():
        folder = work / "layout"
        with tarfile.open(source) as archive:
            archive.extractall(folder, filter="data")
    found = layers.oci_layers(folder) if kind is Kind.OCI else layers.docker_layers(folder)
    merged = work / "rootfs.tar"
    layers.merge(found, merged)
    with tarfile.open(merged) as archive:
        names = {name.removeprefix("./") for name in archive.getnames()}
    if not names & set(INITS):
        raise Unsupported(
            "This image holds a program, not a machine: it has no init (systemd or another). An image for "
            "servers needs one, and sshd to log in by."
        )
    return merged


def _from_disk(source: Path, work: Path) -> Path:
    """The root partition of a disk, mounted read-only in a namespace of its own and packed."""
    if shutil.which("qemu-img") is None:
        raise Unsupported(
            "Importing a qcow2 disk needs qemu-img. Install the package qemu-utils and try again."
        )
    raw = work / "disk.raw"
    run(["qemu-img", "convert", "-O", "raw", str(source), str(raw)], timeout_s=_LIMIT_S)
    packed = work / "rootfs.squashfs"
    inside = work / "mounted"
    inside.mkdir()
    namespaces = ["unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--"]
    program = [sys.executable, "-m", "undercast.machines.images.disk", str(raw), str(inside), str(packed)]
    run([*namespaces, *program], timeout_s=_LIMIT_S)
    return packed


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
    with tarfile.open(fileobj=buffer, mode="w:xz") as archive:
        entry = tarfile.TarInfo("metadata.yaml")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return buffer.getvalue()
