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
    candidates: Candidates | None = None
    """What the answer was chosen from, which training judges; None where a mask was given."""


def track_step(
    model: SAM2, embedding: Embedding, memories: Memories | None, prompt: PromptTensors | None
) -> Step:
    """Reads the memories (None: the track begins here), decodes, and makes the next memory.

    Without a prompt the object is looked for; with one it is where the prompt says.
    """
    feature = (
        model.without_memory(embedding.feature)
        if memories is None
        else model.condition_on_memory(embedding.feature, memories)
    )
    # One click may mean the shirt or the person; a box or a second click settles it.
    is_ambiguous = prompt is None or prompt.points.shape[1] <= 1
    candidates = model.propose_masks(feature, embedding.high_resolution, prompt)
    decoded = model.choose_mask(candidates, is_ambiguous=is_ambiguous)
    memory = model.encode_memory(embedding.feature, decoded, is_prompted=prompt is not None)
    return Step(decoded, memory, candidates)


def adopt_step(model: SAM2, embedding: Embedding, mask: Tensor) -> Step:
    """Takes given masks [B, S, S] (0.0 or 1.0) as the output and makes memories of them."""
    decoded = model.adopt_mask(embedding, mask)
    return Step(decoded, model.encode_memory(embedding.feature, decoded, is_prompted=True))
