from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from numpy.random import Generator

from sam2_rt.data.worlds.mesh import Mesh, lathe, ring, rock

KINDS = (lathe, ring, rock)


def volume(mesh: Mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].swapaxes(0, 1)
    return float((a * np.cross(b, c)).sum() / 6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_surface_is_closed_and_its_outside_is_outside(kind: Callable[[Generator], Mesh]):
    for seed in range(20):
        mesh = kind(np.random.default_rng(seed))
        edges = Counter(
            (int(face[i]), int(face[(i + 1) % 3])) for face in mesh.faces for i in range(3)
        )
        assert set(edges.values()) == {1}
        assert all((there, here) in edges for here, there in edges)
        assert volume(mesh) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_surface_fills_its_box_and_no_more(kind: Callable[[Generator], Mesh]):
    for seed in range(20):
        reach = np.abs(kind(np.random.default_rng(seed)).vertices).max(axis=0)
        assert (reach <= 1 + 1e-9).all()
        assert (reach[:2] > 0.95).all()


def test_a_ring_has_a_hole():
    vertices = ring(np.random.default_rng(0)).vertices
    assert np.hypot(vertices[:, 0], vertices[:, 1]).min() > 0.3
