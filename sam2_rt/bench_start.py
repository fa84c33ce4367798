"""`sam2-rt bench --start`: how long a new process takes until its engine is warm."""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console

STARTS = 2
"""The first may have to compile; the next finds that on disk."""
MAX_START_S = 3600.0

_PROGRAM = """
import json, sys
from sam2_rt import host
host.prepare()
from sam2_rt.engine import Engine, EngineConfig
Engine.load(EngineConfig(device="cpu", **json.loads(sys.argv[1])))
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Of an engine on a CPU."""

    model: str
    image_size: int | None
    threads: int
    dtype: Literal["float32", "bfloat16"]
    compiled_rows: int


class StartFailed(RuntimeError):
    """The engine did not start; the message is its own last line."""


def time_starts(start: Start) -> list[float]:
    """Starts so many processes, one after the other; prints and returns the seconds of each."""
    seconds = [_time_start(start) for _ in range(STARTS)]
    console = Console()
    for number, taken in enumerate(seconds, start=1):
        console.print(f"start {number}: {taken:.1f} s until warm")
    console.print(json.dumps(asdict(start) | {"start_s": seconds}), soft_wrap=True)
    return seconds


def _time_start(start: Start) -> float:
    began = time.perf_counter()
    command = (sys.executable, "-c", _PROGRAM, json.dumps(asdict(start)))
    done = subprocess.run(  # noqa: S603 our own program
        command, capture_output=True, text=True, check=False, timeout=MAX_START_S
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"]
        raise StartFailed(lines[-1])
    return time.perf_counter() - began
