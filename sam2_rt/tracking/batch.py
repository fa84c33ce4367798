"""Batch: what is done for the frames and tracks of many streams at once. It changes no stream."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sam2_rt.model.sam2 import Decoded, Embedding
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame, to_input
from sam2_rt.tracking.kept_frame import KeptFrame, Seen
from sam2_rt.tracking.memory_bank import pack
from sam2_rt.tracking.memory_policy import Choice
from sam2_rt.tracking.track import Track
from sam2_rt.tracking.track_step import Step
from sam2_rt.tracking.transfer import receive


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """The tracks of one stream that are looked for in its newest frame; perhaps none."""

    kept: KeptFrame
    tracks: tuple[Track, ...]
    choices: tuple[Choice, ...]
    """What each of them reads."""


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a search gave: a row a track, in order."""

    seen: tuple[Seen, ...]
    memories: Tensor
    """[B, memory_dim, g, g], not remembered yet"""
    pointers: Tensor
    """[B, dim]"""


def encode(calls: Calls, frames: Sequence[Frame]) -> list[Embedding]:
    """Runs the image encoder once over all frames: one embedding each."""
    model = calls.model
    size, device = model.config.image_size, model.no_obj_ptr.device
    pixels = [to_input(frame, size, device, model.dtype) for frame in frames]
    embedding = calls.encode(torch.cat(pixels) if len(pixels) > 1 else pixels[0])
    if len(frames) == 1:
        return [embedding]
    # Copies: streams keep frames for different times, and a view would keep all of them.
    features = (embedding.feature, *embedding.high_resolution)
    return [
        Embedding(feature, (stride_4, stride_8))
        for feature, stride_4, stride_8 in zip(*(_apart(f) for f in features), strict=True)
    ]


def look(calls: Calls, searches: Sequence[Search]) -> list[Found]:
    """Looks for all tracks of all streams as one batch, by what each remembers."""
    busy = [search for search in searches if search.tracks]
    if not busy:
        return [Found((), *_NOTHING)] * len(searches)
    step = _step(calls, busy)
    [seen] = read([step])
    found, first = [], 0
    for search in searches:
        rows = slice(first, first + len(search.tracks))
        first = rows.stop
        pointers = step.decoded.object_pointer[rows]
        found.append(Found(tuple(seen[rows]), step.memory[rows], pointers))
    return found


def read(steps: Sequence[Step]) -> list[list[Seen]]:
    """The rows of some steps, with one wait for all of them."""
    arrived = receive([_numbers(step) for step in steps])
    return [
        [
            Seen(Decoded(*(field[row] for field in step.decoded)), score, iou, bool(is_good))
            for row, (score, iou, is_good) in enumerate(numbers.tolist())
        ]
        for step, numbers in zip(steps, arrived, strict=True)
    ]


def gather(embeddings: Sequence[Embedding]) -> Embedding:
    """F of one frame each -> one of F"""
    if len(embeddings) == 1:
        return embeddings[0]
    feature = torch.cat([e.feature for e in embeddings])
    stride_4 = torch.cat([e.high_resolution[0] for e in embeddings])
    stride_8 = torch.cat([e.high_resolution[1] for e in embeddings])
    return Embedding(feature, (stride_4, stride_8))


_NOTHING = (torch.empty(0), torch.empty(0))


def _step(calls: Calls, searches: Sequence[Search]) -> Step:
    """One step for all; every search has a track."""
    banks = [track.bank for search in searches for track in search.tracks]
    choices = [choice for search in searches for choice in search.choices]
    embedding = gather([search.kept.embedding for search in searches])
    if len(searches) == 1:
        return calls.propagate(embedding, pack(banks, choices))
    frames = [number for number, search in enumerate(searches) for _ in search.tracks]
    return calls.propagate(embedding, pack(banks, choices, frames))


def _numbers(step: Step) -> Tensor:
    """[B, 3], what the host has to know of each row: object score, IoU, 1.0 if all is finite."""
    decoded, memory = step
    pointer = decoded.object_pointer
    # An absent object's mask and pointer are constants: NaN would show in the scores alone.
    is_finite = decoded.object_score.isfinite() & decoded.iou.isfinite()
    is_finite &= memory.isfinite().flatten(1).all(dim=1) & pointer.isfinite().all(dim=1)
    return torch.stack([decoded.object_score, decoded.iou, is_finite.float()], dim=1)


def _apart(features: Tensor) -> list[Tensor]:
    """[F, ...] -> F of [1, ...], each with memory of its own"""
    return [feature[None].clone() for feature in features.unbind()]
