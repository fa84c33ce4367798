"""Stages: the model's calls for a frame, one by one."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import torch

from sam2_rt.bench.wanted import FULL_BANK
from sam2_rt.model.config import MAX_POINTERS
from sam2_rt.model.sam2 import SAM2, Memories

Call = Callable[[], object]

REPEATS: Final = 5
ATTENTION: Final = f"memory attention, {FULL_BANK} memories"
STEP: Final = ("encoder", ATTENTION, "decoder", "memory encoder")
"""Of a whole step with a full bank."""


def stages(model: SAM2, tracks: int) -> dict[str, Call]:
    """The calls by name, each for one frame with a batch of tracks."""
    size, device = model.config.image_size, model.no_mem_embed.device
    pixels = torch.randn(1, 3, size, size).to(device, model.dtype)
    embedding = model.encode_image(pixels)
    one, full = memories(model, tracks, 1, 1), memories(model, tracks, FULL_BANK, MAX_POINTERS)
    feature = model.condition_on_memory(embedding.feature, one)
    decoded = model.decode_masks(feature, embedding.high_resolution, None, is_ambiguous=True)
    return {
        "encoder": lambda: model.encode_image(pixels),
        "memory attention, 1 memory": lambda: model.condition_on_memory(embedding.feature, one),
        ATTENTION: lambda: model.condition_on_memory(embedding.feature, full),
        "decoder": lambda: model.decode_masks(
            feature, embedding.high_resolution, None, is_ambiguous=True
        ),
        "memory encoder": lambda: model.encode_memory(
            embedding.feature, decoded, is_prompted=False
        ),
    }


def time_stages(calls: Mapping[str, Call], timer: "Timer") -> dict[str, float]:
    """Median milliseconds of each."""
    return {name: timer.median_ms(call) for name, call in calls.items()}


def memories(model: SAM2, tracks: int, count: int, num_pointers: int) -> Memories:
    """Banks of so many made-up memories and pointers."""
    config, device = model.config, model.no_mem_embed.device
    ages = torch.arange(count, device=device).expand(tracks, -1)
    pointer_ages = torch.arange(num_pointers, device=device).expand(tracks, -1)
    shape = tracks, count, config.memory_dim, config.grid, config.grid
    features = torch.randn(shape, device=device).bfloat16()
    pointers = torch.randn(tracks, num_pointers, config.dim, device=device)
    return Memories(features, ages, pointers, pointer_ages, None, None)


@dataclass(frozen=True, slots=True)
class Timer:
    """Tells when a device has done all that it was given."""

    device: torch.device
    counts_processor: bool = False
    """The seconds of this process's threads in place of the wall's."""

    def now(self) -> float:
        """Seconds, of no particular beginning."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.process_time() if self.counts_processor else time.perf_counter()

    def median_ms(self, call: Call) -> float:
        """Of some calls, after one that does not count."""
        call()
        seconds = []
        for _ in range(REPEATS):
            start = self.now()
            call()
            seconds.append(self.now() - start)
        return 1e3 * statistics.median(seconds)
