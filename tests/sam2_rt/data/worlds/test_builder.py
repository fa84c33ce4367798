from typing import Any

import numpy as np

from sam2_rt.data.scenes.photos import photo_bank
from sam2_rt.data.worlds.builder import Actor, Builder
from sam2_rt.data.worlds.figure import Figure, Limb, Shape


def compile_figure(mujoco: Any, *limbs: Limb, size: float = 1.0) -> tuple[Any, Any]:
    builder = Builder(mujoco, np.random.default_rng(0), photo_bank(()))
    builder.add_actor(0, Actor(Figure(limbs), size, (0, 0, 1), (1, 0, 0, 0), False, 0))
    model = builder.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return model, data


def test_limbs_hang_where_the_plan_says(mujoco: Any):
    _, data = compile_figure(
        mujoco,
        Limb(Shape.BOX, (0.5, 0.3, 0.2)),
        Limb(Shape.CAPSULE, (0.1, 0.1, 0.4), 0, (0.5, 0, 0), (1, 0, 0)),
        Limb(Shape.BALL, (0.1, 0.1, 0.2), 1, (0, 0, 0.4), (0, 0, 1)),
        size=0.5,
    )
    # A limb's middle is 0.9 half lengths from its root; the last lies along the capsule's axis.
    expected = [(0, 0, 1), (0.25 + 0.18, 0, 1), (0.25 + 0.18 + 0.2 + 0.09, 0, 1)]
    np.testing.assert_allclose(data.geom_xpos, expected, atol=1e-6)


def test_every_shape_compiles_in_its_size(mujoco: Any):
    half = (0.4, 0.4, 0.6)
    for shape in Shape:
        model, _ = compile_figure(mujoco, Limb(shape, half), Limb(Shape.BOX, half, 0))
        reach = model.geom_rbound[0]
        assert 0.35 < reach < 1.1, shape
        assert (model.geom_type[0] == int(mujoco.mjtGeom.mjGEOM_MESH)) == shape.is_mesh


def test_limbs_of_one_body_do_not_collide_but_two_bodies_do(mujoco: Any):
    builder = Builder(mujoco, np.random.default_rng(0), photo_bank(()))
    arm = Limb(Shape.BOX, (1, 1, 1), 0, bends=True)
    figure = Figure((Limb(Shape.BOX, (1, 1, 1)), arm, arm))
    builder.add_actor(0, Actor(figure, 0.3, (0, 0, 1), (1, 0, 0, 0), True, 0))
    alone = builder.compile()
    builder.add_actor(1, Actor(figure, 0.3, (0.2, 0, 1), (1, 0, 0, 0), True, 0))
    together = builder.compile()
    contacts = []
    for model in (alone, together):
        data = mujoco.MjData(model)
        mujoco.mj_forward(model, data)
        contacts.append(data.ncon)
    assert contacts[0] == 0
    assert contacts[1] > 0


def test_a_body_that_is_not_free_has_no_joint_to_the_world(mujoco: Any):
    model, _ = compile_figure(mujoco, Limb(Shape.BOX, (1, 1, 1)), Limb(Shape.BOX, (1, 1, 1), 0))
    assert model.njnt == 0
