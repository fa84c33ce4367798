"""Which memories a frame attends to: plain frame numbers in, (frame, age) pairs out. No torch."""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from sam2_rt.model.config import MAX_POINTERS, NUM_RECENT

NUM_RECENT_POINTERS = MAX_POINTERS - 1


class Attended(NamedTuple):
    """A remembered frame (its number) and the age that the model is told."""

    frame: int
    age: int


class Choice(NamedTuple):
    """What one track reads in one frame."""

    memories: tuple[Attended, ...]
    """Conditioning ones first (age 0, whatever their distance), then recent ones, oldest first."""
    pointers: tuple[Attended, ...]
    """Conditioning ones first (any age), then recent ones, newest first."""


def choose(
    index: int,
    conditioning: Sequence[int],
    recent: Collection[int],
    recent_pointers: Collection[int],
    max_attended: int | None = None,
) -> Choice:
    """The reference's choice for frame `index` (spec of the paper's code, frame logic).

    A frame's own memory is left out: it is about to be made anew. Conditioning frames of the
    future give their spatial memory but no pointer. Those beyond `max_attended` may still stand
    in as recent frames.
    """
    others = [i for i in conditioning if i != index]
    selected = nearest(index, others, max_attended)
    spare = set(others) - set(selected)
    window = [
        Attended(index - age, age)
        for age in range(NUM_RECENT, 0, -1)
        if index - age in spare or index - age in recent
    ]
    past = [Attended(i, index - i) for i in selected if i < index]
    trail = [
        Attended(index - age, age)
        for age in range(1, NUM_RECENT_POINTERS + 1)
        if index - age in spare or index - age in recent_pointers
    ]
    return Choice((*(Attended(i, 0) for i in selected), *window), (*past, *trail))


def nearest(index: int, conditioning: Sequence[int], limit: int | None) -> list[int]:
    """At most `limit` conditioning frames: the last before, the first after, then the closest."""
    if limit is None or len(conditioning) <= limit:
        return list(conditioning)
    before = max((i for i in conditioning if i < index), default=None)
    after = min((i for i in conditioning if i >= index), default=None)
    chosen = [i for i in (before, after) if i is not None][:limit]
    rest = sorted((i for i in conditioning if i not in chosen), key=lambda i: abs(i - index))
    return chosen + rest[: limit - len(chosen)]


def surplus(conditioning: Sequence[int], limit: int) -> int | None:
    """The conditioning frame to forget so that one more fits: the oldest but the very first."""
    if len(conditioning) < limit:
        return None
    first, *rest = sorted(conditioning)
    return rest[0] if rest else first
