"""What a function brings, as mounts that have no place yet: its code and its layers.

Detached mounts (open_tree(2)) are descriptors. They are handed to the environment, which attaches them in its
own mount namespace; it needs no name for where they came from and sees nothing else of that place.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from undercast.functions.inside import kernel
from undercast.functions.spec import SandboxSpec

_READ_ONLY = kernel.MOUNT_ATTR_RDONLY | kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NODEV


def function_mounts(spec: SandboxSpec) -> dict[str, int]:
    """The function's code and layers, read-only, as detached mounts. Raises OSError."""
    found = {"code": _read_only(spec.code)}
    try:
        if len(spec.layers) == 1:
            found["layers"] = _read_only(spec.layers[0])
        elif spec.layers:
            found["layers"] = _merged(spec.layers)
    except BaseException:
        os.close(found["code"])
        raise
    return found


def _merged(layers: Sequence[Path]) -> int:
    """The layers as one directory.

    They are named by descriptors: fsconfig(2) takes 255 bytes, and inside nobody should read where they are.
    """
    descriptors: list[int] = []
    try:
        for layer in reversed(layers):  # overlayfs searches the first directory first; a later layer wins
            descriptors.append(os.open(layer, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
        lower = ":".join(f"/proc/self/fd/{descriptor}" for descriptor in descriptors)
        mount: int = kernel.new_mount("overlay", [("lowerdir", lower)], _READ_ONLY)
        return mount
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _read_only(directory: Path) -> int:
    descriptor: int = kernel.open_tree(directory)
    try:
        kernel.mount_setattr(descriptor, _READ_ONLY)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
