import os

import numpy as np
import pytest

from sam2_rt.engine import TrackMask, TrackState
from sam2_rt.remote.shared_stream import FRAME_SLOTS, Layout, NoRoom, SharedStream
from sam2_rt.tracking.frame import Frame

LAYOUT = Layout(max_pixels=64 * 48, max_tracks=2, logits_side=8)
RANDOM = np.random.default_rng(0)


def both_sides() -> tuple[SharedStream, SharedStream]:
    here, descriptor = SharedStream.create(LAYOUT)
    there = SharedStream.attach(LAYOUT, descriptor)
    os.close(descriptor)
    return here, there


def bytes_of(*shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, shape, np.uint8)


def a_mask(track_id: int, *shape: int) -> TrackMask:
    logits = RANDOM.normal(size=(8, 8)).astype(np.float32)
    return TrackMask(track_id, TrackState.VISIBLE, 1.5, 0.75, RANDOM.random(shape) > 0.5, logits)


@pytest.mark.parametrize(
    "planes",
    [
        (bytes_of(48, 64), bytes_of(24, 32), bytes_of(24, 32)),
        (bytes_of(47, 63), bytes_of(24, 32), bytes_of(24, 32)),
        (bytes_of(48, 64, 3),),
    ],
)
def test_a_frame_arrives_as_it_was_sent(planes):
    here, there = both_sides()
    arrived = there.frame(here.put_frame(Frame(90, planes)))
    assert arrived.pts == 90
    for sent, got in zip(planes, arrived.planes, strict=True):
        np.testing.assert_array_equal(sent, got)


def test_a_frame_is_there_until_all_slots_had_their_turn():
    here, there = both_sides()
    frames = [Frame(n, (bytes_of(48, 64, 3),)) for n in range(FRAME_SLOTS + 1)]
    slips = [here.put_frame(frame) for frame in frames[:-1]]
    for frame, slip in zip(frames, slips, strict=False):
        np.testing.assert_array_equal(frame.planes[0], there.frame(slip).planes[0])
    last = here.put_frame(frames[-1])
    assert last.slot == slips[0].slot


def test_masks_come_back_as_they_were_made():
    here, there = both_sides()
    masks = (a_mask(1, 47, 63), a_mask(7, 20, 20))
    for sent, got in zip(masks, here.masks(there.put_masks(masks)), strict=True):
        assert (got.track_id, got.state, got.object_score, got.iou) == (
            sent.track_id,
            TrackState.VISIBLE,
            1.5,
            0.75,
        )
        np.testing.assert_array_equal(got.mask, sent.mask)
        assert got.mask.dtype == np.bool_
        np.testing.assert_array_equal(got.logits, sent.logits)


def test_masks_are_copies_that_the_next_answer_leaves_alone():
    here, there = both_sides()
    first = a_mask(1, 48, 64)
    (kept,) = here.masks(there.put_masks((first,)))
    there.put_masks((a_mask(1, 48, 64),))
    np.testing.assert_array_equal(kept.mask, first.mask)
    np.testing.assert_array_equal(kept.logits, first.logits)


def test_what_is_too_large_is_refused():
    here, there = both_sides()
    with pytest.raises(NoRoom, match="3072 pixels fit"):
        here.put_frame(Frame(0, (bytes_of(80, 80, 3),)))
    with pytest.raises(NoRoom, match="more than"):
        there.put_masks([a_mask(n, 80, 80) for n in range(3)])


def test_room_that_is_never_used_takes_none():
    huge = Layout(max_pixels=3840 * 2160, max_tracks=16, logits_side=256)
    shared, descriptor = SharedStream.create(huge)
    shared.put_frame(Frame(0, (bytes_of(48, 64, 3),)))
    used = os.fstat(descriptor).st_blocks * 512
    os.close(descriptor)
    assert huge.total_bytes > 2**26
    assert used < 2**20
