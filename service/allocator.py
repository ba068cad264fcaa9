"""How this process gets its memory from the kernel, and returns it."""

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3
_CHUNKS_BYTES = 8 * 2**20


def keep_chunks() -> None:
    """Have glibc keep the memory of a few chunks of a file for the next ones.

    By default it requests every chunk from the kernel and returns it. A gigabyte that passes
    through then costs half a million page faults, and most of its time.
    """
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallopt"):  # another C library
        return
    for option in (_M_MMAP_THRESHOLD, _M_TRIM_THRESHOLD):
        libc.mallopt(option, _CHUNKS_BYTES)
    libc.mallopt(_M_TOP_PAD, 2**20)


def release_free_memory() -> None:
    """Return unused memory to the kernel, after work that needs much and runs once."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "malloc_trim"):
        libc.malloc_trim(0)
