"""What kind of image a file is, by its contents."""

from __future__ import annotations

import tarfile
from enum import StrEnum
from pathlib import Path

from undercast.machines.errors import Unsupported


class Kind(StrEnum):
    """The kinds of image that can be imported."""

    INCUS = "an Incus image (metadata.yaml and rootfs/ in one tarball)"
    TREE = "a root file system tarball"
    SQUASHFS = "a root file system as squashfs"
    OCI = "an OCI image"
    DOCKER = "an image saved by docker or podman"
    DISK = "a qcow2 disk"


def kind(source: Path) -> Kind:
    """The kind of image at `source`.

    Raises:
        Unsupported: it is none of them.
    """
    if source.is_dir():
        if (source / "oci-layout").exists():
            return Kind.OCI
        raise Unsupported(f"{source} is a folder, and not one in the OCI image layout (it has no oci-layout)")
    with source.open("rb") as file:
        magic = file.read(8)
    if magic.startswith(b"QFI\xfb"):
        return Kind.DISK
    if magic.startswith(b"hsqs"):
        return Kind.SQUASHFS
    if magic.startswith(b"\x28\xb5\x2f\xfd"):
        raise Unsupported(f"{source} is compressed with zstd; decompress it first (zstd -d)")
    try:
        return _tar_kind(source)
    except tarfile.TarError as error:
        known = ", ".join(one.value for one in Kind)
        raise Unsupported(f"{source} is none of these: {known}") from error


def _tar_kind(source: Path) -> Kind:
    """Told by the first thousand names: what marks an image stands at its beginning or in the top folder."""
    seen: set[str] = set()
    with tarfile.open(source, "r|*") as archive:
        for member in archive:
            name = member.name.removeprefix("./").strip("/")
            if name == "metadata.yaml":
                return Kind.INCUS
            if name in ("oci-layout", "index.json"):
                return Kind.OCI
            if name == "manifest.json":
                return Kind.DOCKER
            seen.add(name.split("/")[0])
            if {"etc", "usr"} <= seen:
                return Kind.TREE
    if {"etc", "bin"} <= seen or {"etc", "sbin"} <= seen:
        return Kind.TREE
    if "blobs" in seen:
        return Kind.OCI
    raise Unsupported(f"{source} is a tarball, but neither of a root file system nor of an image")
