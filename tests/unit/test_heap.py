"""The C library's heap."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

from undercast.heap import Heap


def resident() -> int:
    """Bytes (proc(5), statm)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def test_what_was_freed_is_given_back_once() -> None:
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        pytest.skip("not glibc")
    libc.malloc.restype = ctypes.c_void_p
    libc.malloc.argtypes = (ctypes.c_size_t,)
    libc.free.argtypes = (ctypes.c_void_p,)
    heap = Heap()
    heap.give_back()
    size = 64 << 10  # below what the library takes from the system by itself
    blocks = [libc.malloc(size) for _ in range(1600)]
    for block in blocks:
        ctypes.memset(block, 1, size)
    for block in blocks[:-1]:  # the last one lies on top
        libc.free(block)
    before = resident()
    assert heap.give_back()
    assert resident() < before - (64 << 20)
    assert not heap.give_back(), "its pages are gone, although the library counts it as free"
    libc.free(blocks[-1])
