"""What a function brings, as mounts that have no place yet: its code and its layers.

Detached mounts (open_tree(2)) are descriptors. They are handed to the environment, which attaches them in its
own mount namespace; it needs no name for where they came from and sees nothing else of that place.
"""

from __future__ import annotations

import os
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
            # overlayfs searches the first directory first; a later layer wins
            lower = ":".join(
                str(layer).replace("\\", "\\\\").replace(":", "\\:") for layer in reversed(spec.layers)
            )
            found["layers"] = kernel.new_mount("overlay", [("lowerdir", lower)], _READ_ONLY)
    except BaseException:
        os.close(found["code"])
        raise
    return found


def _read_only(directory: Path) -> int:
    descriptor: int = kernel.open_tree(directory)
    try:
        kernel.mount_setattr(descriptor, _READ_ONLY)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
