"""OCI images and those of `docker save`: where their layers lie.

Reference: https://github.com/opencontainers/image-spec/blob/main/image-layout.md. Nothing an image says of
itself is believed: blobs are what their digests say, and no name leads out of its folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform
import shutil
from pathlib import Path
from typing import IO, Any

from undercast.machines.errors import NoCapacity, NotFound, Unsupported
from undercast.machines.images import archive
from undercast.machines.images.tree import parts

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
_LONGEST_JSON = 4 << 20  # bytes, as registries have it
_MOST_FILES = 10_000
_DIGESTS = ("sha256", "sha512")


def unpack(source: Path, folder: Path, room: int) -> None:
    """Unpack the archive an image is in; its layers stay packed.

    Raises:
        NoCapacity: it holds more than `room` bytes.
        Unsupported: it is damaged, or holds names that lead out of it.
    """
    links: dict[Path, str] = {}
    with archive.opened(source) as entries:
        for number, member in enumerate(entries):
            room -= abs(member.size)
            if room < 0:
                raise NoCapacity("The image unpacks to more than this machine's disk has room for.")
            if number > _MOST_FILES:
                raise _damaged(f"its archive holds more than {_MOST_FILES:,} files")
            path = folder.joinpath(*parts(member.name))
            if member.issym():
                links[path] = member.linkname
            elif content := entries.extractfile(member) if member.isreg() else None:
                _write(path, content)
    # Last, so that nothing is ever written through one; `_inside` sees where they lead.
    for path, target in links.items():
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(target)


def _write(path: Path, content: IO[bytes]) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            shutil.copyfileobj(content, file, 1 << 20)
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _damaged(f"{path.name} is a file and a folder") from error


def oci_layers(image: Path) -> list[Path]:
    """The layers of the OCI image in the folder `image`, the lowest first.

    Raises:
        NotFound: the layout has no image for this machine's architecture, or lacks a layer.
        Unsupported: it is damaged.
    """
    try:
        return [_blob(image, layer) for layer in _manifest(image)["layers"]]
    except (KeyError, TypeError, AttributeError) as error:
        raise _damaged("one of its documents lacks what it must have") from error


def docker_layers(image: Path) -> list[Path]:
    """The layers of an unpacked `docker save`, the lowest first. Raises as `oci_layers` does."""
    try:
        names = [str(name) for name in _json(_inside(image, "manifest.json"))[0]["Layers"]]
    except (KeyError, TypeError, IndexError) as error:
        raise _damaged("its manifest.json names no layers") from error
    return [_inside(image, name) for name in names]


def _manifest(image: Path) -> dict[str, Any]:
    """The manifest for this machine, through nested indexes where there are some."""
    wanted = _MACHINES.get(platform.machine(), platform.machine())
    descriptors = list(_json(_inside(image, "index.json"))["manifests"])
    others: set[str] = set()
    while descriptors:
        descriptor = descriptors.pop(0)
        where = (descriptor.get("platform") or {}).get("architecture", wanted)
        if where != wanted:
            others.add(str(where))
            continue
        document: dict[str, Any] = _json(_blob(image, descriptor))
        if "layers" in document:
            return document
        descriptors = list(document.get("manifests") or ()) + descriptors
    offered = f"; it has one for {', '.join(sorted(others - {'unknown'}))}" if others - {"unknown"} else ""
    raise NotFound(f"The image has no manifest for {wanted}{offered}")


def _blob(image: Path, descriptor: dict[str, Any]) -> Path:
    algorithm, _, digest = str(descriptor["digest"]).partition(":")
    if algorithm not in _DIGESTS or not digest.isalnum():
        raise Unsupported(f"The image names a blob in a way not known here: {descriptor['digest']!r}")
    path = _inside(image, f"blobs/{algorithm}/{digest}")
    with path.open("rb") as file:
        if hashlib.file_digest(file, algorithm).hexdigest() != digest:
            raise _damaged(f"the blob {digest[:12]} is not what its digest says")
    return path


def _inside(image: Path, name: str) -> Path:
    path = (image / name).resolve()
    if not path.is_relative_to(image.resolve()):
        raise Unsupported(f"The image names a file outside of itself: {name!r}")
    if not path.is_file():
        raise NotFound(f"The image is not complete: it lacks {name}")
    return path


def _json(path: Path) -> Any:
    if path.stat().st_size > _LONGEST_JSON:
        raise _damaged(f"{path.name[:20]} should be a short document")
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise _damaged(f"{path.name[:20]} cannot be read ({error})") from error


def _damaged(how: str) -> Unsupported:
    return Unsupported(f"The image is damaged: {how}")
