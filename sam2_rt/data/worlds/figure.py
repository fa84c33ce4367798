"""Figure: the plan of one body, a tree of limbs; lengths are in units of the figure's size."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.random import Generator

MAX_LIMBS: Final = 6

Vector = tuple[float, float, float]


class Shape(Enum):
    """Of one limb."""

    BOX = "box"
    BALL = "ellipsoid"
    CAPSULE = "capsule"
    CYLINDER = "cylinder"
    LATHE = "lathe"
    ROCK = "rock"
    RING = "ring"

    @property
    def is_mesh(self) -> bool:
        """Whether it is made of triangles."""
        return self in {Shape.LATHE, Shape.ROCK, Shape.RING}


@dataclass(frozen=True, slots=True)
class Limb:
    """One solid; its z axis points away from the limb that it hangs on."""

    shape: Shape
    half: Vector
    """Half of its extent along its own axes."""
    parent: int = -1
    """The limb that it hangs on; -1: none, it is the trunk."""
    at: Vector = (0.0, 0.0, 0.0)
    """Where, in the parent's frame, whose origin is the parent's middle."""
    way: Vector = (0.0, 0.0, 1.0)
    """Where its z axis points in the parent's frame; of length 1."""
    bends: bool = False
    """Whether a joint or nothing but glue holds it."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A body: two to MAX_LIMBS limbs, parents before children."""

    limbs: tuple[Limb, ...]

    def below(self, limb: int) -> tuple[int, ...]:
        """The limb and all that hangs on it."""
        found = [limb]
        for index in range(limb + 1, len(self.limbs)):
            if self.limbs[index].parent in found:
                found.append(index)
        return tuple(found)


def draw_figure(rng: Generator) -> Figure:
    """Something like an animal, a snake, a tower, a star, or nothing that has a name."""
    kinds: tuple[Callable[[Generator], list[Limb]], ...] = (
        _animal,
        _chain,
        _tower,
        _star,
        _anything,
        _anything,
    )
    limbs = kinds[int(rng.integers(len(kinds)))](rng)
    assert 2 <= len(limbs) <= MAX_LIMBS
    return Figure(tuple(limbs))


def _animal(rng: Generator) -> list[Limb]:
    """A lying trunk, four legs or wheels, a head."""
    long, wide, high = rng.uniform(0.6, 0.9), rng.uniform(0.2, 0.45), rng.uniform(0.2, 0.4)
    trunk = Limb(_pick(rng, Shape.BOX, Shape.BALL, Shape.ROCK), (long, wide, high))
    leg = (rng.uniform(0.07, 0.14), rng.uniform(0.07, 0.14), rng.uniform(0.2, 0.5))
    shape = _pick(rng, Shape.CAPSULE, Shape.BOX, Shape.CYLINDER, Shape.LATHE)
    legs = [
        Limb(shape, leg, 0, (x * long * 0.65, y * wide * 0.75, -high * 0.5), (0, 0, -1), bends=True)
        for x in (-1, 1)
        for y in (-1, 1)
    ]
    size = rng.uniform(0.18, 0.35)
    half = (size * rng.uniform(0.7, 1.1), size * rng.uniform(0.7, 1.1), size)
    raised = _unit((1, 0, rng.uniform(0, 1.5)))
    head = Limb(_any_shape(rng), half, 0, (long * 0.8, 0, high * 0.4), raised, bends=True)
    return [trunk, *legs, head]


def _chain(rng: Generator) -> list[Limb]:
    shape, thick = _any_shape(rng), rng.uniform(0.12, 0.3)
    limbs = [Limb(shape, (thick, thick, rng.uniform(0.25, 0.5)))]
    for index in range(int(rng.integers(2, MAX_LIMBS))):
        before = limbs[-1].half
        half = (before[0] * rng.uniform(0.75, 1.0), before[1] * rng.uniform(0.75, 1.0), before[2])
        bent = _unit((rng.normal(0, 0.4), rng.normal(0, 0.4), 1))
        limbs.append(Limb(shape, half, index, (0, 0, before[2] * 0.9), bent, bends=True))
    return limbs


def _tower(rng: Generator) -> list[Limb]:
    """A lamp, a toy, a chess piece: glued on top of each other."""
    wide = rng.uniform(0.3, 0.5)
    limbs = [Limb(_pick(rng, Shape.BOX, Shape.CYLINDER), (wide, wide, rng.uniform(0.08, 0.3)))]
    for index in range(int(rng.integers(1, 4))):
        side = rng.uniform(0.1, 0.45)
        half = (side, side * rng.uniform(0.7, 1.0), rng.uniform(0.12, 0.45))
        limbs.append(Limb(_any_shape(rng), half, index, (0, 0, limbs[-1].half[2] * 0.95)))
    return limbs


def _star(rng: Generator) -> list[Limb]:
    core = rng.uniform(0.25, 0.5)
    limbs = [Limb(_any_shape(rng), (core, core * rng.uniform(0.6, 1.0), core))]
    count = int(rng.integers(2, MAX_LIMBS))
    thick, long, shape = rng.uniform(0.06, 0.2), rng.uniform(0.2, 0.5), _any_shape(rng)
    for angle in np.arange(count) * 2 * math.pi / count:
        way = (math.cos(angle), math.sin(angle), 0.0)
        at = (way[0] * core * 0.85, way[1] * core * 0.6, 0.0)
        limbs.append(Limb(shape, (thick, thick, long), 0, at, way, bends=bool(rng.random() < 0.6)))
    return limbs


def _anything(rng: Generator) -> list[Limb]:
    limbs = [Limb(_any_shape(rng), _any_half(rng, 0.6))]
    for _ in range(int(rng.integers(1, MAX_LIMBS))):
        parent = int(rng.integers(len(limbs)))
        way = _unit(tuple(rng.normal(0, 1, 3)))
        half = limbs[parent].half
        at = (way[0] * half[0] * 0.85, way[1] * half[1] * 0.85, way[2] * half[2] * 0.85)
        bends = bool(rng.random() < 0.5)
        limbs.append(Limb(_any_shape(rng), _any_half(rng, 0.4), parent, at, way, bends=bends))
    return limbs


def _any_shape(rng: Generator) -> Shape:
    shapes = tuple(Shape)
    return shapes[int(rng.integers(len(shapes)))]


def _pick(rng: Generator, *shapes: Shape) -> Shape:
    return shapes[int(rng.integers(len(shapes)))]


def _any_half(rng: Generator, largest: float) -> Vector:
    a, b, c = largest * np.exp(rng.uniform(-1.2, 0, 3))
    return float(a), float(b), float(c)


def _unit(way: tuple[float, ...]) -> Vector:
    x, y, z = np.array(way) / max(math.hypot(*way), 1e-6)
    return float(x), float(y), float(z)
