"""Views: videos with labels that are made of others, or of what was made up."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.labelled_video import LabelledVideo
from sam2_rt.data.sample import Sample


@dataclass(frozen=True, slots=True)
class FirstFrames:
    """The first frames of a video."""

    whole: LabelledVideo
    limit: int

    @property
    def name(self) -> str:
        """Of the whole."""
        return self.whole.name

    @property
    def num_frames(self) -> int:
        """At most the limit."""
        return min(self.whole.num_frames, self.limit)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.whole.size

    @property
    def annotated(self) -> tuple[int, ...]:
        """Those among the first frames; there may be none."""
        return tuple(index for index in self.whole.annotated if index < self.limit)

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Of the whole, also those that come later."""
        return self.whole.object_ids

    def frame(self, index: int) -> NDArray[np.uint8]:
        """[H, W, 3], RGB"""
        return self.whole.frame(index)

    def masks(self, index: int) -> dict[int, NDArray[np.bool_]]:
        """Object id -> [H, W]"""
        return self.whole.masks(index)

    def ignored(self, index: int) -> NDArray[np.bool_] | None:
        """[H, W]; None: all is known"""
        return self.whole.ignored(index)


@dataclass(frozen=True, slots=True)
class SampleVideo:
    """A made-up clip as a video with labels: every frame is annotated."""

    name: str
    sample: Sample

    @property
    def num_frames(self) -> int:
        """At least 1."""
        return len(self.sample.frames)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.sample.frames.shape[2], self.sample.frames.shape[1]

    @property
    def annotated(self) -> tuple[int, ...]:
        """Every frame."""
        return tuple(range(self.num_frames))

    @property
    def object_ids(self) -> tuple[int, ...]:
        """1, 2, 3... in the order of the sample; those that are never seen are left out."""
        seen = self.sample.masklets.any(axis=(1, 2, 3))
        return tuple(int(row) + 1 for row in np.flatnonzero(seen))

    def frame(self, index: int) -> NDArray[np.uint8]:
        """[H, W, 3], RGB"""
        return self.sample.frames[index]

    def masks(self, index: int) -> dict[int, NDArray[np.bool_]]:
        """Object id -> [H, W]"""
        return {n: self.sample.masklets[n - 1, index] for n in self.object_ids}

    def ignored(self, index: int) -> NDArray[np.bool_] | None:
        """[H, W]; None: all is known"""
        return None if self.sample.ignored is None else self.sample.ignored[index]
