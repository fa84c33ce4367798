"""Eye: where the camera of a clip is and looks, for each frame. Metres, radians and seconds."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

LOWEST: Final = 0.15
"""Height of the camera above the ground at least."""

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Path:
    """A camera over T frames."""

    places: Array
    """[T, 3]"""
    axes: Array
    """[T, 3, 3]; columns are its right, its up and its back in the world."""
    tangent: float
    """Of half of the vertical field of view."""


@dataclass(frozen=True, slots=True)
class Shot:
    """What a clip's camera does; rates are of angles a second unless said otherwise."""

    distance: float
    azimuth: float
    elevation: float
    tangent: float
    orbit: float = 0.0
    dolly: float = 0.0
    """Growth of the logarithm of the distance a second."""
    swing: float = 0.0
    """How far it looks aside in the middle of the clip, to come back at its end."""
    pan: float = 0.0
    """How far it has turned aside at the end of the clip."""
    shake: float = 0.0
    roll: float = 0.0
    follows: bool = False


def draw_shot(rng: Generator, radius: float) -> Shot:
    """One in which a subject of that radius is neither tiny nor fills the frame."""
    tangent = math.tan(rng.uniform(0.25, 0.6))
    share = math.exp(rng.uniform(math.log(0.3), math.log(1.3)))
    kind = rng.random()
    moves = kind > 0.25
    return Shot(
        distance=float(np.clip(radius / (share * tangent), 0.8, 6.0)),
        azimuth=rng.uniform(0, 2 * math.pi),
        elevation=math.asin(rng.uniform(0.05, 1.0) ** 1.5 * 0.95),
        tangent=tangent,
        orbit=rng.normal(0, 0.5) if moves else 0.0,
        dolly=rng.normal(0, 0.25) if moves and rng.random() < 0.5 else 0.0,
        swing=_aside(rng, tangent) if 0.25 < kind < 0.35 else 0.0,
        pan=_aside(rng, tangent) if 0.35 < kind < 0.45 else 0.0,
        shake=rng.uniform(0, 0.02) if rng.random() < 0.5 else 0.0,
        roll=rng.normal(0, 0.08) if rng.random() < 0.5 else 0.0,
        follows=kind > 0.75,
    )


def film(rng: Generator, shot: Shot, subject: Array, frame_s: float) -> Path:
    """The camera over a clip, a frame every frame_s; subject [T, 3] is where its subject is."""
    count = len(subject)
    time = np.arange(count) * frame_s
    phase = np.linspace(0, 1, count)
    # Not in the middle of every picture.
    aim = subject[0] + rng.normal(0, 0.18, 3) * shot.distance * shot.tangent
    target = aim + (subject - subject[0]) * (0.9 if shot.follows else 0.0)
    azimuth = shot.azimuth + shot.orbit * time
    distance = shot.distance * np.exp(np.clip(shot.dolly * time, -0.7, 0.7))
    flat = np.cos(shot.elevation)
    away = np.stack(
        (flat * np.cos(azimuth), flat * np.sin(azimuth), np.full(count, np.sin(shot.elevation))), 1
    )
    places = target + distance[:, None] * away
    places[:, 2] = np.maximum(places[:, 2], LOWEST)
    shake = _shake(rng, count) * shot.shake
    aside = shot.swing * np.sin(math.pi * phase) ** 2 + shot.pan * phase + shake[:, 0]
    roll = np.full(count, shot.roll) + shake[:, 2]
    ways = [_axes(target[i] - places[i], aside[i], shake[i, 1], roll[i]) for i in range(count)]
    return Path(places, np.stack(ways), shot.tangent)


def _aside(rng: Generator, tangent: float) -> float:
    """Far enough for what is in the middle to leave the frame, or nearly."""
    return float(rng.choice((-1, 1)) * rng.uniform(0.7, 2.0) * math.atan(tangent))


def _shake(rng: Generator, count: int) -> Array:
    """A hand's: smooth, [T, 3], about 1."""
    steps = rng.normal(0, 1, (count + 2, 3))
    return (steps[:-2] + steps[1:-1] + steps[2:]) / 3


def _axes(ahead: Array, aside: float, tilt: float, roll: float) -> Array:
    """[3, 3]: a camera that looks ahead, then turns aside, tilts and rolls."""
    back = -ahead / np.linalg.norm(ahead)
    right = np.cross((0.0, 0.0, 1.0), back)
    length = np.linalg.norm(right)
    right = right / length if length > 1e-6 else np.array((1.0, 0.0, 0.0))
    axes = np.stack((right, np.cross(back, right), back), axis=1)
    return axes @ _turn(1, aside) @ _turn(0, tilt) @ _turn(2, roll)


def _turn(axis: int, angle: float) -> Array:
    """[3, 3] about x, y or z."""
    c, s = math.cos(angle), math.sin(angle)
    matrix = np.eye(3)
    one, other = ((1, 2), (2, 0), (0, 1))[axis]
    matrix[one, one], matrix[one, other], matrix[other, one], matrix[other, other] = c, -s, s, c
    return matrix
