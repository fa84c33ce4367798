"""Sample: a short clip with the masklets that are to be learned from it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


class NothingUsable(RuntimeError):
    """No sample can be had: of a seed, for all that was tried was skipped, or of any."""


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """T frames and the exact masks of K objects in each of them; a still picture has T = 1.

    Masklets may overlap: a wheel and its car are both objects.
    """

    frames: NDArray[np.uint8]
    """[T, H, W, 3], RGB"""
    masklets: NDArray[np.bool_]
    """[K, T, H, W]; an object that is out of sight in a frame has an empty mask there"""
    ignored: NDArray[np.bool_] | None = None
    """[T, H, W], True where nobody knows what is there; None: all is known"""

    def __post_init__(self) -> None:
        num_frames, height, width, _ = self.frames.shape
        assert self.masklets.shape[1:] == (num_frames, height, width), self.masklets.shape

    @property
    def num_frames(self) -> int:
        """T"""
        return len(self.frames)

    def at(self, frames: range) -> "Sample":
        """Views of some of its frames, in their order."""
        chosen = slice(frames.start, frames.stop, frames.step)
        ignored = None if self.ignored is None else self.ignored[chosen]
        return Sample(self.frames[chosen], self.masklets[:, chosen], ignored)
