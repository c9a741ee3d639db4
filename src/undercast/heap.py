"""Gives memory back that large events and answers have used.

The C library keeps what was freed as long as anything above it in its heap is in use: twenty exchanges of
6 MB at a time left up to 220 MiB behind. Fixing M_MMAP_THRESHOLD would avoid that, and makes large exchanges
take twice as long, because every buffer is then new pages. Sources: malloc_trim(3), mallinfo(3).
"""

from __future__ import annotations

import asyncio
import ctypes

EVERY_S = 10.0
_SPARE = 32 << 20  # bytes that may lie free


class _Usage(ctypes.Structure):
    """struct mallinfo2, malloc.h"""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks",
            "keepcost",
        )
    ]  # fmt: skip


class Heap:
    """The C library's heap of this process. Does nothing where that is not glibc 2.33 or newer."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None)
        self._known = hasattr(self._libc, "mallinfo2") and hasattr(self._libc, "malloc_trim")
        self._kept = 0  # bytes that are counted as free although their pages have been given back
        if self._known:
            self._libc.mallinfo2.restype = _Usage

    async def keep_small(self) -> None:
        """Look every now and then, until cancelled."""
        while self._known:
            await asyncio.sleep(EVERY_S)
            await asyncio.to_thread(self.give_back)

    def give_back(self) -> bool:
        """Give free memory back if it has become much; whether it had. Takes milliseconds then."""
        free = self._free()
        self._kept = min(self._kept, free)
        if not self._known or free - self._kept < _SPARE:
            return False
        self._libc.malloc_trim(0)
        self._kept = self._free()
        return True

    def _free(self) -> int:
        return int(self._libc.mallinfo2().fordblks) if self._known else 0
