from pathlib import Path

import numpy as np
from PIL import Image

from sam2_rt.data.scenes.photos import photo_bank
from sam2_rt.data.worlds.look import CUBE_SIDE, draw_cube, draw_picture, draw_surface


def test_pictures_have_the_size_asked_for_with_and_without_photographs(tmp_path: Path):
    Image.new("RGB", (40, 30), (250, 10, 20)).save(tmp_path / "red.png")
    red = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        assert draw_picture(rng, photo_bank(()), 48, 64).shape == (48, 64, 3)
        picture = draw_picture(rng, photo_bank((tmp_path,)), 48, 64)
        assert picture.shape == (48, 64, 3)
        red += int((picture == (250, 10, 20)).all())
    assert 10 <= red <= 25


def test_a_cube_has_six_faces_of_the_picture():
    picture = np.zeros((50, 70, 3), np.uint8)
    picture[..., 0] = np.arange(70)
    cube = draw_cube(np.random.default_rng(0), picture)
    assert cube.shape == (6 * CUBE_SIDE, CUBE_SIDE, 3)
    faces = cube.reshape(6, CUBE_SIDE, CUBE_SIDE, 3)
    assert len({int(face[..., 0].sum()) for face in faces}) > 1
    assert not cube[..., 1:].any()


def test_surfaces_are_dull_or_glossy():
    shine = [draw_surface(np.random.default_rng(seed)).specular for seed in range(100)]
    assert min(shine) < 0.1
    assert 0.8 < max(shine) <= 1
