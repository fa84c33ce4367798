"""What torch on a CPU asks of its process, before it is loaded. No torch.

The measurements behind each number are in eval/RESULTS.md.
"""

import ctypes
import os

SPIN_ROUNDS = "3000"
"""How long OpenMP threads spin before they sleep: long spinning stalls on cores that are shared."""

# Parameters of mallopt(3), from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_MEBIBYTE = 2**20


def prepare() -> None:
    """Makes torch share its cores and keep its memory. Once, before torch is imported."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_ROUNDS)
    keep_freed_memory()


def keep_freed_memory() -> bool:
    """Stops glibc from giving memory back that the next frame asks for again.

    Otherwise each large tensor is mapped anew and cleared page by page by the kernel. The process
    stays at its peak size. False where there is no glibc, and nothing is changed.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    settings = (
        (_MMAP_MAX, 0),  # large blocks come from the heap too
        (_ARENA_MAX, 1),  # one heap: what one thread frees another finds
        (_TRIM_THRESHOLD, 1024 * _MEBIBYTE),
        (_TOP_PAD, 64 * _MEBIBYTE),
    )
    return all(mallopt(name, value) == 1 for name, value in settings)
