"""Absence: what a follower says while an object is away, and how soon it has it again. No torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from itertools import dropwhile, groupby
from typing import Final

import numpy as np

from sam2_rt.eval.metrics import region_similarity
from sam2_rt.eval.vos import Found

SEEN_AREA: Final = 0.0005
"""Share of the picture from which on an object counts as being back; a thinner sliver is neither
away nor back."""
SOON_FRAMES: Final = 10
"""Within which an object should be found again."""
FOUND_IOU: Final = 0.5
"""Of a mask that has the object."""
MIN_STAY_FRAMES: Final = 3
"""An object that comes back for less is not asked for."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One object in one annotated frame, after it was told of."""

    index: int
    """Of the frame in its video."""
    area: float
    """Share of the picture that the object truly covers; 0: it is away."""
    has_mask: bool
    """Whether the follower has any pixel for it."""
    iou: float
    """Of that mask."""


@dataclass(frozen=True, slots=True)
class Absence:
    """What became of objects that went away, summed over objects."""

    absent_frames: int = 0
    """Annotated frames in which an object is away."""
    false_frames: int = 0
    """Those of them in which it has a mask."""
    returns: int = 0
    """Times that an object came back to stay."""
    reacquired: int = 0
    """Those after which a mask had it soon."""
    delay_frames: int = 0
    """From coming back to being found, summed over those reacquired."""

    def __add__(self, other: "Absence") -> "Absence":
        sums = (getattr(self, f.name) + getattr(other, f.name) for f in fields(self))
        return Absence(*sums)

    @property
    def false_share(self) -> float | None:
        """Of the absent frames; None: there are none."""
        return self.false_frames / self.absent_frames if self.absent_frames else None

    @property
    def reacquired_share(self) -> float | None:
        """Of the returns; None: there are none."""
        return self.reacquired / self.returns if self.returns else None

    @property
    def mean_delay_frames(self) -> float | None:
        """Of those reacquired; None: there are none."""
        return self.delay_frames / self.reacquired if self.reacquired else None


def judge(moments: Sequence[Moment]) -> Absence:
    """What became of one object. A delay of 0: found in the first frame that it is back in."""
    result = Absence()
    was_away = False
    for is_away, run in groupby(moments, lambda moment: moment.area == 0):
        stretch = list(run)
        if is_away:
            false = sum(moment.has_mask for moment in stretch)
            result += Absence(absent_frames=len(stretch), false_frames=false)
        elif was_away:
            result += _judge_return([moment for moment in stretch if moment.area >= SEEN_AREA])
        was_away = is_away
    return result


def comes_back(areas: Iterable[float]) -> bool:
    """Whether an object with these areas goes away and comes back to stay."""
    from_first_seen = dropwhile(lambda area: area == 0, areas)
    moments = [Moment(i, area, False, 0.0) for i, area in enumerate(from_first_seen)]
    return judge(moments).returns > 0


class AbsenceMeter:
    """Collects the moments of one video's objects, frame by frame."""

    def __init__(self) -> None:
        self._moments: dict[int, list[Moment]] = {}  # row -> of an object that was told of

    def watch(self, found: Found) -> None:
        """Takes in one more frame; objects count from the frame after they are told of."""
        if found.truth is not None:
            masks = found.truth.known(found.masks)
            for row, moments in self._moments.items():
                truth, mask = found.truth.masks[row], masks[row]
                moments.append(
                    Moment(
                        found.index,
                        float(np.mean(truth)),
                        bool(mask.any()),
                        region_similarity(truth, mask),
                    )
                )
        self._moments |= {row: [] for row in found.begun}

    def result(self) -> Absence:
        """Over all objects so far."""
        return sum((judge(moments) for moments in self._moments.values()), Absence())


def _judge_return(back: Sequence[Moment]) -> Absence:
    """One stay after an absence, in the frames in which enough of the object is seen."""
    if not back or back[-1].index - back[0].index + 1 < MIN_STAY_FRAMES:
        return Absence()
    found = next((m.index - back[0].index for m in back if m.iou >= FOUND_IOU), None)
    if found is None or found > SOON_FRAMES:
        return Absence(returns=1)
    return Absence(returns=1, reacquired=1, delay_frames=found)
