import numpy as np
import pytest

from sam2_rt.data.scenes.motion import (
    MAX_STEP,
    MAX_STEP_EASY,
    Motion,
    Tempo,
    draw_motion,
    draw_start,
    draw_tempo,
    wander,
)


def test_harder_clips_may_be_faster():
    tempos = [draw_tempo(np.random.default_rng(seed), 8, 1.0) for seed in range(200)]
    easy = [draw_tempo(np.random.default_rng(seed), 8, 0.0) for seed in range(200)]
    assert np.mean([one.pace for one in tempos]) > 1.3 * np.mean([one.pace for one in easy])
    assert max(one.pace for one in tempos) <= MAX_STEP
    assert {one.most for one in easy} == {MAX_STEP_EASY}


def test_clips_of_two_frames_rarely_jump():
    assert draw_tempo(np.random.default_rng(0), 2, 1.0).leave < 0.15


@pytest.mark.parametrize("seed", range(20))
def test_what_leaves_ends_off_its_first_place_or_comes_back(seed):
    rng = np.random.default_rng(seed)
    motion = draw_motion(rng, 8, np.zeros(2), 0.3, Tempo(0.01, MAX_STEP, 1.0))
    away = np.linalg.norm(motion.place - motion.place[0], axis=1)
    assert away.max() > 0.3


@pytest.mark.parametrize("seed", range(20))
def test_what_stays_stays(seed):
    rng = np.random.default_rng(seed)
    motion = draw_motion(rng, 8, np.zeros(2), 0.3, Tempo(0.003, MAX_STEP, 0.0))
    assert np.abs(motion.place - motion.place[0]).max() < 0.08
    assert np.abs(motion.size / 0.3 - 1).max() < 0.05


def test_long_courses_stay_about_the_frame():
    courses = [wander(np.random.default_rng(s), np.zeros(2), 0.08, 60) for s in range(20)]
    far = np.abs(np.concatenate(courses)).max(axis=1)
    assert np.median(far) < 0.5
    steps = np.linalg.norm(np.diff(np.stack(courses), axis=1), axis=2)
    assert steps.max() < 0.25
    assert 0.04 < steps.mean() < 0.12


def test_one_frame_is_a_course_too():
    rng = np.random.default_rng(0)
    motion = draw_motion(rng, 1, np.array((0.1, 0.2)), 0.3, Tempo(0.01, MAX_STEP, 0.0))
    assert np.allclose(motion.place, ((0.1, 0.2),))
    assert np.isfinite(motion.matrices((20, 10))).all()


def test_starts_keep_apart():
    near = np.zeros(2)
    free = [draw_start(np.random.default_rng(seed), []) for seed in range(100)]
    kept = [draw_start(np.random.default_rng(seed), [near]) for seed in range(100)]
    assert np.mean(np.linalg.norm(kept, axis=1)) > 1.2 * np.mean(np.linalg.norm(free, axis=1))


def test_a_sprite_s_middle_is_at_its_place_and_its_longer_side_is_its_size():
    motion = Motion(np.array(((0.1, -0.2),)), np.array((0.5,)), np.array((0.4,)))
    (matrix,) = motion.matrices((80, 40))
    assert np.allclose(matrix @ (40, 20, 1), (0.1, -0.2, 1))
    left, right = matrix @ (0, 20, 1), matrix @ (80, 20, 1)
    assert np.isclose(np.linalg.norm(right - left), 0.4)
