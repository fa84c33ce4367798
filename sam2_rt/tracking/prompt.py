"""What a user says about one track: points, a box or a mask. Plain values, no torch."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

MAX_POINTS = 32
"""Points of one prompt; further clicks accumulate up to this number too, the oldest leave."""

MAX_TRACK_ID = 65_535
"""Track ids travel as unsigned 16-bit numbers and 0 is the background."""


class PromptError(ValueError):
    """A prompt that no tracker could use; the message names the value and its range."""


@dataclass(frozen=True, slots=True)
class Point:
    """A click at (x, y), each 0..1 of the frame's width and height."""

    x: float
    y: float
    is_positive: bool = True


@dataclass(frozen=True, slots=True)
class Prompt:
    """What a user says about one track on the frame that the user saw.

    Coordinates are 0..1 of the frame. At least one of points, box and mask is given; a mask
    stands alone, points and a box may come together.

    Raises PromptError for anything out of range.
    """

    track_id: int
    """1..65535; a new number begins a track, a known one corrects it."""
    pts: int | None = None
    """Presentation time, in the stream's clock, of the frame the user saw; None: the newest."""
    points: tuple[Point, ...] = ()
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 with x0 < x1 and y0 < y1."""
    mask: NDArray[np.bool_] | None = None
    """[h, w], any size with the frame's aspect; True is the object."""
    clear: bool = False
    """Forget the earlier points and box of this frame; otherwise prompts accumulate."""

    @property
    def can_begin(self) -> bool:
        """Whether it says where an object is; a negative click alone says where it is not."""
        has_area = self.mask is not None or self.box is not None
        return has_area or any(point.is_positive for point in self.points)

    def __post_init__(self) -> None:
        if not 1 <= self.track_id <= MAX_TRACK_ID:
            raise PromptError(f"track_id {self.track_id} is not in 1..{MAX_TRACK_ID}")
        if not self.points and self.box is None and self.mask is None:
            raise PromptError("a prompt needs points, a box or a mask")
        if self.mask is not None and (self.points or self.box is not None):
            raise PromptError("a mask stands alone: send points and box in another prompt")
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.size == 0):
            raise PromptError(f"a mask of shape {self.mask.shape}, where [height, width] is needed")
        if len(self.points) > MAX_POINTS:
            raise PromptError(f"{len(self.points)} points, at most {MAX_POINTS}")
        for point in self.points:
            _check_unit(point.x, point.y)
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            _check_unit(x0, y0, x1, y1)
            if not (x0 < x1 and y0 < y1):
                raise PromptError(f"box {self.box} is empty: x0 < x1 and y0 < y1 are needed")


@dataclass(frozen=True, slots=True)
class Undo:
    """The last prompt about a track is taken back; with its only one the track goes."""

    track_id: int


def accumulate(earlier: Prompt | None, prompt: Prompt) -> Prompt:
    """What a track has been told of one frame in points and boxes, all in all.

    Points add up (the newest 32 stay), the last box counts, a mask ends what was said before it.
    """
    if earlier is None or prompt.clear or prompt.mask is not None:
        return prompt
    points = (*earlier.points, *prompt.points)[-MAX_POINTS:]
    return replace(prompt, points=points, box=prompt.box or earlier.box)


@dataclass(frozen=True, slots=True)
class Applied:
    """A prompt or removal that was carried out."""

    track_id: int
    index: int
    """The frame it was applied to: 0, 1, 2... as processed."""
    is_exact: bool
    """False: the frame the user saw had left the ring, so the newest took the prompt."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A prompt or removal that could not be carried out; the rest of the step went on."""

    track_id: int
    code: str
    """`too_many_tracks`, `bad_prompt`, `unknown_track` or `nothing_to_undo`."""
    message: str


def _check_unit(*values: float) -> None:
    for value in values:
        if not 0.0 <= value <= 1.0:  # also refuses NaN
            raise PromptError(f"coordinate {value} is not in 0..1")
