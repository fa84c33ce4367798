from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from picture_folders import write_masked
from sam2_rt.data.scenes.actors import (
    Stage,
    draw_actors,
    draw_bust,
    draw_doubles,
    draw_occluder,
    draw_size,
)
from sam2_rt.data.scenes.affine import corners
from sam2_rt.data.scenes.camera import draw_camera
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.motion import Tempo
from sam2_rt.data.scenes.photos import cutout_bank, masked_bank, photo_bank
from sam2_rt.data.scenes.scene import Format

FORM = Format(6, 128, 1.0)


def stage(seed: int, folder=None) -> Stage:
    rng = np.random.default_rng(seed)
    masked = masked_bank(() if folder is None else (folder,))
    cast = Cast(photo_bank(()), masked, cutout_bank(()))
    camera = draw_camera(rng, FORM.num_frames, FORM.size, 0.04)
    return Stage(rng, cast, FORM, camera, cast.background(rng), Tempo(0.04, 0.1, 0.5))


@pytest.fixture
def people(tmp_path):
    """Red boxes that the lower border cuts off."""
    folder = write_masked(tmp_path / "m", 1)
    ids = np.zeros((240, 320), np.uint8)
    ids[100:, 100:220] = 7
    Image.fromarray(ids).save(folder / "masks" / "0.png")
    return folder


def test_every_actor_has_a_course_and_its_things_are_its_layers():
    for seed in range(20):
        for actor in draw_actors(stage(seed), 0.4):
            assert all(layer.matrices.shape == (6, 3, 3) for layer in actor.layers)
            assert actor.things[0] == frozenset(range(len(actor.layers)))


def test_some_actors_have_a_double_with_another_course():
    troupes = [draw_actors(stage(seed), 0.4) for seed in range(80)]
    doubled = [troupe for troupe in troupes if len(troupe) == 2]
    assert 3 <= len(doubled) <= 30
    for one, other in doubled:
        assert not np.allclose(one.layers[0].matrices, other.layers[0].matrices)


def test_occluders_are_nobody_s_object():
    assert all(draw_occluder(stage(seed)).things == () for seed in range(5))


def test_a_bust_s_lower_edge_never_comes_into_view(people):
    for seed in range(12):
        (actor,) = draw_bust(stage(seed, people))
        (layer,) = actor.layers
        feet = (layer.matrices @ corners(*layer.sprite.size)[:, 2:])[:, 1]
        assert (feet >= FORM.size).all()


def test_without_people_there_is_no_bust():
    assert draw_bust(stage(0)) == []


def test_a_double_of_an_object_of_the_photograph_shows_it(tmp_path):
    with_photos = stage(0, write_masked(tmp_path / "m", 1))
    photo = with_photos.cast.masked.draw(with_photos.rng)
    (actor,) = draw_doubles(with_photos, photo)
    sprite = actor.layers[0].sprite
    assert sprite.rgba[sprite.alpha == 255][:, 0].mean() > 200
    assert draw_doubles(with_photos, replace(photo, objects=())) == []


def test_easy_actors_are_larger():
    sizes = [
        [draw_size(np.random.default_rng(seed), difficulty, 0.85) for seed in range(50)]
        for difficulty in (0.0, 1.0)
    ]
    assert min(sizes[0]) > 0.33
    assert np.mean(sizes[0]) > np.mean(sizes[1]) + 0.08
    assert max(map(max, sizes)) <= 0.85
