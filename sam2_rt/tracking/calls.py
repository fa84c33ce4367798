"""Calls: how a batch reaches the model: as it comes, or padded to one of a few shapes."""

import logging
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from sam2_rt.model.sam2 import SAM2, Decoded, Embedding, Memories
from sam2_rt.tracking.buckets import Buckets, Shape
from sam2_rt.tracking.track_step import Step, track_step

log = logging.getLogger(__name__)

Graph = Callable[..., Sequence[Tensor]]
"""Tensors in, tensors out, of the shapes and strides that it was made for."""
Prepare = Callable[[str, nn.Module, tuple[Tensor, ...]], Graph]
"""Makes the graph of a module for such tensors; the name tells it from the model's others."""


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


class ShapedCalls(Calls):
    """The same by graphs of a few shapes, all made before the first frame.

    A batch of more rows than the largest shape goes in parts. Banks that no shape holds take the
    model as it is, and are counted.
    """

    def __init__(self, model: SAM2, buckets: Buckets, prepare: Prepare) -> None:
        super().__init__(model)
        self.buckets = buckets
        self.batches_beyond = 0
        self._prepare = prepare
        self._encoders: dict[int, Graph] = {}  # by frames; as many as there are buckets
        self._propagators: dict[Shape, Graph] = {}

    @torch.no_grad()
    def warm_up(self) -> None:
        """Makes all graphs."""
        side, weight = self.model.config.image_size, self.model.no_mem_embed
        # What the model makes on its first call, such as rotary angles, is there before tracing.
        embedding = super().encode(weight.new_zeros(1, 3, side, side))
        super().propagate(embedding, _empty(self.model, self.buckets.shapes[0]))
        for count in self.buckets.counts:
            pixels = weight.new_zeros(count, 3, side, side)
            self._encoders[count] = self._prepare(f"encode-{count}", _Encode(self.model), (pixels,))
        for shape in self.buckets.shapes:
            inputs = _flat(*_pad(embedding, _empty(self.model, shape), shape))
            name = f"propagate-{'-'.join(str(int(size)) for size in shape)}"
            self._propagators[shape] = self._prepare(name, _Propagate(self.model), inputs)

    def encode(self, pixels: Tensor) -> Embedding:
        """pixels [F, 3, S, S] of F frames"""
        parts = [self._encode(part) for part in pixels.split(self.buckets.max_rows)]
        if len(parts) == 1:
            feature, stride_4, stride_8 = parts[0]
        else:
            feature, stride_4, stride_8 = (torch.cat(part) for part in zip(*parts, strict=True))
        return Embedding(feature, (stride_4, stride_8))

    def propagate(self, embedding: Embedding, memories: Memories) -> Step:
        """Looks for B tracks in the frames that their memories name."""
        memories = memories._replace(frame=_frame_of_rows(embedding, memories))
        steps = [self._propagate(embedding, m) for m in _parts(memories, self.buckets.max_rows)]
        if len(steps) == 1:
            return steps[0]
        decoded = (torch.cat(part) for part in zip(*(s.decoded for s in steps), strict=True))
        return Step(Decoded(*decoded), torch.cat([step.memory for step in steps]))

    def _encode(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Of no more frames than the largest shape has: feature and skips."""
        wanted = len(pixels)
        count = self.buckets.count(wanted)
        assert count is not None
        return tuple(x[:wanted] for x in self._encoders[count](_rows(pixels, count).contiguous()))

    def _propagate(self, embedding: Embedding, memories: Memories) -> Step:
        """Of no more rows than the largest shape has."""
        wanted = _shape_of(memories)
        shape = self.buckets.shape(wanted)
        if shape is None:
            self._note_beyond(wanted)
            return super().propagate(embedding.rows(memories.frame), memories._replace(frame=None))
        inputs = _flat(*_pad(embedding, memories, shape))
        *decoded, memory = (out[: wanted.rows] for out in self._propagators[shape](*inputs))
        return Step(Decoded(*decoded), memory)

    def _note_beyond(self, wanted: Shape) -> None:
        """Said once, as it may come with every frame."""
        if self.batches_beyond == 0:
            log.warning("%s is more than is made ready: such batches are slow", wanted)
        self.batches_beyond += 1


class _Encode(nn.Module):
    """encode() of plain tensors."""

    def __init__(self, model: SAM2) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Feature and skips."""
        embedding = self.model.encode_image(pixels)
        return embedding.feature, *embedding.high_resolution


class _Propagate(nn.Module):
    """propagate() of plain tensors, each frame once a row."""

    def __init__(self, model: SAM2) -> None:
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What is decoded, and the memory."""
        feature, stride_4, stride_8, features, ages, pointers, pointer_ages, *masks = inputs
        is_memory, is_pointer = masks or (None, None)
        memories = Memories(features, ages, pointers, pointer_ages, is_memory, is_pointer)
        step = track_step(self.model, Embedding(feature, (stride_4, stride_8)), memories, None)
        return *step.decoded, step.memory


def _flat(embedding: Embedding, memories: Memories) -> tuple[Tensor, ...]:
    """As _Propagate takes them; strides as in the example, which a graph does not check."""
    tensors = (embedding.feature, *embedding.high_resolution, *memories)
    return tuple(x.contiguous() for x in tensors if x is not None)


def _shape_of(memories: Memories) -> Shape:
    rows, num_memories = memories.ages.shape
    num_pointers = memories.pointer_ages.shape[1]
    return Shape(rows, num_memories, num_pointers, memories.is_memory is not None)


def _frame_of_rows(embedding: Embedding, memories: Memories) -> Tensor:
    """[B]: which of the frames each row is in"""
    if memories.frame is not None:
        return memories.frame
    frame = torch.arange(len(memories.features), device=memories.ages.device)
    return frame.clamp(max=len(embedding.feature) - 1)  # one frame for all rows, or one each


def _parts(memories: Memories, largest: int) -> Iterator[Memories]:
    """At most so many rows each, in order."""
    for first in range(0, len(memories.features), largest):
        rows = slice(first, first + largest)
        features, ages, pointers, pointer_ages = (x[rows] for x in memories[:4])
        is_memory, is_pointer, frame = (None if x is None else x[rows] for x in memories[4:])
        yield Memories(features, ages, pointers, pointer_ages, is_memory, is_pointer, frame)


def _empty(model: SAM2, shape: Shape) -> Memories:
    """Of that shape, to trace with."""
    config, device, side = model.config, model.no_obj_ptr.device, model.config.grid
    rows, memories, pointers, is_masked = shape
    ages = torch.ones(rows, memories, dtype=torch.long, device=device)
    pointer_ages = torch.ones(rows, pointers, dtype=torch.long, device=device)
    return Memories(
        torch.zeros(rows, memories, config.memory_dim, side, side, device=device).bfloat16(),
        ages,
        torch.zeros(rows, pointers, config.dim, device=device),
        pointer_ages,
        ages.bool() if is_masked else None,
        pointer_ages.bool() if is_masked else None,
    )


def _pad(embedding: Embedding, memories: Memories, shape: Shape) -> tuple[Embedding, Memories]:
    """A frame a row, and as many rows, memories and pointers as the shape has.

    Rows that were not asked for are copies of the first; what a row does not have is masked.
    """
    frame = _frame_of_rows(embedding, memories)
    features = (embedding.feature, *embedding.high_resolution)
    feature, stride_4, stride_8 = (_rows(x[frame], shape.rows) for x in features)
    is_memory, is_pointer = memories.is_memory, memories.is_pointer
    if shape.is_masked and is_memory is None:
        is_memory = torch.ones_like(memories.ages, dtype=torch.bool)
        is_pointer = torch.ones_like(memories.pointer_ages, dtype=torch.bool)

    def grown(x: Tensor, length: int) -> Tensor:
        return _rows(_longer(x, length), shape.rows)

    return Embedding(feature, (stride_4, stride_8)), Memories(
        grown(memories.features, shape.memories),
        grown(memories.ages, shape.memories),
        grown(memories.pointers, shape.pointers),
        grown(memories.pointer_ages, shape.pointers),
        None if is_memory is None else grown(is_memory, shape.memories),
        None if is_pointer is None else grown(is_pointer, shape.pointers),
    )


def _rows(x: Tensor, count: int) -> Tensor:
    """[B, ...] -> [count, ...]: copies of the first row follow"""
    missing = count - len(x)
    return x if missing == 0 else torch.cat([x, x[:1].expand(missing, *x.shape[1:])])


def _longer(x: Tensor, length: int) -> Tensor:
    """[B, M, ...] -> [B, length, ...]: zeros follow"""
    missing = length - x.shape[1]
    return x if missing == 0 else torch.cat([x, x.new_zeros(len(x), missing, *x.shape[2:])], dim=1)
