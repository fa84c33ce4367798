from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from sam2_rt.data.scenes.photos import photo_bank
from sam2_rt.data.worlds.builder import Actor, Builder
from sam2_rt.data.worlds.eye import Shot, film
from sam2_rt.data.worlds.figure import Figure, Limb, Shape
from sam2_rt.data.worlds.studio import Set, Studio

SIZE = 96
SHOT = Shot(distance=3.0, azimuth=0.3, elevation=0.2, tangent=0.5)
SNOWMAN = Figure(
    (
        Limb(Shape.BALL, (1, 1, 1)),
        Limb(Shape.BALL, (0.6, 0.6, 0.6), 0, (0, 0, 0.9)),
    )
)


@pytest.fixture(scope="module")
def studio(mujoco: Any) -> Iterator[Studio]:
    studio = Studio(mujoco, SIZE)
    yield studio
    studio.close()


def build(mujoco: Any, *, is_lit: bool) -> Any:
    """Two snowmen on a ground: red and green in a blue world, without light or in it."""
    builder = Builder(mujoco, np.random.default_rng(0), photo_bank(()))
    builder.add_ground()
    builder.add_lights()
    for index, y in enumerate((-0.4, 0.5)):
        builder.add_actor(index, Actor(SNOWMAN, 0.3, (0, y, 0.3), (1, 0, 0, 0), False, index))
    light = builder.spec.visual.headlight
    if not is_lit:
        light.ambient, light.diffuse, light.specular = (1, 1, 1), (0, 0, 0), (0, 0, 0)
        for other in builder.spec.lights:
            other.active = False
    model = builder.compile()
    model.geom_matid[:] = -1
    model.geom_rgba[:] = (0, 0, 1, 1)
    for index, colour in enumerate(((1, 0, 0, 1), (0, 1, 0, 1))):
        for limb in range(2):
            model.geom_rgba[model.geom(f"{index}.{limb}").id] = colour
    return model


def look(built: Set) -> tuple[np.ndarray, np.ndarray]:
    path = film(np.random.default_rng(0), SHOT, np.array([(0, 0, 0.4)]), 0.1)
    built.place(built.data.qpos.copy(), path, 0)
    return built.picture(), built.segments()


def test_segments_are_what_is_seen(mujoco: Any, studio: Studio):
    model = build(mujoco, is_lit=False)
    with studio.open(model, 1.0) as built:
        picture, segments = look(built)
    for index, channel in enumerate((0, 1)):
        geoms = [model.geom(f"{index}.{limb}").id for limb in range(2)]
        shown = np.isin(segments, geoms)
        assert 0.02 < shown.mean() < 0.5
        np.testing.assert_array_equal(picture[..., channel] > 200, shown)
        body, head = (np.nonzero(segments == geom)[0].mean() for geom in geoms)
        assert head < body - 10  # rows are counted from above


def test_bodies_are_shaded(mujoco: Any, studio: Studio):
    model = build(mujoco, is_lit=True)
    with studio.open(model, 1.0) as built:
        picture, segments = look(built)
    ball = picture[segments == model.geom("0.0").id][:, 0].astype(int)
    assert np.ptp(ball) > 40
    assert ball.mean() > 40


def test_a_wide_view_squeezes_what_it_shows(mujoco: Any, studio: Studio):
    model = build(mujoco, is_lit=True)
    head = model.geom("0.1").id
    found = {}
    for aspect in (1.0, 1.6):
        with studio.open(model, aspect) as built:
            rows, columns = np.nonzero(look(built)[1] == head)
        found[aspect] = np.ptp(columns) / np.ptp(rows)
    assert found[1.0] / found[1.6] == pytest.approx(1.6, rel=0.12)


def test_one_studio_draws_world_after_world(mujoco: Any, studio: Studio):
    pictures = []
    for is_lit in (True, False, True):
        with studio.open(build(mujoco, is_lit=is_lit), 1.0) as built:
            pictures.append(look(built)[0])
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert not np.array_equal(pictures[0], pictures[1])
