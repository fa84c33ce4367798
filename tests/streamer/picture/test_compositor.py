import numpy as np
import pytest
from numpy.typing import NDArray

from sam2_rt.engine import Applied, Refused, StepResult, TrackMask, TrackState
from sam2_rt.tracking.frame import Frame
from streamer.picture.compositor import Compositor, still_hides
from streamer.picture.effects import to_yuv
from streamer.picture.output import GREEN, Mode, Output

HEIGHT, WIDTH = 96, 128
IN, OUT = (48, 40), (48, 110)
"""Rows and columns: of the object, and far from it."""


def picture(height: int = HEIGHT, width: int = WIDTH) -> Frame:
    y, x = np.mgrid[:height, :width]
    luma = (100 + 60 * ((y + x) % 2)).astype(np.uint8)
    half = ((height + 1) // 2, (width + 1) // 2)
    return Frame(7, (luma, np.full(half, 100, np.uint8), np.full(half, 150, np.uint8)))


def track(*, is_seen: bool = True) -> TrackMask:
    logits = np.full((32, 32), -9, np.float32)
    if is_seen:
        logits[8:24, 4:16] = 9
    whole = np.kron(logits > 0, np.ones((HEIGHT // 32, WIDTH // 32), np.bool_))
    return TrackMask(1, TrackState.VISIBLE, 1.0, 1.0, whole, logits)


def paint(mode: Mode, *masks: TrackMask, hides: bool = True, **options: object) -> Frame:
    return Compositor().paint(picture(), masks, Output(mode, **options), hides)


def at(frame: Frame, place: tuple[int, int]) -> tuple[int, int, int]:
    row, column = place
    y, u, v = frame.planes
    return int(y[row, column]), int(u[row // 2, column // 2]), int(v[row // 2, column // 2])


def roughness(frame: Frame, place: tuple[int, int]) -> float:
    row, column = place
    return float(frame.planes[0][row - 6 : row + 6, column - 6 : column + 6].std())


SHARP = roughness(picture(), IN)


@pytest.mark.parametrize("mode", [Mode.BLUR, Mode.REPLACE, Mode.GREEN, Mode.SPOTLIGHT])
def test_background_modes_leave_the_object_as_it_came_and_change_the_rest(mode: Mode):
    painted = paint(mode, track())
    assert at(painted, IN) == at(picture(), IN)
    assert roughness(painted, IN) == SHARP
    assert roughness(painted, OUT) < 0.7 * SHARP


@pytest.mark.parametrize("mode", [Mode.PIXELATE, Mode.REDACT_BLUR])
def test_redaction_changes_the_object_and_leaves_the_rest(mode: Mode):
    painted = paint(mode, track())
    assert roughness(painted, IN) < 0.1 * SHARP
    assert at(painted, OUT) == at(picture(), OUT)
    assert roughness(painted, OUT) == SHARP


def test_the_background_is_of_the_colour_that_was_asked_for():
    assert at(paint(Mode.REPLACE, track(), colour=(255, 0, 0)), OUT) == to_yuv(255, 0, 0)
    assert at(paint(Mode.GREEN, track()), OUT) == to_yuv(*GREEN)


def test_the_background_is_the_image_at_the_size_of_the_frame_and_follows_both():
    compositor = Compositor()
    white, black = (np.full((5, 9, 3), value, np.uint8) for value in (255, 0))
    masks = (track(),)
    for image, luma in ((white, 235), (black, 16)):
        output = Output(Mode.REPLACE, image=image)
        for size in ((HEIGHT, WIDTH), (48, 64), (HEIGHT, WIDTH)):
            painted = compositor.paint(picture(*size), masks, output, True)
            assert [p.shape for p in painted.planes] == [p.shape for p in picture(*size).planes]
            assert painted.planes[0][3, -3] == luma


def test_a_cutout_is_the_object_on_black_beside_its_alpha():
    painted = paint(Mode.CUTOUT, track())
    assert (painted.height, painted.width) == (HEIGHT, 2 * WIDTH)
    assert at(painted, IN) == at(picture(), IN)
    assert at(painted, OUT) == (16, 128, 128)
    assert at(painted, (IN[0], IN[1] + WIDTH)) == (235, 128, 128)
    assert at(painted, (OUT[0], OUT[1] + WIDTH)) == (16, 128, 128)


def test_overlay_tints_and_none_changes_nothing():
    assert at(paint(Mode.OVERLAY, track()), IN) != at(picture(), IN)
    frame = picture()
    assert Compositor().paint(frame, (track(),), Output(Mode.NONE), True) is frame


@pytest.mark.parametrize("mode", list(Mode))
def test_before_the_first_click_the_picture_is_seen_so_that_it_can_be_clicked(mode: Mode):
    painted = paint(mode, hides=False)
    if mode is Mode.CUTOUT:
        assert painted.width == 2 * WIDTH, "the size must not change with the first click"
        assert at(painted, (IN[0], IN[1] + WIDTH)) == (16, 128, 128)
    assert at(painted, OUT) == at(picture(), OUT)


@pytest.mark.parametrize("mode", [Mode.BLUR, Mode.REPLACE, Mode.GREEN])
def test_no_room_is_shown_while_the_object_is_away_or_dropped(mode: Mode):
    for masks in ((track(is_seen=False),), ()):
        assert roughness(paint(mode, *masks), IN) < 0.4 * SHARP


@pytest.mark.parametrize("mode", list(Mode))
def test_the_frame_itself_stays_as_it_came(mode: Mode):
    frame, before = picture(), picture()
    Compositor().paint(frame, (track(),), Output(mode), True)
    assert all(np.array_equal(a, b) for a, b in zip(frame.planes, before.planes, strict=True))


def result(*masks: TrackMask, removals: tuple[Applied | Refused, ...] = ()) -> StepResult:
    return StepResult(0, 0, masks, (), removals, (), 1)


def test_only_a_removal_shows_the_background_again():
    gone = Applied(1, 0, is_exact=True)
    assert not still_hides(False, result())
    assert still_hides(False, result(track()))
    assert still_hides(True, result()), "dropped after it was away for long"
    assert still_hides(True, result(removals=(Refused(9, "unknown_track", "no track"),)))
    assert not still_hides(True, result(removals=(gone,)))
    assert still_hides(True, result(track(), removals=(gone,))), "another is still there"


def test_two_objects_are_both_kept() -> None:
    other: NDArray[np.float32] = np.full((32, 32), -9, np.float32)
    other[8:24, 24:31] = 9
    second = TrackMask(2, TrackState.VISIBLE, 1.0, 1.0, np.zeros((HEIGHT, WIDTH), bool), other)
    painted = paint(Mode.GREEN, track(), second)
    assert at(painted, IN) == at(picture(), IN)
    assert at(painted, OUT) == at(picture(), OUT)
    assert at(painted, (48, 80)) == to_yuv(*GREEN)
