"""Placement: on which device a model runs, in which type, by which calls, with how much room."""

from typing import Final

import torch

from sam2_rt.fault import EngineLost
from sam2_rt.model.download import caches
from sam2_rt.model.sam2 import SAM2
from sam2_rt.packages import Packages
from sam2_rt.tracking.buckets import Buckets
from sam2_rt.tracking.calls import Calls, ShapedCalls
from sam2_rt.tracking.memory_pool import MemoryPool, bytes_a_track
from sam2_rt.tracking.tracker import TrackerConfig

DEFAULT_TRACKS: Final = 256
"""Of the pool on a CPU, where room costs nothing until it is used."""
POOL_SHARE: Final = 0.4
"""Of a GPU's memory that is free beside the model; the rest is for what a batch needs."""
MAX_POOL_TRACKS: Final = 4096


def calls_of(model: SAM2, compiled_rows: int, max_conditioning: int) -> Calls:
    """The model as it is, or compiled for batches up to so many rows."""
    if compiled_rows == 0:
        return Calls(model)
    packages = Packages(caches() / "compiled", model, str(model.config))
    buckets = Buckets(compiled_rows, max_conditioning)
    return ShapedCalls(model, buckets, packages.graph)


def pool_of(model: SAM2, tracker: TrackerConfig, num_tracks: int | None) -> MemoryPool:
    """Taken once, when the model is there."""
    device, max_conditioning = model.no_obj_ptr.device, tracker.max_conditioning
    if num_tracks is None and device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        room = int(POOL_SHARE * free / bytes_a_track(model.config, max_conditioning))
        num_tracks = max(1, min(room, MAX_POOL_TRACKS))
    elif num_tracks is None:
        num_tracks = max(DEFAULT_TRACKS, tracker.max_tracks)
    return MemoryPool(model.config, num_tracks, max_conditioning, device)


def dtype_of(name: str, device: torch.device) -> torch.dtype:
    """`auto`: exact on a CPU, bfloat16 on a GPU, as published."""
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def device_of(name: str) -> torch.device:
    """`auto`: a GPU when there is one. Raises ValueError for one that is not here."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:  # torch's words for no such device here
        raise ValueError(f"device {name!r} is not to be had here: use cpu or auto") from error


def check_alive(device: torch.device) -> None:
    """Raises EngineLost for a device that answers nothing any more, as a GPU after some faults."""
    if device.type == "cpu":
        return
    try:
        torch.zeros(1, device=device).item()
    except torch.OutOfMemoryError:  # it lives
        return
    except RuntimeError as error:
        raise EngineLost(f"{device} does not answer any more: {error}") from error
