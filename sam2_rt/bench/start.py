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

_PROGRAM = """
import json, sys
from sam2_rt import host
host.prepare()
from sam2_rt.engine import Engine, EngineConfig
Engine.load(EngineConfig(**json.loads(sys.argv[1])))
print("warm", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Of an engine."""

    model: str
    image_size: int | None
    threads: int
    dtype: Literal["float32", "bfloat16"]
    compiled_rows: int = 0
    device: str = "cpu"


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
    """From the process's beginning to its word."""
    began = time.perf_counter()
    command = (sys.executable, "-c", _PROGRAM, json.dumps(asdict(start)))
    with subprocess.Popen(  # noqa: S603 our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "warm\n":
                taken = time.perf_counter() - began
                process.communicate()
                return taken
        _, said = process.communicate()
    lines = said.strip().splitlines() or [f"it ended with {process.returncode}"]
    raise StartFailed(lines[-1])
