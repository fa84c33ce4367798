"""`sam2-rt bench --start`: how long a new process takes until its engine is warm."""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Literal, NamedTuple

from rich.console import Console

STARTS = 2
"""The first may have to compile; the next finds that on disk."""

_PROGRAM = """
import json, os, sys
from sam2_rt import host
host.prepare()
from sam2_rt.engine import Engine, EngineConfig
Engine.load(EngineConfig(**json.loads(sys.argv[1])))
print("warm", sum(os.times()[:4]), flush=True)
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


class Started(NamedTuple):
    """One start."""

    wall_s: float
    """From the process's beginning until its engine is warm."""
    processor_s: float
    """Of the process and its own ones until then: less than that where it waits for others."""


def time_starts(start: Start) -> list[Started]:
    """Starts so many processes, one after the other; prints and returns what each took."""
    starts = [_time_start(start) for _ in range(STARTS)]
    console = Console()
    for number, (wall_s, processor_s) in enumerate(starts, start=1):
        console.print(
            f"start {number}: {wall_s:.1f} s until warm, {processor_s:.1f} s of a processor"
        )
    numbers = {
        "start_s": [one.wall_s for one in starts],
        "processor_s": [one.processor_s for one in starts],
    }
    console.print(json.dumps(asdict(start) | numbers), soft_wrap=True)
    return starts


def _time_start(start: Start) -> Started:
    """From the process's beginning to its word."""
    began = time.perf_counter()
    command = (sys.executable, "-c", _PROGRAM, json.dumps(asdict(start)))
    with subprocess.Popen(  # noqa: S603 our own program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            word, _, number = line.partition(" ")
            if word == "warm":
                taken = time.perf_counter() - began
                process.communicate()
                return Started(taken, float(number))
        _, said = process.communicate()
    lines = said.strip().splitlines() or [f"it ended with {process.returncode}"]
    raise StartFailed(lines[-1])
