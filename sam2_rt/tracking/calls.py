"""Calls: how a batch reaches the model: as it comes, or padded to shapes that are compiled."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sam2_rt.model.sam2 import SAM2, Embedding, Memories
from sam2_rt.tracking.buckets import Buckets, Shape
from sam2_rt.tracking.track_step import Step, track_step


class Calls:
    """The model as it is, for batches of any shape."""

    def __init__(self, model: SAM2) -> None:
        self.model = model

    def encode(self, pixels: Tensor) -> Embedding:
        """pixels [F, 3, S, S] of F frames"""
        return self.model.encode_image(pixels)

    def propagate(self, embedding: Embedding, memories: Memories) -> Step:
        """Looks for B tracks in the frames that their memories name."""
        return track_step(self.model, embedding, memories, None)

    def warm_up(self) -> None:
        """Nothing has to be made ready."""


class CompiledCalls(Calls):
    """The same, compiled for a few shapes; a batch beyond them takes the model as it is."""

    def __init__(self, model: SAM2, buckets: Buckets, backend: str = "inductor") -> None:
        super().__init__(model)
        self.buckets = buckets
        self.uncompiled_batches = 0
        """Beyond the largest shape."""
        # By default torch gives up on a function after eight shapes, and says so only in its log.
        limit = len(buckets.shapes) + len(buckets.counts)
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, limit)  # noqa: SLF001 has no other name
        compiled: Callable[[Callable[..., Any]], Callable[..., Any]] = torch.compile(
            dynamic=False, fullgraph=True, backend=backend
        )
        self._encode = compiled(model.encode_image)
        self._propagate = compiled(lambda seen, memories: track_step(model, seen, memories, None))

    @torch.inference_mode()
    def warm_up(self) -> None:
        """Compiles all shapes, or reads them from the cache on disk."""
        config = self.model.config
        weight = self.model.no_obj_ptr
        side = config.image_size
        # What the model keeps from its first call, such as rotary angles, is there before tracing.
        embedding = super().encode(weight.new_zeros(1, 3, side, side))
        super().propagate(embedding, self._some_memories(self.buckets.shapes[0]))
        for count in self.buckets.counts:
            self.encode(weight.new_zeros(count, 3, side, side))
        for shape in self.buckets.shapes:
            self.propagate(embedding, self._some_memories(shape))

    def encode(self, pixels: Tensor) -> Embedding:
        """pixels [F, 3, S, S] of F frames"""
        wanted = len(pixels)
        count = self.buckets.count(wanted)
        if count is None:
            self.uncompiled_batches += 1
            return super().encode(pixels)
        embedding: Embedding = self._encode(_padded(pixels, count))
        return embedding if count == wanted else _first(embedding, wanted)

    def propagate(self, embedding: Embedding, memories: Memories) -> Step:
        """Looks for B tracks in the frames that their memories name."""
        wanted = len(memories.features)
        shape = self.buckets.shape(_shape_of(memories))
        if shape is None:
            self.uncompiled_batches += 1
            return super().propagate(embedding, memories)
        step: Step = self._propagate(*_pad(embedding, memories, shape))
        decoded = type(step.decoded)(*(field[:wanted] for field in step.decoded))
        return Step(decoded, step.memory[:wanted])

    def _some_memories(self, shape: Shape) -> Memories:
        config, device = self.model.config, self.model.no_obj_ptr.device
        rows, memories, pointers, is_masked = shape
        side = config.grid
        return Memories(
            torch.zeros(rows, memories, config.memory_dim, side, side, device=device).bfloat16(),
            torch.zeros(rows, memories, dtype=torch.long, device=device),
            torch.zeros(rows, pointers, config.dim, device=device),
            torch.zeros(rows, pointers, dtype=torch.long, device=device),
            torch.ones(rows, memories, dtype=torch.bool, device=device) if is_masked else None,
            torch.ones(rows, pointers, dtype=torch.bool, device=device) if is_masked else None,
        )


def _shape_of(memories: Memories) -> Shape:
    rows, num_memories = memories.ages.shape
    num_pointers = memories.pointer_ages.shape[1]
    return Shape(rows, num_memories, num_pointers, memories.is_memory is not None)


def _pad(embedding: Embedding, memories: Memories, shape: Shape) -> tuple[Embedding, Memories]:
    """A frame a row, and as many rows, memories and pointers as the shape has.

    Rows that were not asked for are copies of the first; what a row does not have is masked.
    """
    wanted = len(memories.features)
    frame = memories.frame
    if frame is None:
        frame = torch.zeros(wanted, dtype=torch.long, device=memories.ages.device)
    seen = Embedding(*_map(embedding, lambda x: _padded(x[frame], shape.rows)))
    is_memory, is_pointer = memories.is_memory, memories.is_pointer
    if shape.is_masked and is_memory is None:
        is_memory = torch.ones_like(memories.ages, dtype=torch.bool)
        is_pointer = torch.ones_like(memories.pointer_ages, dtype=torch.bool)
    return seen, Memories(
        _padded(_longer(memories.features, shape.memories), shape.rows),
        _padded(_longer(memories.ages, shape.memories), shape.rows),
        _padded(_longer(memories.pointers, shape.pointers), shape.rows),
        _padded(_longer(memories.pointer_ages, shape.pointers), shape.rows),
        None if is_memory is None else _padded(_longer(is_memory, shape.memories), shape.rows),
        None if is_pointer is None else _padded(_longer(is_pointer, shape.pointers), shape.rows),
    )


def _padded(x: Tensor, count: int) -> Tensor:
    """[B, ...] -> [count, ...]: copies of the first row follow"""
    missing = count - len(x)
    return x if missing == 0 else torch.cat([x, x[:1].expand(missing, *x.shape[1:])])


def _longer(x: Tensor, length: int) -> Tensor:
    """[B, M, ...] -> [B, length, ...]: zeros follow"""
    missing = length - x.shape[1]
    return x if missing == 0 else torch.cat([x, x.new_zeros(len(x), missing, *x.shape[2:])], dim=1)


def _map(
    embedding: Embedding, change: Callable[[Tensor], Tensor]
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    stride_4, stride_8 = embedding.high_resolution
    return change(embedding.feature), (change(stride_4), change(stride_8))


def _first(embedding: Embedding, count: int) -> Embedding:
    return Embedding(*_map(embedding, lambda x: x[:count]))
