"""KeptFrame: a frame that a late prompt can still correct, and the ring of the last few."""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sam2_rt.model.prompt_encoder import BOTTOM_RIGHT, NEGATIVE, POSITIVE, TOP_LEFT
from sam2_rt.model.sam2 import Decoded, Embedding, PromptTensors
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Prompt, accumulate
from sam2_rt.tracking.transfer import send_numbers

PREVIOUS_LOGIT_LIMIT = 32.0  # a mask that is fed back is clamped, as the weights were trained


class Seen(NamedTuple):
    """One track in one frame, with what the host has to know of it."""

    decoded: Decoded
    """Without the batch's dimension."""
    object_score: float
    """Logit; > 0 is visible"""
    iou: float
    """Predicted, 0..1"""
    is_finite: bool
    """Whether all that would be remembered are numbers."""


@dataclass(slots=True, eq=False)
class KeptFrame:
    """One processed frame with what was found in it and what was said about it."""

    index: int
    """0, 1, 2... as processed."""
    pts: int
    content: Frame | Embedding
    """The picture until something is asked of it, from then on what the encoder made of it."""
    found: dict[int, Tensor] = field(default_factory=dict)
    """track_id -> mask logits [4g, 4g] by propagation"""
    said: dict[int, Prompt] = field(default_factory=dict)
    """track_id -> the points and box of this frame so far; masks are answered and not kept"""
    answered: dict[int, Seen] = field(default_factory=dict)
    """track_id -> the last answer to prompts"""

    @property
    def is_encoded(self) -> bool:
        """Whether anything was asked of it yet."""
        return isinstance(self.content, Embedding)

    @property
    def picture(self) -> Frame:
        """What is to be encoded."""
        assert isinstance(self.content, Frame), "a frame is encoded once"
        return self.content

    @property
    def embedding(self) -> Embedding:
        """What was encoded."""
        assert isinstance(self.content, Embedding), "a frame is encoded before it is looked at"
        return self.content

    def take(self, embedding: Embedding) -> None:
        """It was encoded: the picture is not needed any more."""
        self.content = embedding

    def own(self) -> None:
        """Copies a picture that is still there: its planes may be a decoder's memory."""
        if isinstance(self.content, Frame):
            self.content = Frame(self.pts, tuple(np.array(p) for p in self.content.planes))

    def whole(self, prompt: Prompt) -> Prompt:
        """A prompt with what was said of its track before."""
        return accumulate(self.said.get(prompt.track_id), prompt)

    def note(self, whole: Prompt, seen: Seen) -> None:
        """All that was said of a track has been answered."""
        self.answered[whole.track_id] = seen
        if whole.mask is None:
            self.said[whole.track_id] = whole
        else:
            self.said.pop(whole.track_id, None)

    def restore(self, track_id: int, said: Prompt | None, seen: Seen | None) -> None:
        """What was said of a track, and answered, is this again."""
        self.said.pop(track_id, None)
        self.answered.pop(track_id, None)
        if said is not None:
            self.said[track_id] = said
        if seen is not None:
            self.answered[track_id] = seen

    def previous(self, prompt: Prompt) -> Tensor | None:
        """The mask logits [4g, 4g] that a prompt corrects: the last answer, or what was found."""
        answered = None if prompt.clear else self.answered.get(prompt.track_id)
        if answered is None:
            return self.found.get(prompt.track_id)
        return answered.decoded.mask_logits

    def is_tracked(self, track_id: int) -> bool:
        """Whether the track was looked for in this frame (rather than begun here)."""
        return track_id in self.found


class KeptFrames:
    """The last few frames; at the bound the oldest leaves, and with it all that it holds."""

    def __init__(self, limit: int) -> None:
        self._ring: deque[KeptFrame] = deque(maxlen=limit)

    def __len__(self) -> int:
        return len(self._ring)

    @property
    def newest(self) -> KeptFrame:
        """The last frame that was added."""
        return self._ring[-1]

    def add(self, frame: KeptFrame) -> KeptFrame:
        """Keeps a frame."""
        self._ring.append(frame)
        return frame

    def make_room(self) -> None:
        """At the bound the oldest leaves now, before the next one comes."""
        if len(self._ring) == self._ring.maxlen:
            self._ring.popleft()

    def drop(self, frame: KeptFrame) -> None:
        """Keeps a frame no more; twice is no error."""
        if frame in self._ring:
            self._ring.remove(frame)

    def clear(self) -> None:
        """Keeps none of them any more."""
        self._ring.clear()

    def forget(self, track_id: int) -> None:
        """Drops all that is kept of a track: its number may begin another."""
        for kept in self._ring:
            for record in (kept.found, kept.said, kept.answered):
                record.pop(track_id, None)

    def at(self, pts: int) -> KeptFrame | None:
        """The kept frame of that presentation time."""
        return next((kept for kept in self._ring if kept.pts == pts), None)

    def last_mask(self, track_id: int, index: int) -> Tensor | None:
        """The mask logits [4g, 4g] of a track in the newest frame up to that one that has any."""
        for kept in reversed(self._ring):
            answered = kept.answered.get(track_id) if kept.index <= index else None
            if answered is not None:
                return answered.decoded.mask_logits
            if kept.index <= index and kept.is_tracked(track_id):
                return kept.found[track_id]
        return None

    def numbered(self, index: int) -> KeptFrame | None:
        """The kept frame of that number."""
        return next((kept for kept in self._ring if kept.index == index), None)


def to_tensors(
    prompt: Prompt, previous: Tensor | None, image_size: int, device: torch.device
) -> PromptTensors:
    """Points and box of a prompt in the model's units, with the mask so far [4g, 4g]."""
    points = [(p.x, p.y) for p in prompt.points]
    labels = [POSITIVE if p.is_positive else NEGATIVE for p in prompt.points]
    if prompt.box is not None:  # a box is its two corners, before the clicks
        points[:0] = [prompt.box[:2], prompt.box[2:]]
        labels[:0] = [TOP_LEFT, BOTTOM_RIGHT]
    if previous is not None:
        previous = previous.clamp(-PREVIOUS_LOGIT_LIMIT, PREVIOUS_LOGIT_LIMIT)[None, None]
    return PromptTensors(
        send_numbers([points], device) * image_size,
        send_numbers([labels], device),
        previous,
    )


def to_mask(prompt: Prompt, image_size: int) -> Tensor:
    """The mask of a prompt at the model's size: [1, S, S] of 0.0 and 1.0

    An object too small for one pixel of the input takes the nearest.
    """
    assert prompt.mask is not None, "only for prompts that are masks"
    mask = torch.from_numpy(np.array(prompt.mask)).float()[None, None]
    size = (image_size, image_size)
    resized = (F.interpolate(mask, size, mode="bilinear", antialias=True)[0] >= 0.5).float()
    if prompt.mask.any() and not resized.any():
        y, x = (int(place.mean() * image_size / length) for place, length in _places(prompt.mask))
        resized[0, y, x] = 1.0
    return resized


def _places(mask: NDArray[np.bool_]) -> list[tuple[NDArray[np.intp], int]]:
    """Rows and columns of the object's pixels, each with the length of its axis."""
    return list(zip(mask.nonzero(), mask.shape, strict=True))
