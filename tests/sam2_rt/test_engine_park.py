"""Streams that rest: all that their tracks remember is there when they go on."""

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from sam2_rt.data.ball_clip import BALL_ID, BALLOON_ID, SyntheticFrame, make_clip
from sam2_rt.engine import (
    Adopted,
    Engine,
    EngineConfig,
    StepRequest,
    StepResult,
    TrackerConfig,
    UnknownStream,
)
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt

NUM_BEFORE, GAP, NUM_AFTER = 12, 30, 8
CLOCK = 5
"""pts of the first frame after the gap: another connection counts anew."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine.load(
        EngineConfig(device="cpu", tracker=TrackerConfig(max_tracks=2), pool_tracks=3)
    )


@pytest.fixture(scope="module")
def clip() -> list[SyntheticFrame]:
    return list(make_clip(seed=3, num_frames=NUM_BEFORE + GAP + NUM_AFTER, size=(320, 180)))


def boxes(labels: np.ndarray) -> tuple[Prompt, ...]:
    """Around each object in sight."""
    height, width = labels.shape
    prompts = []
    for track_id in (BALL_ID, BALLOON_ID):
        y, x = np.nonzero(labels == track_id)
        if len(x):
            box = (x.min() / width, y.min() / height, (x.max() + 1) / width, (y.max() + 1) / height)
            prompts.append(Prompt(track_id, box=tuple(map(float, box))))
    return tuple(prompts)


def grey(pts: int) -> Frame:
    planes = tuple(np.full(side, 90, np.uint8) for side in ((32, 32), (16, 16), (16, 16)))
    return Frame(pts, planes)


def follow(
    engine: Engine, stream: int, clip: Iterable[SyntheticFrame], prompts: Sequence[Prompt] = ()
) -> float:
    """Mean IoU of all objects in sight."""
    scores = []
    for row, one in enumerate(clip):
        frame = Frame(CLOCK + 3000 * row, (one.rgb,))
        said = tuple(prompts) if row == 0 else ()
        (result,) = engine.step([StepRequest(stream, frame, said)])
        assert isinstance(result, StepResult), result
        for mask in result.masks:
            truth = one.labels == mask.track_id
            if truth.any():
                scores.append((mask.mask & truth).sum() / (mask.mask | truth).sum())
    return float(np.mean(scores))


def test_after_a_gap_the_masks_are_as_good_as_without_one(
    engine: Engine, clip: list[SyntheticFrame]
):
    before, during, after = (
        clip[:NUM_BEFORE], clip[NUM_BEFORE : NUM_BEFORE + GAP], clip[NUM_BEFORE + GAP :]
    )  # fmt: skip
    first = boxes(before[0].labels)
    steady = engine.open()
    follow(engine, steady, [*before, *during], first)
    without_gap = follow(engine, steady, after)
    engine.close(steady)

    resting = engine.open()
    follow(engine, resting, before, first)
    assert engine.park(resting) == (BALL_ID, BALLOON_ID)
    assert engine.adopt(resting) == Adopted((BALL_ID, BALLOON_ID), NUM_BEFORE)
    after_gap = follow(engine, resting, after)
    engine.close(resting)

    anew = engine.open()  # what a token gives: the boxes of the last frame that was seen
    by_boxes = follow(engine, anew, after, boxes(before[-1].labels))
    engine.close(anew)
    assert after_gap > without_gap - 0.03
    assert after_gap > by_boxes + 0.2


def test_a_late_prompt_never_hits_a_frame_of_before_the_rest(engine: Engine):
    stream = engine.open()
    engine.step([StepRequest(stream, grey(900), (Prompt(1, points=(Point(0.5, 0.5),)),))])
    engine.park(stream)
    engine.adopt(stream)
    late = Prompt(1, pts=900, points=(Point(0.5, 0.4),))
    (result,) = engine.step([StepRequest(stream, grey(0), (late,))])
    assert isinstance(result, StepResult), result
    (applied,) = result.prompts
    assert (applied.index, applied.is_exact) == (1, False), "the newest frame took it"
    assert [mask.track_id for mask in result.masks] == [1]
    engine.close(stream)


def test_a_stream_is_adopted_once_and_is_not_stepped_while_it_rests(engine: Engine):
    stream = engine.open()
    engine.step([StepRequest(stream, grey(0), (Prompt(1, points=(Point(0.5, 0.5),)),))])
    assert engine.park(stream) == (1,)
    (answer,) = engine.step([StepRequest(stream, grey(1))])
    assert isinstance(answer, UnknownStream)
    assert engine.adopt(stream) == Adopted((1,), 1)
    assert engine.adopt(stream) is None
    engine.close(stream)
    with pytest.raises(KeyError):
        engine.park(stream)


def test_parked_streams_leave_the_longest_parked_first_for_want_of_room(engine: Engine):
    free = engine.pool.num_free
    parked = [engine.open() for _ in range(free)]
    begin = (Prompt(1, points=(Point(0.5, 0.5),)),)
    for stream in parked:
        engine.step([StepRequest(stream, grey(0), begin)])
    for stream in parked:
        engine.park(stream)
    assert engine.pool.num_free == 0
    new = engine.open()
    (result,) = engine.step([StepRequest(new, grey(0), begin)])
    assert isinstance(result, StepResult), result
    assert [mask.track_id for mask in result.masks] == [1]
    assert engine.adopt(parked[0]) is None
    assert engine.adopt(parked[1]) is not None
    for stream in [new, *parked]:
        engine.close(stream)
    assert engine.pool.num_free == free


def test_a_stream_without_tracks_leaves_nothing_to_come_back_to(engine: Engine):
    stream = engine.open()
    engine.step([StepRequest(stream, grey(0))])
    assert engine.park(stream) == ()
    assert engine.adopt(stream) is None
