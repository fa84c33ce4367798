import subprocess
import sys

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
