import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sam2_rt import host

FAULTS = """
import resource, sys
from sam2_rt import host
if sys.argv[1] == "kept":
    assert host.keep_freed_memory()
import numpy as np
def faults(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(2**22)
before = faults()
for _ in range(20):
    np.ones(2**22)  # 32 MiB
print(faults() - before)
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment or None
    ).stdout


def test_memory_that_was_freed_is_not_cleared_again_by_the_kernel():
    given_back, kept = (int(run(FAULTS, how)) for how in ("given back", "kept"))
    assert kept < given_back / 10


SPIN = "import os; from sam2_rt import host; host.prepare(); print(os.environ['GOMP_SPINCOUNT'])"


def test_threads_spin_briefly_unless_the_user_chose():
    assert run(SPIN, PATH="/usr/bin").strip() == "3000"
    assert run(SPIN, PATH="/usr/bin", GOMP_SPINCOUNT="7").strip() == "7"


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


CGROUP = "proc/self/cgroup"
V2 = "sys/fs/cgroup"
V1 = "sys/fs/cgroup/cpu,cpuacct"
TREES = {
    "no control groups": ({}, math.inf),
    "no limit": ({CGROUP: "0::/\n", f"{V2}/cpu.max": "max 100000\n"}, math.inf),
    "a pod that sees itself as the root": (
        {CGROUP: "0::/\n", f"{V2}/cpu.max": "150000 100000\n"},
        1.5,
    ),
    "the tightest of the groups around it": (
        {
            CGROUP: "0::/a/b\n",
            f"{V2}/a/b/cpu.max": "max 100000\n",
            f"{V2}/a/cpu.max": "50000 200000\n",
            f"{V2}/cpu.stat": "",
        },
        0.25,
    ),
    "a path of the machine's that the container does not see": (
        {CGROUP: "0::/kubepods/pod1/abc\n", f"{V2}/cpu.max": "300000 100000\n"},
        3.0,
    ),
    "version 1": (
        {
            CGROUP: "12:memory:/x\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
            f"{V1}/docker/abc/cpu.cfs_quota_us": "250000\n",
            f"{V1}/docker/abc/cpu.cfs_period_us": "100000\n",
            f"{V1}/cpu.cfs_quota_us": "-1\n",
            f"{V1}/cpu.cfs_period_us": "100000\n",
        },
        2.5,
    ),
}


@pytest.mark.parametrize("words", TREES)
def test_the_quota_of_a_container(words: str, tmp_path: Path):
    files, quota = TREES[words]
    assert host.cpu_quota(tree(tmp_path, files)) == quota


@pytest.mark.parametrize(
    ("quota", "cores", "expected"), [(150, 8, 2), (10, 8, 1), (800, 2, 2), (None, 3, 3)]
)
def test_threads_fit_the_quota_and_the_cores(
    quota: int | None, cores: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    limit = "max" if quota is None else str(quota)
    root = tree(tmp_path, {CGROUP: "0::/\n", f"{V2}/cpu.max": f"{limit} 100\n"})
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(cores)))
    assert host.num_cores(root) == expected


def test_torch_is_told_of_a_quota_unless_the_user_chose(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "3000")
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    monkeypatch.setattr(host, "keep_freed_memory", lambda: True)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(4)))
    monkeypatch.setattr(host, "num_cores", lambda: 2)
    host.prepare()
    assert os.environ["OMP_NUM_THREADS"] == "7"
    monkeypatch.delenv("OMP_NUM_THREADS")
    host.prepare()
    assert os.environ["OMP_NUM_THREADS"] == "2"
    monkeypatch.delenv("OMP_NUM_THREADS")
    monkeypatch.setattr(host, "num_cores", lambda: 4)
    host.prepare()
    assert "OMP_NUM_THREADS" not in os.environ
