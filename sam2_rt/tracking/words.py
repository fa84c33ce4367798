"""Words: what a track was told, prompt by prompt, so that the last can be taken back."""

from collections import deque
from dataclasses import dataclass

from torch import Tensor

from sam2_rt.tracking.kept_frame import KeptFrame, KeptFrames, Seen
from sam2_rt.tracking.memory_bank import Before, MemoryBank
from sam2_rt.tracking.prompt import Prompt
from sam2_rt.tracking.transfer import receive

MAX_WORDS = 8
"""Of one track that can be taken back; the oldest are forgotten, and what they changed stays."""
SAME_PLACE = 0.5
"""Intersection over union of two masks of one object, before and after a correction."""


@dataclass(frozen=True, slots=True, eq=False)
class Word:
    """One prompt that was answered, with what it took the place of."""

    index: int
    """The frame that it was said of."""
    since: int
    """The newest frame when it was said: the first that was found in its light."""
    said: Prompt | None
    """All that had been said of that frame before."""
    answered: Seen | None
    """The answer to that."""
    memory: Before | None
    """None: it left no conditioning memory, as with the reference's settings."""
    is_elsewhere: Tensor | None
    """[] bool; it moved the mask to another place. None: there was no mask before."""


class Words:
    """The last few words about one track, in the order they were said."""

    def __init__(self) -> None:
        self._last: deque[Word] = deque(maxlen=MAX_WORDS)
        self._num_forgotten = 0

    def add(
        self,
        track_id: int,
        kept: KeptFrame,
        mask: Tensor,
        memory: Before | None,
        frames: KeptFrames,
    ) -> None:
        """Remembers a word about a kept frame, with the mask that answers it: logits [4g, 4g].

        The frame does not know of it yet. At the bound the oldest word is forgotten.
        """
        self._num_forgotten += len(self._last) == MAX_WORDS
        said, answered = kept.said.get(track_id), kept.answered.get(track_id)
        is_elsewhere = _is_elsewhere(frames.last_mask(track_id, kept.index), mask)
        self._last.append(
            Word(kept.index, frames.newest.index, said, answered, memory, is_elsewhere)
        )

    @property
    def is_only_one(self) -> bool:
        """Whether the track rests on a single word: it is nothing without."""
        return len(self._last) == 1 and not self._num_forgotten

    @property
    def last(self) -> Word | None:
        """None: none is remembered."""
        return self._last[-1] if self._last else None

    def take_back(self, track_id: int, bank: MemoryBank, frames: KeptFrames) -> None:
        """Undoes the last word in what a track remembers, and in its frame if that is kept.

        What was found since stays, and leaves as newer frames come: it holds the object's way. Not
        if the word had moved the mask elsewhere: then it is the way of something else.
        """
        word = self._last.pop()
        if word.memory is not None:
            bank.take_back(word.memory, frames.newest.index)
        if word.is_elsewhere is not None and receive([word.is_elsewhere])[0]:
            bank.forget_since(word.since)
        kept = frames.numbered(word.index)
        if kept is not None:
            kept.restore(track_id, word.said, word.answered)


def _is_elsewhere(before: Tensor | None, after: Tensor) -> Tensor | None:
    """Whether two masks, as logits [4g, 4g], are of different places: [] bool, not waited for."""
    if before is None:
        return None
    one, other = before > 0, after > 0
    return (one & other).sum() < SAME_PLACE * (one | other).sum()
