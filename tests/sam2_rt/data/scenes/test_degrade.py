import numpy as np

from sam2_rt.data.scenes.degrade import Flaws, degrade, draw_flaws

FRAME = np.random.default_rng(0).integers(40, 200, (64, 64, 3), dtype=np.uint8)


def test_without_flaws_a_frame_stays_as_it_is():
    assert (degrade(FRAME, Flaws(), 0) == FRAME).all()


def test_noise_has_its_strength_and_differs_between_frames():
    flaws = Flaws(noise=6.0, seed=3)
    first, second = (degrade(FRAME, flaws, index).astype(int) - FRAME for index in (0, 1))
    assert 5.5 < first.std() < 6.5
    assert (first != second).mean() > 0.5
    assert (degrade(FRAME, flaws, 0) - FRAME == first.astype(np.uint8)).all()


def test_compression_keeps_the_colours():
    flat = np.full((64, 64, 3), (200, 60, 20), np.uint8)
    packed = degrade(flat, Flaws(quality=40), 0)
    assert np.abs(packed.astype(int) - flat).max() < 8
    assert (degrade(FRAME, Flaws(quality=40), 0) != FRAME).any()


def test_blur_cast_and_grey_do_what_they_say():
    assert degrade(FRAME, Flaws(blur=1.5), 0).std() < 0.6 * FRAME.std()
    grey = degrade(FRAME, Flaws(grey=True), 0)
    assert (grey[..., 0] == grey[..., 2]).all()
    warm = degrade(FRAME, Flaws(table=((1.2, 1.0), (1.0, 1.0), (0.8, 1.0))), 0)
    assert warm[..., 0].mean() > FRAME[..., 0].mean()
    assert (warm[..., 1] == FRAME[..., 1]).all()


def test_some_clips_have_no_flaws_and_easy_ones_few():
    hard = [draw_flaws(np.random.default_rng(seed), 1.0) for seed in range(100)]
    easy = [draw_flaws(np.random.default_rng(seed), 0.0) for seed in range(100)]
    clean = [(one.blur, one.noise, one.quality, one.table) == (0, 0, 0, ()) for one in hard]
    assert 20 <= sum(clean) <= 60
    assert max(one.noise for one in easy) <= 1
    assert max(one.noise for one in hard) > 6
