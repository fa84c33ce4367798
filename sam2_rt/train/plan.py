"""Plan: what the simulated user does to a batch. Plain values, no torch."""

import random
from dataclasses import dataclass
from typing import Literal

FirstPrompt = Literal["mask", "click", "box"]

MAX_LEARNED = 8
"""Frames of a clip that are learned from, as in the paper: the last ones. Those before them are
played without gradients, so that memories are full and absences long, as where the model serves."""
MAX_CLICKS = 7
"""Corrective clicks on a still picture, as in the paper; a clip gets fewer, on two frames."""
MAX_CLICKS_IN_CLIP = 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done to every row of a batch."""

    first: FirstPrompt
    """The prompt of frame 0."""
    corrections: int = 0
    """Clicks that follow on frame 0, each in the error that is left; none after a mask."""
    corrected: int | None = None
    """A later frame that gets a corrective click, and becomes a conditioning frame."""
    lead: int = 0
    """Frames that are played before any is learned from."""


def draw_plan(rng: random.Random, num_frames: int) -> Plan:
    """Mask 0.5, click 0.25, box 0.25; a still picture has nothing to learn from its own mask.

    There boxes are twice as frequent: nano is weaker at them than at clicks (RESULTS.md).
    """
    is_still = num_frames == 1
    first: FirstPrompt = rng.choice(
        ("click", "box", "box") if is_still else ("mask", "mask", "click", "box")
    )
    corrections = 0
    if first != "mask" and rng.random() < (0.6 if is_still else 0.3):
        limit = MAX_CLICKS if is_still else MAX_CLICKS_IN_CLIP
        corrections = min(1 + int(rng.expovariate(0.7)), limit)
    corrected = rng.randrange(1, num_frames) if num_frames > 2 and rng.random() < 0.5 else None
    return Plan(first, corrections, corrected, lead=max(num_frames - MAX_LEARNED, 0))


def draw_played(rng: random.Random, num_frames: int) -> range:
    """Which frames of a clip are played: of a long one all, every second one or the first ones."""
    if num_frames <= MAX_LEARNED:
        return range(num_frames)
    alike = (range(num_frames), range(num_frames), range(0, num_frames, 2), range(MAX_LEARNED))
    return rng.choice(alike)
