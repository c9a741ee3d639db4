"""What kind of image a file is, by its contents."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from undercast.machines.errors import Unsupported
from undercast.machines.images import archive, disk, qcow2

_OTHER_DISKS = {b"KDMV": "VMDK", b"# Di": "VMDK", b"vhdx": "VHDX", b"cone": "VHD", b"<<< ": "VDI"}
_DISK_NAMES = (".raw", ".img", ".qcow2", ".vmdk", ".vhd", ".vhdx")


class Kind(StrEnum):
    """The kinds of image that can be imported."""

    INCUS = "an Incus image (metadata.yaml and rootfs/ in one tarball)"
    TREE = "a root file system tarball"
    OCI = "an OCI image"
    DOCKER = "an image saved by docker or podman"
    QCOW2 = "a qcow2 disk"
    DISK = "a raw disk or a squashfs"


def kind(source: Path) -> Kind:
    """The kind of image at `source`.

    Raises:
        Unsupported: it is none of them, or so damaged that it cannot be told.
    """
    if source.is_dir():
        if (source / "oci-layout").exists():
            return Kind.OCI
        raise Unsupported(f"{source} is a folder, and not one in the OCI image layout (it has no oci-layout)")
    if not source.is_file():
        raise Unsupported(f"{source} is neither a file nor a folder")
    with source.open("rb") as file:
        magic = file.read(6)
    if magic.startswith(qcow2.MAGIC):
        return Kind.QCOW2
    if other := _OTHER_DISKS.get(magic[:4]):
        raise Unsupported(
            f"{source} is a {other} disk. `qemu-img convert -O qcow2` makes one of it that can be imported."
        )
    if disk.is_disk(source):
        return Kind.DISK
    if not archive.is_tar(archive.beginning(source)):
        raise Unsupported(f"{source} is none of these: {', '.join(one.value for one in Kind)}")
    return _tar_kind(source)


def _tar_kind(source: Path) -> Kind:
    """Told by the first names, mostly: what marks an image stands at its beginning or in the top folder."""
    seen: set[str] = set()
    with archive.opened(source, whole=False) as entries:
        for member in entries:
            name = member.name.removeprefix("./").strip("/")
            if name == "metadata.yaml":
                return Kind.INCUS
            if name in ("oci-layout", "index.json"):
                return Kind.OCI
            if name == "manifest.json":
                return Kind.DOCKER
            if name.endswith(_DISK_NAMES) and not seen:
                raise Unsupported(f"{source} is an archive of a disk: unpack it, and import {name}")
            seen.add(name.split("/")[0])
            if {"etc", "usr"} <= seen:
                return Kind.TREE
    if {"etc", "bin"} <= seen or {"etc", "sbin"} <= seen:
        return Kind.TREE
    if "blobs" in seen:
        return Kind.OCI
    raise Unsupported(f"{source} is a tarball, but neither of a root file system nor of an image")
