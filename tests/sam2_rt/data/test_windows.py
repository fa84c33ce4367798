from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from golden_data import shared
from sam2_rt.data.clip import ClipError
from sam2_rt.data.folders import open_dataset
from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.sample import Sample
from sam2_rt.data.windows import MAX_STRIDE, resize_mask, sample_window
from tiny_datasets import write_sav, write_shared


@dataclass(frozen=True)
class Squares:
    """Red square 1 and green square 2 on blue; the frame's index is the row of their tops."""

    name: str = "squares"
    num_frames: int = 30
    size: tuple[int, int] = (120, 80)
    annotated: tuple[int, ...] = tuple(range(30))
    object_ids: tuple[int, ...] = (1, 2, 3)
    broken: int = -1
    read: list[int] = field(default_factory=list)

    def frame(self, index: int) -> NDArray[np.uint8]:
        if index == self.broken:
            raise ClipError(f"frame {index} is broken")
        self.read.append(index)
        rgb = np.zeros((80, 120, 3), np.uint8)
        rgb[..., 2] = 200
        for channel, mask in enumerate(list(self.masks(index).values())[:2]):
            rgb[mask] = 0
            rgb[mask, channel] = 200
        return rgb

    def masks(self, index: int) -> dict[int, NDArray[np.bool_]]:
        masks = {i: np.zeros((80, 120), np.bool_) for i in self.object_ids}
        masks[1][index : index + 40, 10:50] = True
        masks[2][index : index + 30, 70:110] = True
        return masks

    def ignored(self, index: int) -> NDArray[np.bool_] | None:
        masks = self.masks(index)
        return ~(masks[1] | masks[2]) if index == 5 else None


def draw(video: Squares, seed: int, num_frames: int = 4, max_masklets: int = 4) -> Sample:
    sample = sample_window(video, np.random.default_rng(seed), num_frames, 64, max_masklets)
    assert isinstance(sample, Sample), sample
    return sample


def test_masks_lie_on_what_is_seen():
    for seed in range(20):
        sample = draw(Squares(), seed)
        assert sample.frames.shape == (4, 64, 64, 3)
        if np.ptp(sample.frames, axis=-1).max() < 40:  # the colours are gone
            continue
        channels = set()
        for masklet in sample.masklets:
            inside = sample.frames[masklet].astype(int)
            outside = sample.frames[~masklet].astype(int)
            channel = int((np.median(inside, axis=0) - np.median(outside, axis=0)).argmax())
            is_channel = sample.frames.argmax(axis=-1) == channel
            assert (is_channel == masklet).mean() > 0.95
            channels.add(channel)
        assert len(channels) == len(sample.masklets)


def test_objects_are_seen_in_the_first_frame_and_absent_ones_are_not_learned():
    for seed in range(20):
        sample = draw(Squares(), seed)
        assert 1 <= len(sample.masklets) <= 2
        assert sample.masklets[:, 0].any(axis=(1, 2)).all()


def test_no_more_masklets_than_asked_for_are_drawn():
    found = [draw(Squares(), seed, max_masklets=1) for seed in range(20)]
    assert all(len(sample.masklets) == 1 for sample in found)
    channels = {int(s.frames[s.masklets[0]].mean(axis=0).argmax()) for s in found}
    assert channels == {0, 1}  # at times one object, at times the other


def test_strides_and_directions_vary_and_frames_are_read_forwards():
    strides, directions = set(), set()
    for seed in range(40):
        video = Squares()
        sample = draw(video, seed)
        assert video.read == sorted(video.read)
        strides.update(np.diff(video.read).tolist())
        tops = [int(np.flatnonzero(mask.any(axis=1))[0]) for mask in sample.masklets[0]]
        directions.add(bool(tops[-1] < tops[0]))
    assert (strides, directions) == (set(range(1, MAX_STRIDE + 1)), {False, True})


def test_a_short_video_is_read_as_densely_as_it_must():
    video = Squares(annotated=(0, 10, 20, 29))
    draw(video, 0)
    assert video.read == [0, 10, 20, 29]


def test_unknown_pixels_follow_the_cut():
    for seed in range(20):
        sample = draw(Squares(annotated=(5,)), seed, num_frames=1)
        known = sample.masklets.any(axis=0)
        assert sample.ignored is not None
        assert (sample.ignored | known).mean() > 0.99
        assert (sample.ignored & known).mean() < 0.1
    assert draw(Squares(annotated=(6,)), 0, num_frames=1).ignored is None


def test_the_same_seed_gives_the_same_window():
    one, same, other = (draw(Squares(), seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one.frames, same.frames)
    np.testing.assert_array_equal(one.masklets, same.masklets)
    assert not np.array_equal(one.frames, other.frames)


def test_a_broken_frame_in_the_middle_is_named():
    video = Squares(annotated=(0, 10, 20, 29), broken=20)
    assert sample_window(video, np.random.default_rng(0), 4, 64) == Skipped(
        "squares", "frame 20 is broken"
    )


@pytest.mark.parametrize(
    ("video", "reason"),
    [
        (Squares(annotated=(0, 5)), "2 annotated frames, 4 are asked for"),
        (replace(Squares(), num_frames=200, annotated=tuple(range(150, 190))), "no object in 4"),
    ],
)
def test_a_video_without_a_window_is_named(video: Squares, reason: str):
    skipped = sample_window(video, np.random.default_rng(0), 4, 64)
    assert isinstance(skipped, Skipped)
    assert reason in skipped.reason


def test_a_mask_is_resized_to_the_nearest_half():
    mask = np.zeros((80, 120), np.bool_)
    mask[20:60, 30:90] = True
    small = resize_mask(mask, (0, 0, 120, 80), 40)
    assert small.mean() == pytest.approx(0.25, abs=0.01)
    assert resize_mask(mask, (30, 20, 90, 60), 40).all()
    assert not resize_mask(mask, (0, 0, 28, 18), 40).any()


def test_windows_of_sa_v_and_of_folders_come(tmp_path: Path):
    for folder in (write_sav(tmp_path / "sav", "a"), write_shared(tmp_path / "shared", "a")):
        video = open_dataset(folder).videos[0]
        for seed in range(4):
            sample = sample_window(video, np.random.default_rng(seed), 3, 32)
            assert isinstance(sample, Sample)
            assert sample.frames.shape == (3, 32, 32, 3)


def test_windows_of_the_shared_clips_come():
    for video in open_dataset(shared("data/sequences")).videos:
        if len(video.annotated) > 8:
            sample = sample_window(video, np.random.default_rng(0), 8, 128)
            assert isinstance(sample, Sample)
            assert sample.masklets[:, 0].mean() > 1e-3
