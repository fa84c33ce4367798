"""The step that serving and training share: frame, memories and prompt in; mask and memory out.

Pure functions of tensors.
"""

from typing import NamedTuple

from torch import Tensor

from sam2_rt.model.mask_decoder import Candidates
from sam2_rt.model.sam2 import SAM2, Decoded, Embedding, Memories, PromptTensors


class Step(NamedTuple):
    """What one frame gave for B rows."""

    decoded: Decoded
    memory: Tensor
    """[B, memory_dim, g, g]"""


class Answer(NamedTuple):
    """What the decoder said of B rows, and what it chose that from."""

    decoded: Decoded
    candidates: Candidates


def track_step(
    model: SAM2, embedding: Embedding, memories: Memories | None, prompt: PromptTensors | None
) -> Step:
    """Reads the memories (None: the track begins here), decodes, and makes the next memory.

    Without a prompt the object is looked for; with one it is where the prompt says.
    """
    feature = recall(model, embedding, memories)
    embedding = embedding.rows(None if memories is None else memories.frame)
    decoded = answer(model, embedding, feature, prompt).decoded
    return remember(model, embedding, decoded, is_prompted=prompt is not None)


def adopt_step(model: SAM2, embedding: Embedding, mask: Tensor) -> Step:
    """Takes given masks [B, S, S] (0.0 or 1.0) as the output and makes memories of them."""
    return remember(model, embedding, model.adopt_mask(embedding, mask), is_prompted=True)


def recall(model: SAM2, embedding: Embedding, memories: Memories | None) -> Tensor:
    """The frame's feature in the light of what each row remembers: [B or 1, dim, g, g]"""
    if memories is None:
        return model.without_memory(embedding.feature)
    return model.condition_on_memory(embedding.feature, memories)


def answer(
    model: SAM2, embedding: Embedding, feature: Tensor, prompt: PromptTensors | None
) -> Answer:
    """Where the objects are, by what recall() gave and by what is said of this frame."""
    # One click may mean the shirt or the person; a box or a second click settles it.
    is_ambiguous = prompt is None or prompt.points.shape[1] <= 1
    candidates = model.propose_masks(feature, embedding.high_resolution, prompt)
    return Answer(model.choose_mask(candidates, is_ambiguous=is_ambiguous), candidates)


def remember(model: SAM2, embedding: Embedding, decoded: Decoded, *, is_prompted: bool) -> Step:
    """The answer with the memory that it leaves."""
    memory = model.encode_memory(embedding.feature, decoded, is_prompted=is_prompted)
    return Step(decoded, memory)
