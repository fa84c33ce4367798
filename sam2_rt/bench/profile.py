"""`sam2-rt bench --profile`: where the time of a step goes, by torch's operations."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from torch.profiler import ProfilerActivity, profile

from sam2_rt.bench.clip import clip
from sam2_rt.bench.wanted import FULL_BANK
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.tracker import Tracker

STEPS: Final = 3
"""That are profiled, with a full bank."""
SHOWN: Final = 10


class Operation(NamedTuple):
    """One kind of work, without what it calls."""

    name: str
    calls: int
    """A step."""
    ms: float
    """A step: of the GPU where there is one."""
    share: float
    """Of all operations."""


def profile_steps(calls: Calls, clicks: list[tuple[float, float]]) -> list[Operation]:
    """The operations of a step, the largest first; clicks are (x, y) in 0..1 of frame 0."""
    is_cuda = calls.model.no_mem_embed.device.type == "cuda"
    tracker = Tracker(calls)
    prompts = [Prompt(i, points=(Point(*click),)) for i, click in enumerate(clicks, start=1)]
    frames = clip(FULL_BANK + STEPS)
    for frame in frames[:-STEPS]:
        tracker.step(frame, prompts if frame.pts == 0 else ())
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if is_cuda else [])]
    with profile(activities=activities) as profiled:
        for frame in frames[-STEPS:]:
            tracker.step(frame)
        if is_cuda:
            torch.cuda.synchronize()
    attribute = "self_device_time_total" if is_cuda else "self_cpu_time_total"
    microseconds = {one.key: getattr(one, attribute) for one in profiled.key_averages()}
    counts = {one.key: one.count for one in profiled.key_averages()}
    total = sum(microseconds.values())
    return [
        Operation(name, round(counts[name] / STEPS), taken / 1e3 / STEPS, taken / total)
        for name, taken in sorted(microseconds.items(), key=lambda item: -item[1])
        if taken > 0
    ]


def show_profile(operations: Sequence[Operation]) -> None:
    """Prints the largest of them."""
    table = Table("operation", "calls", "ms", "share", title="a step, with the profiler's own cost")
    for one in operations[:SHOWN]:
        table.add_row(one.name, str(one.calls), f"{one.ms:.1f}", f"{one.share:.0%}")
    Console().print(table)
