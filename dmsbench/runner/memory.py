"""Keeps freed memory in the process: batches of one size ask for the same blocks again and again."""

from __future__ import annotations

import ctypes
import platform

# glibc's malloc.h
_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_LARGEST_MMAP_THRESHOLD = 32 * 2**20
_NEVER = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tells glibc not to hand freed memory back to the system; True where that could be told.

    Without it every batch's activations are fresh pages that the kernel has to zero: a fifth of the CPU
    time of a small model. Other allocators are left alone. It is for programs, not for libraries: the
    memory at the peak stays with the process.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    told = [
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD),
        libc.mallopt(_M_TRIM_THRESHOLD, _NEVER),
    ]
    return all(told)
