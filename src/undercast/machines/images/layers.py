"""OCI images: their layers merged into one root file system tarball.

Reference: https://github.com/opencontainers/image-spec/blob/main/layer.md (whiteouts and opaque folders).
Nothing is unpacked: the merged tarball is written from the layers' tarballs, so no name in them leads out.
"""

from __future__ import annotations

import json
import platform
import tarfile
from pathlib import Path
from typing import Any

from undercast.machines.errors import NotFound, Unsupported

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def oci_layers(image: Path) -> list[Path]:
    """The layers of the OCI image in the folder `image`, the lowest first.

    Raises:
        NotFound: the layout has no image for this machine's architecture, or lacks a layer.
    """
    return [_blob(image, layer) for layer in _manifest(image)["layers"]]


def docker_layers(folder: Path) -> list[Path]:
    """The layers of an unpacked `docker save`, the lowest first."""
    layers: list[Path] = []
    for name in json.loads((folder / "manifest.json").read_text())[0]["Layers"]:
        path = (folder / name).resolve()
        if not path.is_relative_to(folder.resolve()):
            raise NotFound(f"The image names a layer outside of itself: {name!r}")
        layers.append(path)
    return layers


def merge(layers: list[Path], target: Path) -> None:
    """Write the root file system that these layers make, the lowest first, as a tarball.

    Raises:
        Unsupported: a layer is compressed in a way Python cannot read (zstd).
    """
    winners = _winners(layers)
    with tarfile.open(target, "w") as merged:
        for index, layer in enumerate(layers):
            with _open(layer) as archive:
                for member in archive:
                    if winners.get(_name(member)) == index:
                        merged.addfile(member, archive.extractfile(member) if member.isreg() else None)


def _winners(layers: list[Path]) -> dict[str, int]:
    """For each path the layer whose entry counts; paths that a later layer hides are left out."""
    found: dict[str, int] = {}
    for index, layer in enumerate(layers):
        entries: list[str] = []
        with _open(layer) as archive:
            for member in archive:
                name = _name(member)
                folder, _, last = name.rpartition("/")
                if last == _OPAQUE:
                    _hide(found, folder, itself=False)
                elif last.startswith(_WHITEOUT):
                    hidden = last.removeprefix(_WHITEOUT)
                    _hide(found, f"{folder}/{hidden}" if folder else hidden, itself=True)
                else:
                    if not member.isdir():
                        _hide(found, name, itself=True)
                    entries.append(name)
        found.update(dict.fromkeys(entries, index))
    return found


def _hide(found: dict[str, int], path: str, *, itself: bool) -> None:
    prefix = path + "/" if path else ""
    for name in [name for name in found if name.startswith(prefix)]:
        del found[name]
    if itself:
        found.pop(path, None)


def _name(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./").strip("/")


def _open(layer: Path) -> tarfile.TarFile:
    try:
        return tarfile.open(layer, "r|*")
    except tarfile.ReadError as error:
        raise Unsupported(
            f"The layer {layer.name[:12]} is compressed in a way that is not known here"
        ) from error


def _manifest(image: Path) -> dict[str, Any]:
    """The manifest for this machine, through nested indexes where there are some."""
    wanted = _MACHINES.get(platform.machine(), platform.machine())
    descriptors = list(json.loads((image / "index.json").read_text())["manifests"])
    while descriptors:
        descriptor = descriptors.pop(0)
        where = descriptor.get("platform", {}).get("architecture", wanted)
        if where != wanted:
            continue
        document: dict[str, Any] = json.loads(_blob(image, descriptor).read_text())
        if "layers" in document:
            return document
        descriptors = list(document.get("manifests", ())) + descriptors
    raise NotFound(f"The image has no manifest for {wanted}")


def _blob(image: Path, descriptor: dict[str, Any]) -> Path:
    algorithm, _, digest = str(descriptor["digest"]).partition(":")
    if not (algorithm.isalnum() and digest.isalnum()):
        raise NotFound(f"The image names a blob in a strange way: {descriptor['digest']!r}")
    path = image / "blobs" / algorithm / digest
    if not path.is_file():
        raise NotFound(f"The image lacks the blob {digest[:12]}")
    return path
