"""Placement: on which device a model runs, in which type, by which calls, with how much room."""

from typing import Final

import torch

from sam2_rt.fault import EngineLost
from sam2_rt.graphs import CudaRecorder, RecordedGraphs, as_it_is
from sam2_rt.model.download import caches
from sam2_rt.model.packed_conv import pack
from sam2_rt.model.sam2 import SAM2
from sam2_rt.packages import Packages
from sam2_rt.tracking.buckets import Buckets
from sam2_rt.tracking.calls import Calls, Prepare, ShapedCalls
from sam2_rt.tracking.memory_pool import MemoryPool, bytes_a_track
from sam2_rt.tracking.tracker import TrackerConfig

DEFAULT_TRACKS: Final = 256
"""Of the pool on a CPU, where room costs nothing until it is used."""
POOL_SHARE: Final = 0.4
"""Of a GPU's memory that is free beside the model; the rest is for what a batch needs."""
MAX_POOL_TRACKS: Final = 4096
RECORDED_ROWS: Final = 8
"""Of a batch on a GPU, as many as the service gathers into one by default."""


def calls_of(
    model: SAM2, compiled_rows: int, max_conditioning: int, recorded_rows: int = RECORDED_ROWS
) -> Calls:
    """The model as it is, packed for a CPU, or made ready for batches up to so many rows.

    compiled_rows: ahead of time, a power of two; 0: none. On a GPU what is compiled is recorded as
    CUDA graphs too, and the model as it is for recorded_rows where nothing is compiled; 0: none.
    """
    device = model.no_obj_ptr.device
    is_recorded = device.type == "cuda" and recorded_rows > 0
    rows = rows_of_a_batch(device.type, compiled_rows, recorded_rows)
    if rows == 0:
        pack(model)  # on a CPU; a compiler packs for itself
        return Calls(model)
    prepare: Prepare = as_it_is
    if compiled_rows > 0:
        prepare = Packages(caches() / "compiled", model, str(model.config)).graph
    if is_recorded:
        prepare = RecordedGraphs(prepare, CudaRecorder(device)).graph
    return ShapedCalls(model, Buckets(rows, max_conditioning), prepare)


def rows_of_a_batch(device_type: str, compiled_rows: int, recorded_rows: int) -> int:
    """What is made ready for batches up to: a power of two, or 0."""
    if compiled_rows > 0 or device_type != "cuda" or recorded_rows == 0:
        return compiled_rows
    return 1 << (recorded_rows - 1).bit_length()


def pool_of(model: SAM2, tracker: TrackerConfig, num_tracks: int | None) -> MemoryPool:
    """Taken once, when the model is there."""
    device, max_conditioning = model.no_obj_ptr.device, tracker.max_conditioning
    if num_tracks is None and device.type == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info(device)
        num_tracks = tracks_that_fit(free_bytes, bytes_a_track(model.config, max_conditioning))
    elif num_tracks is None:
        num_tracks = max(DEFAULT_TRACKS, tracker.max_tracks)
    return MemoryPool(model.config, num_tracks, max_conditioning, device)


def tracks_that_fit(free_bytes: int, bytes_each: int) -> int:
    """1..MAX_POOL_TRACKS for a GPU with so much memory free beside the model."""
    return max(1, min(int(POOL_SHARE * free_bytes / bytes_each), MAX_POOL_TRACKS))


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
