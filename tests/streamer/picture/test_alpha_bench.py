import argparse

import numpy as np

from golden_data import shared
from streamer.picture import alpha_bench
from streamer.picture.matte import Matte


def square(left: int) -> np.ndarray:
    mask = np.zeros((60, 80), bool)
    mask[20:40, left : left + 20] = True
    return mask


def test_a_boundary_is_right_within_its_reach():
    assert alpha_bench.boundary_f(square(30), square(30), 1) == 1.0
    assert alpha_bench.boundary_f(square(32), square(30), 2) == 1.0
    assert 0.3 < alpha_bench.boundary_f(square(32), square(30), 1) < 0.9
    assert alpha_bench.boundary_f(square(30), np.zeros((60, 80), bool), 1) == 0.0


def test_a_true_mask_on_a_grid_says_the_same_at_the_middle_of_its_cells():
    mask = np.kron(square(32), np.ones((4, 4), bool))
    random = np.random.default_rng(0)
    logits = alpha_bench.on_grid(mask, 20, 0.0, random)
    assert np.array_equal(logits > 0, mask[6::12, 8::16])
    noisy = alpha_bench.on_grid(mask, 20, 0.7, random) - logits
    assert 0.2 < noisy.std() < 1.0


def test_the_matte_finds_more_of_a_true_edge_than_thresholding_when_the_mask_trembles():
    clip = shared("data/sequences/davis-dog")
    given = argparse.Namespace(grid=32, noise=1.0, frames=3, model=None)
    film = alpha_bench.film(given, clip)
    assert [p.truth.shape for p in film] == [(480, 854)] * 3
    plain = alpha_bench.score(alpha_bench.thresholded, film)
    matte = alpha_bench.score(Matte().soft, film)
    assert matte.strict_f > plain.strict_f + 0.05
    assert matte.error < plain.error
    assert matte.flicker < plain.flicker
