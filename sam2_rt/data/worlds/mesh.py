"""Closed surfaces that no primitive has: turned on a lathe, rough as a rock, bent to a ring."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

_AROUND: Final = 24
"""Corners of a ring of vertices."""

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """Triangles within -1..1 along each axis, anticlockwise as seen from outside."""

    vertices: Points
    """[V, 3]"""
    faces: NDArray[np.int32]
    """[F, 3]"""


def lathe(rng: Generator) -> Mesh:
    """A vase, a bottle, a spinning top: a smooth profile turned about z."""
    heights = np.linspace(-1, 1, 14)
    radii = np.full_like(heights, 0.6)
    for wave in range(1, 4):
        radii += rng.normal(0, 0.28 / wave) * np.sin(wave * heights * 2 + rng.uniform(0, 6))
    radii = np.clip(radii, 0.16, None)
    return _close(np.stack([_circle(r, z) for r, z in zip(radii, heights, strict=True)]))


def rock(rng: Generator) -> Mesh:
    """A ball with bumps."""
    angles = np.linspace(-math.pi / 2, math.pi / 2, 14)[1:-1]
    rings = np.stack([_circle(math.cos(a), math.sin(a)) for a in angles])
    bumps = np.zeros(rings.shape[:2])
    for frequency in (2, 3, 4, 6):
        wave = rng.normal(0, frequency, 3)
        bumps += rng.uniform(0.02, 0.4 / frequency) * np.sin(rings @ wave + rng.uniform(0, 6))
    return _close(rings * (1 + bumps[..., None]))


def ring(rng: Generator) -> Mesh:
    """A tyre or a hoop about z."""
    thick = rng.uniform(0.12, 0.32)
    angles = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    rings = [_circle(1 - thick + thick * math.cos(a), thick * math.sin(a)) for a in angles]
    return Mesh(np.concatenate(rings), _quads(len(rings), wraps=True))


def _circle(radius: float, height: float) -> Points:
    angles = np.linspace(0, 2 * math.pi, _AROUND, endpoint=False)
    flat = np.full(_AROUND, height)
    return np.stack((radius * np.cos(angles), radius * np.sin(angles), flat), axis=1)


def _close(rings: Points) -> Mesh:
    """Rings [M, N, 3] from the lowest to the highest, with a point in the middle of both ends."""
    low, high = rings[0].mean(axis=0), rings[-1].mean(axis=0)
    vertices = np.concatenate((rings.reshape(-1, 3), [low, high]))
    count = rings.shape[0] * _AROUND
    here = np.arange(_AROUND)
    there = (here + 1) % _AROUND
    last = count - _AROUND
    bottom = np.stack((np.full(_AROUND, count), there, here), axis=1)
    top = np.stack((np.full(_AROUND, count + 1), last + here, last + there), axis=1)
    faces = np.concatenate((_quads(rings.shape[0], wraps=False), bottom, top))
    return Mesh(vertices / np.abs(vertices).max(axis=0), faces.astype(np.int32))


def _quads(num_rings: int, *, wraps: bool) -> NDArray[np.int32]:
    """Two triangles for each four neighbours."""
    lower = np.arange(num_rings if wraps else num_rings - 1)[:, None] * _AROUND
    upper = (lower + _AROUND) % (num_rings * _AROUND)
    here = np.arange(_AROUND)[None]
    there = (here + 1) % _AROUND
    a, b, c, d = lower + here, lower + there, upper + there, upper + here
    faces = np.concatenate((np.stack((a, b, c), -1), np.stack((a, c, d), -1)))
    return faces.reshape(-1, 3).astype(np.int32)
