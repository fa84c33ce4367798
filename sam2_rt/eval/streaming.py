"""Streaming: the same objects when frames are lost on the way or come rarely."""

import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from sam2_rt.data.labelled_video import LabelledVideo
from sam2_rt.eval.follower import Begin
from sam2_rt.eval.vos import Found, ObjectScore, Scorer, Told, Truth, Watch, follow


@dataclass(frozen=True, slots=True)
class Delivery:
    """Which frames of a stream arrive. The first annotated one always does."""

    name: str
    dropped: float = 0.0
    """Share that is lost, each frame by itself."""
    every: int = 1
    """Only each n-th frame is sent."""

    def indices(self, video: LabelledVideo, seed: int = 0) -> frozenset[int]:
        """The frames that arrive; the same for the same seed, whatever the machine."""
        first = min(video.annotated)
        sent = np.arange(first, video.num_frames, self.every)
        of_video = zlib.crc32(video.name.encode())  # not the same frames in each
        lost = np.random.default_rng((seed, of_video)).random(len(sent)) < self.dropped
        lost[0] = False
        return frozenset(int(index) for index in sent[~lost])


DELIVERIES: Final = (
    Delivery("all"),
    Delivery("10 % lost", dropped=0.1),
    Delivery("50 % lost", dropped=0.5),
    Delivery("every 2nd", every=2),
    Delivery("every 4th", every=4),
)


@dataclass(frozen=True, slots=True)
class StreamScore:
    """One video as far as it arrived."""

    arrived: tuple[ObjectScore, ...]
    """Judged in the frames that were processed."""
    held: tuple[ObjectScore, ...]
    """Judged in every frame; where none arrived, the last mask stands, as on a viewer's screen."""


def score_stream(
    video: LabelledVideo, begin: Begin, indices: frozenset[int], watch: Watch = lambda _: None
) -> StreamScore:
    """Follows every object, told of by its mask, through the frames that arrive."""
    arrived, held = Scorer(video), Scorer(video)
    last: Found | None = None
    for found in follow(video, begin(len(video.object_ids)), Told.MASK, indices):
        if last is not None:
            _hold(held, video, last, range(last.index + 1, found.index))
        arrived.add(found)
        held.add(found)
        watch(found)
        last = found
    if last is not None:
        _hold(held, video, last, range(last.index + 1, max(video.annotated) + 1))
    return StreamScore(arrived.scores()[0], held.scores()[0])


def _hold(scorer: Scorer, video: LabelledVideo, last: Found, indices: Iterable[int]) -> None:
    """Judges the last masks in frames that did not arrive."""
    annotated = set(video.annotated)
    for index in indices:
        if index in annotated:
            truth = Truth.of(video, index)
            scorer.add(replace(last, index=index, truth=truth, begun=frozenset()))
