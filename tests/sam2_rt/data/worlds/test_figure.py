import math

import numpy as np
import pytest

from sam2_rt.data.worlds.figure import MAX_LIMBS, Figure, Limb, Shape, draw_figure


def test_figures_have_two_to_six_limbs_and_parents_come_first():
    counts = set()
    for seed in range(200):
        limbs = draw_figure(np.random.default_rng(seed)).limbs
        counts.add(len(limbs))
        assert limbs[0].parent == -1
        assert all(0 <= limb.parent < i for i, limb in enumerate(limbs) if i)
        assert all(math.hypot(*limb.way) == pytest.approx(1) for limb in limbs)
        assert all(min(limb.half) > 0 for limb in limbs)
    assert counts == set(range(2, MAX_LIMBS + 1))


def test_all_shapes_and_both_kinds_of_joint_are_drawn():
    limbs = [limb for s in range(100) for limb in draw_figure(np.random.default_rng(s)).limbs]
    assert {limb.shape for limb in limbs} == set(Shape)
    assert {limb.bends for limb in limbs} == {False, True}


def test_a_limb_takes_what_hangs_on_it():
    parents = (-1, 0, 1, 0, 3, 2)
    figure = Figure(tuple(Limb(Shape.BOX, (1, 1, 1), parent) for parent in parents))
    assert figure.below(0) == (0, 1, 2, 3, 4, 5)
    assert figure.below(1) == (1, 2, 5)
    assert figure.below(4) == (4,)
