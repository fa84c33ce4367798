"""Stage: who is in a world, and what physics does to them, frame by frame. Metres and seconds."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from sam2_rt.data.scenes.photos import Bank, Photo
from sam2_rt.data.worlds.builder import STEP_S, Actor, Builder, Library
from sam2_rt.data.worlds.figure import draw_figure

MIN_ACTORS: Final = 3
MAX_ACTORS: Final = 8

_LONGEST_SETTLING_S: Final = 1.2

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A compiled model and its actors."""

    model: Library
    actors: tuple[Actor, ...]
    geoms: tuple[tuple[int, ...], ...]
    """Of each actor, each limb's number in the segmentation."""


@dataclass(frozen=True, slots=True, eq=False)
class Play:
    """What happened over T frames."""

    poses: Array
    """[T, nq]: all coordinates of the model"""
    places: Array
    """[T, A, 3]: the middle of each actor"""
    radii: Array
    """[A], of a ball about each actor in the first frame"""


def draw_world(mujoco: Library, rng: Generator, photos: Bank[Photo]) -> World:
    """Bodies on the ground of a room or under a sky, or afloat in it."""
    builder = Builder(mujoco, rng, photos)
    is_afloat = rng.random() < 0.15
    if is_afloat:
        builder.spec.option.gravity = (0, 0, 0)
    elif rng.random() < 0.3:  # downhill
        builder.spec.option.gravity = (*rng.uniform(-2.5, 2.5, 2), -9.4)
    builder.add_ground()
    builder.add_sky()
    if rng.random() < 0.4:
        builder.add_walls(float(rng.uniform(6.5, 9)))
    builder.add_lights()
    actors = _draw_actors(rng, is_afloat=is_afloat)
    for index, actor in enumerate(actors):
        builder.add_actor(index, actor)
    model = builder.compile()
    geoms = tuple(
        tuple(model.geom(f"{index}.{limb}").id for limb in range(len(actor.figure.limbs)))
        for index, actor in enumerate(actors)
    )
    return World(model, actors, geoms)


def play(mujoco: Library, rng: Generator, world: World, num_frames: int, frame_s: float) -> Play:
    """Lets bodies fall for a while, pushes some, and records a frame every frame_s."""
    model = world.model
    data = mujoco.MjData(model)
    swing = _draw_swing(mujoco, rng, world)
    settling = rng.uniform(0, _LONGEST_SETTLING_S) if rng.random() < 0.7 else 0.0
    for _ in range(int(settling / STEP_S)):
        mujoco.mj_step(model, data)
    _push(rng, world, data)
    mujoco.mj_forward(model, data)
    radii = _radii(world, data)
    poses, places = [], []
    steps = max(1, round(frame_s / STEP_S))
    for frame in range(num_frames):
        poses.append(data.qpos.copy())
        places.append([data.geom_xpos[list(geoms)].mean(axis=0) for geoms in world.geoms])
        for _ in range(steps if frame < num_frames - 1 else 0):
            swing.bend(model, data.time)
            mujoco.mj_step(model, data)
    return Play(np.array(poses), np.array(places), radii)


@dataclass(frozen=True, slots=True, eq=False)
class _Swing:
    """Limbs of the living ones pull towards an angle that goes to and fro: each [J]."""

    coordinates: NDArray[np.intp]
    reach: Array
    pace: Array
    phase: Array

    def bend(self, model: Library, time_s: float) -> None:
        angles = self.reach * np.sin(2 * math.pi * self.pace * time_s + self.phase)
        model.qpos_spring[self.coordinates] = angles


def _draw_swing(mujoco: Library, rng: Generator, world: World) -> _Swing:
    model = world.model
    joints = np.flatnonzero(model.jnt_type == int(mujoco.mjtJoint.mjJNT_HINGE))
    roots = model.body_rootid[model.jnt_bodyid[joints]]
    is_alive = rng.random(model.nbody) < 0.6
    count = len(joints)
    return _Swing(
        coordinates=model.jnt_qposadr[joints],
        reach=rng.uniform(0.1, 1.0, count) * is_alive[roots],
        pace=rng.uniform(0.3, 1.5, model.nbody)[roots],
        phase=rng.uniform(0, 2 * math.pi, count),
    )


def _draw_actors(rng: Generator, *, is_afloat: bool) -> tuple[Actor, ...]:
    """Some are twins of others; most move; no two start in each other."""
    actors: list[Actor] = []
    places = _draw_places(rng, is_afloat=is_afloat)
    for index in range(int(rng.integers(MIN_ACTORS, MAX_ACTORS + 1))):
        figure, size, look = draw_figure(rng), float(np.exp(rng.uniform(-1.6, -0.35))), index
        if actors and rng.random() < 0.25:
            twin = actors[int(rng.integers(index))]
            figure, size, look = twin.figure, twin.size, twin.look
        upright = rng.random() < 0.5
        turned = rng.normal(0, 1, 4) * (1, *((0.05, 0.05) if upright else (1, 1)), 1)
        place = _clear_place(places, actors, size)
        w, x, y, z = turned / np.linalg.norm(turned)
        is_free = bool(is_afloat or rng.random() < 0.85)
        if not is_free:
            place = (place[0], place[1], 0.6 * size)
        turn = (float(w), float(x), float(y), float(z))
        actors.append(Actor(figure, size, place, turn, is_free, look))
    return tuple(actors)


def _draw_places(rng: Generator, *, is_afloat: bool) -> Iterator[tuple[float, float, float]]:
    while True:
        x, y = rng.normal(0, 0.9, 2)
        height = rng.uniform(0.4, 2.5) if is_afloat else rng.uniform(0, 1) ** 2 * 1.5
        yield float(x), float(y), float(height)


def _clear_place(
    places: Iterator[tuple[float, float, float]], actors: list[Actor], size: float
) -> tuple[float, float, float]:
    """The first of some places that is clear of the others; where none is, above them all."""
    for _ in range(20):
        x, y, height = next(places)
        place = (x, y, height + size)
        if all(math.dist(place, other.place) > 0.9 * (size + other.size) for other in actors):
            return place
    return (x, y, max(other.place[2] + other.size for other in actors) + size)


def _push(rng: Generator, world: World, data: Library) -> None:
    """Gives half of the free ones a speed and a spin."""
    for index, actor in enumerate(world.actors):
        if not actor.is_free or rng.random() < 0.5:
            continue
        body = world.model.geom_bodyid[world.geoms[index][0]]
        first = world.model.body_dofadr[body]
        angle, speed = rng.uniform(0, 2 * math.pi), rng.uniform(0.3, 3.0)
        up = rng.uniform(0, 2.5) if rng.random() < 0.3 else 0.0
        data.qvel[first : first + 3] += (speed * math.cos(angle), speed * math.sin(angle), up)
        data.qvel[first + 3 : first + 6] += rng.normal(0, 2.5, 3)


def _radii(world: World, data: Library) -> Array:
    radii = []
    for geoms in world.geoms:
        chosen = list(geoms)
        middle = data.geom_xpos[chosen].mean(axis=0)
        reach = np.linalg.norm(data.geom_xpos[chosen] - middle, axis=1)
        radii.append(float((reach + 0.8 * world.model.geom_rbound[chosen]).max()))
    return np.array(radii)
