"""The interactive suite: a user who corrects, on every video, offline and online."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from sam2_rt.data.clip import ClipError
from sam2_rt.data.labelled_video import LabelledVideo, Skipped
from sam2_rt.eval.follower import Begin
from sam2_rt.eval.interactive import Curve, offline, online
from sam2_rt.eval.sheet import Reel, Strip, Worst
from sam2_rt.eval.sources import NothingToScore, Source
from sam2_rt.eval.suites import Tick, each_video

OFFLINE, BOTH_WAYS, ONLINE = "offline", "offline, both ways", "online"


@dataclass(frozen=True, slots=True)
class InteractiveResult:
    """Curves of all objects, by what the user does."""

    curves: Mapping[str, tuple[Curve, ...]]
    """By OFFLINE, ONLINE and, where that was asked for, BOTH_WAYS."""
    skipped: tuple[Skipped, ...]

    @property
    def num_objects(self) -> int:
        """That were followed."""
        return len(self.curves[ONLINE])


def run_interactive(
    begin: Begin,
    source: Source,
    num_frames: int,
    *,
    both_ways: bool = False,
    worst: Mapping[str, Worst] | None = None,
) -> InteractiveResult:
    """Plays the user on each video, offline and online, clicking in up to num_frames frames.

    both_ways: offline also with clicks that reach back. Of OFFLINE and ONLINE, `worst` takes in the
    objects as they are in the end.
    """
    modes: dict[str, Callable[..., list[Curve]]] = {
        OFFLINE: offline,
        BOTH_WAYS: partial(offline, reaches_back=True),
        ONLINE: online,
    }
    if not both_ways:
        del modes[BOTH_WAYS]
    curves: dict[str, list[Curve]] = {mode: [] for mode in modes}

    def score(video: LabelledVideo, tick: Tick) -> None:
        if not video.annotated:
            raise ClipError("no annotated frame is left")
        of_video = {}
        for mode, play in modes.items():
            reel = Reel(video.annotated if worst and mode in worst else ())
            of_video[mode] = play(video, begin, num_frames, watch=reel.watch)
            if worst and mode in worst:
                for strip in _curve_strips(video, of_video[mode], reel):
                    worst[mode].add(strip)
            tick()
        for mode, found in of_video.items():  # all or none, should the video break
            curves[mode] += found

    skipped = each_video(source, "interactive", len(modes) * sum(1 for _ in source), score)
    if not curves[ONLINE]:
        raise NothingToScore(f"no object could be followed: {'; '.join(map(str, skipped[:3]))}")
    return InteractiveResult({mode: tuple(found) for mode, found in curves.items()}, skipped)


def _curve_strips(video: LabelledVideo, curves: Sequence[Curve], reel: Reel) -> Iterator[Strip]:
    rows = {object_id: row for row, object_id in enumerate(video.object_ids)}
    for curve in curves:
        label = (video.name, f"object {curve.object_id}", f"J&F {curve.jf[-1]:.3f}")
        yield Strip(curve.jf[-1], label, reel.tiles(rows[curve.object_id]))
