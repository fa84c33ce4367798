"""What torch on a CPU asks of its process, before it is loaded. No torch.

The measurements behind each number are in eval/RESULTS.md.
"""

import ctypes
import math
import os
from collections.abc import Iterator
from pathlib import Path

SPIN_ROUNDS = "3000"
"""How long OpenMP threads spin before they sleep: long spinning stalls on cores that are shared."""

# Parameters of mallopt(3), from glibc's malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_MEBIBYTE = 2**20


def prepare() -> None:
    """Makes torch share its cores and keep its memory. Once, before torch is imported."""
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_ROUNDS)
    cores = num_cores()
    if cores < len(os.sched_getaffinity(0)):  # torch counts those of the machine
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))
    keep_freed_memory()


def num_cores(root: Path = Path("/")) -> int:
    """Cores that the process may keep busy: those it may run on, or what its container may use.

    Threads beyond a container's quota only have all of them stopped sooner. `root` is that of the
    file system.
    """
    return math.ceil(min(len(os.sched_getaffinity(0)), cpu_quota(root)))


def cpu_quota(root: Path = Path("/")) -> float:
    """The smallest limit of the process's control group and those around it, in cores; inf: none.

    Both versions of control groups: cgroups(7) of Linux, and its cpu.max and cpu.cfs_quota_us.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux, or no /proc
        return math.inf
    limits = [limit for line in groups for limit in _limits(root / "sys/fs/cgroup", line)]
    return min(limits, default=math.inf)


def _limits(mounts: Path, line: str) -> Iterator[float]:
    """Of the groups of one line of /proc/self/cgroup, "number:controllers:path", up to the root."""
    _, controllers, path = line.split(":", 2)
    if controllers and "cpu" not in controllers.split(","):
        return
    top = mounts / controllers if controllers else mounts
    inner = top / path.lstrip("/")
    # A container may see its own group as the root, whatever the path says.
    for group in (inner, *inner.parents):
        if group.is_relative_to(top):
            yield _limit(group)


def _limit(group: Path) -> float:
    """Of one group, in cores."""
    try:
        if (group / "cpu.max").exists():
            quota, period = (group / "cpu.max").read_text().split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text().strip()
            period = (group / "cpu.cfs_period_us").read_text().strip()
    except OSError:  # a root has none, and what is not mounted does not limit
        return math.inf
    return math.inf if quota in {"max", "-1"} else int(quota) / int(period)


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
