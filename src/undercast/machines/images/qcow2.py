"""The header of a qcow2 disk, read before qemu-img sees it: what it names would be opened by root.

https://github.com/qemu/qemu/blob/master/docs/interop/qcow2.rst
"""

from __future__ import annotations

import struct
from pathlib import Path

from undercast.machines.errors import Unsupported

MAGIC = b"QFI\xfb"
_HEADER = struct.Struct(
    ">4sIQIIQI"
)  # magic, version, backing file (offset, length), cluster bits, size, cipher
_EXTERNAL_DATA = 1 << 2
_FEATURES = 72  # where a version 3 header has its incompatible features


def virtual_size(source: Path) -> int:
    """How large the disk is, in bytes.

    Raises:
        Unsupported: the file rests on other files, is encrypted or is no qcow2.
    """
    with source.open("rb") as file:
        header = file.read(_FEATURES + 8)
    if len(header) < _FEATURES + 8:
        raise Unsupported(f"{source.name} is damaged or cut short")
    _, version, backing, _, _, size, cipher = _HEADER.unpack_from(header)
    (features,) = struct.unpack_from(">Q", header, _FEATURES) if version >= 3 else (0,)
    if backing or features & _EXTERNAL_DATA:
        raise Unsupported(
            f"{source.name} is only a part of a disk: it rests on another file. Make one of both with "
            "`qemu-img convert -O qcow2` first."
        )
    if cipher:
        raise Unsupported(f"{source.name} is encrypted")
    return int(size)
