import argparse
from pathlib import Path

import pytest
from films import write_film

from load.options import add_scene, take_scene
from load.scene import Ball, Clip, Pattern, Scene
from streamer.client import Point


def scene(*arguments: str) -> Scene:
    parser = argparse.ArgumentParser()
    parser.add_argument("--other", default=1)
    add_scene(parser)
    given = parser.parse_args(arguments)
    taken = take_scene(given)
    assert vars(given) == {"other": 1}, "the rest is the program's"
    return taken


def test_the_ball_is_sent_unless_another_scene_is_named():
    assert scene() == Ball()
    small = {"width": 96, "height": 64, "fps": 10, "output": "blur"}
    options = [part for key, value in small.items() for part in (f"--{key}", str(value))]
    assert scene("--scene", "stripes", *options) == Pattern(**small)


def test_a_film_is_named_by_its_path(tmp_path: Path):
    film = write_film(tmp_path / "film.mp4", num_frames=2)
    assert scene("--scene", str(film)) == Clip(path=film)
    clicked = scene("--scene", str(film), "--click", "0.25,0.75")
    assert clicked == Clip(path=film, click=Point(0.25, 0.75))


@pytest.mark.parametrize("click", ["1", "a,b", "0.5,7"])
def test_what_names_nothing_ends_the_program_with_words(tmp_path: Path, click: str):
    with pytest.raises(SystemExit, match=r"nowhere\.mp4: neither"):
        scene("--scene", "nowhere.mp4")
    film = write_film(tmp_path / "film.mp4", num_frames=2)
    with pytest.raises(SystemExit, match=f"--click {click}: not X,Y"):
        scene("--scene", str(film), "--click", click)
