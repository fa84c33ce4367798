import asyncio
from pathlib import Path

import av
import numpy as np
import pytest
from films import write_film

from load.picture_code import read
from load.scene import Ball, Clip, Pattern, Scene, overlap
from streamer.client import Point

SMALL = {"width": 96, "height": 64, "fps": 100}


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "film.mp4", num_frames=5)


def scenes(film: Path) -> list[Scene]:
    return [Pattern(**SMALL), Ball(**SMALL), Clip(**SMALL, path=film)]


async def test_each_scene_moves_and_keeps_its_size_and_pace(film: Path):
    for scene in scenes(film):
        frames = scene.frames()
        began_s = asyncio.get_running_loop().time()
        taken = [await anext(frames) for _ in range(4)]
        assert asyncio.get_running_loop().time() - began_s > 2.5 / scene.fps
        await frames.aclose()
        assert [(f.width, f.height, f.pts) for f in taken] == [(96, 64, n) for n in range(4)]
        assert [read(frame) for frame in taken] == [0, 1, 2, 3]
        upper = [frame.to_ndarray()[:40] for frame in taken]
        assert not np.array_equal(upper[0], upper[1])


def test_a_film_goes_to_and_fro_without_a_cut(film: Path):
    levels = [int(picture[:64].mean()) for picture in Clip(**SMALL, path=film).round()]
    assert levels == levels[::-1]
    assert len(levels) == 10
    assert levels[:5] == pytest.approx([60, 64, 68, 72, 76], abs=2)


def test_the_ball_is_wholly_in_sight_and_its_middle_is_clicked():
    ball = Ball(**SMALL)
    sizes = [ball.truth(index).sum() for index in range(len(ball.round()))]
    assert min(sizes) > 0.8 * max(sizes) > 100
    for index in (0, 39, 40, 79, 1000):
        first, second = ball.places(index, 2)
        assert ball.truth(index)[int(first.y * 64), int(first.x * 96)]
        assert not ball.truth(index)[int(second.y * 64), int(second.x * 96)], "the balloon"
    moved = ball.places(39, 1)[0].x - ball.places(0, 1)[0].x
    assert 0.15 < abs(moved) < 0.4
    assert len(ball.places(0, 5)) == 5


def test_a_film_is_clicked_where_its_user_says_and_then_anywhere(film: Path):
    clip = Clip(**SMALL, path=film, click=Point(0.2, 0.3))
    assert clip.places(9, 1) == [Point(0.2, 0.3)]
    assert len(clip.places(9, 3)) == 3
    assert Pattern().places(0, 1) == [Point(0.5, 0.5)]


def test_what_is_no_film_is_an_error(tmp_path: Path):
    (tmp_path / "words.txt").write_text("no film")
    with pytest.raises(av.FFmpegError):
        Clip(**SMALL, path=tmp_path / "words.txt").round()


def test_overlap_is_of_the_truth_at_the_grid_s_cells():
    truth = np.zeros((64, 96), bool)
    truth[:32, :48] = True
    mask = np.zeros((4, 6), bool)
    mask[:2, :3] = True
    assert overlap(mask, truth) == 1
    mask[:2, 3:] = True
    assert overlap(mask, truth) == 0.5
    assert overlap(np.zeros((4, 6), bool), truth) == 0
    assert overlap(np.zeros((4, 6), bool), ~truth & truth) == 0
