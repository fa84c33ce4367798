"""Views: videos with labels that are made of others, or of what was made up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.labelled_video import LabelledVideo
from sam2_rt.data.sample import Sample

GAP_FRAMES: Final = 12
"""Of something else, in a video that is cut away from; in a short one, a quarter of it."""


@dataclass(frozen=True, slots=True)
class View:
    """A video as it is; others say what differs."""

    whole: LabelledVideo

    @property
    def name(self) -> str:
        """Of the whole."""
        return self.whole.name

    @property
    def num_frames(self) -> int:
        """Of the whole."""
        return self.whole.num_frames

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.whole.size

    @property
    def annotated(self) -> tuple[int, ...]:
        """Of the whole."""
        return self.whole.annotated

    @property
    def object_ids(self) -> tuple[int, ...]:
        """Of the whole, also those that are not seen in this view."""
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
class FirstFrames(View):
    """The first frames of a video."""

    limit: int

    @property
    def num_frames(self) -> int:
        """At most the limit."""
        return min(self.whole.num_frames, self.limit)

    @property
    def annotated(self) -> tuple[int, ...]:
        """Those among the first frames; there may be none."""
        return tuple(index for index in self.whole.annotated if index < self.limit)


@dataclass(frozen=True, slots=True)
class WithGap(View):
    """A video that is cut away from for a while: its objects are gone, then back, moved on."""

    elsewhere: LabelledVideo
    """Whose frames are shown meanwhile."""

    @property
    def gap(self) -> range:
        """The frames that show something else: from a third of the annotated span on."""
        first, last = min(self.whole.annotated), max(self.whole.annotated)
        start = first + 1 + (last - first) // 3
        return range(start, start + min(GAP_FRAMES, (last - first + 1) // 4))

    @property
    def annotated(self) -> tuple[int, ...]:
        """Of the whole, and every frame of the gap."""
        return tuple(sorted({*self.whole.annotated, *self.gap}))

    def frame(self, index: int) -> NDArray[np.uint8]:
        """[H, W, 3], RGB"""
        if index not in self.gap:
            return self.whole.frame(index)
        place = (index - self.gap.start) % self.elsewhere.num_frames
        shown = cv2.resize(self.elsewhere.frame(place), self.size, interpolation=cv2.INTER_AREA)
        return np.asarray(shown, np.uint8)

    def masks(self, index: int) -> dict[int, NDArray[np.bool_]]:
        """Object id -> [H, W]; all False in the gap"""
        if index not in self.gap:
            return self.whole.masks(index)
        width, height = self.size
        return {n: np.zeros((height, width), np.bool_) for n in self.object_ids}

    def ignored(self, index: int) -> NDArray[np.bool_] | None:
        """[H, W]; None: all is known, as in the gap"""
        return None if index in self.gap else self.whole.ignored(index)


def with_gaps(videos: Sequence[LabelledVideo]) -> tuple[LabelledVideo, ...]:
    """Each annotated video cut away from, to the frames of the next; at least two are needed."""
    assert len(videos) > 1, "to cut away from a video another one is needed"
    nexts = (*videos[1:], videos[0])
    return tuple(WithGap(v, other) for v, other in zip(videos, nexts, strict=True) if v.annotated)


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
