"""Flaws of a real camera: soft lens, colour cast, noise, compression."""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.random import Generator
from numpy.typing import NDArray

Frame = NDArray[np.uint8]
"""[H, W, 3], RGB"""

_SPARE: Final = 256
"""By how much the noise that all frames cut their own from is larger than they are, pixels."""


@dataclass(frozen=True, slots=True)
class Flaws:
    """Of one clip; the defaults leave frames as they are."""

    blur: float = 0.0
    """Pixels."""
    table: tuple[tuple[float, float], ...] = ()
    """Gain and gamma of red, green and blue."""
    noise: float = 0.0
    """Standard deviation in grey levels."""
    quality: int = 0
    """Of JPEG, 1 to 100; 0: not compressed."""
    grey: bool = False
    seed: int = field(default=0, repr=False)
    """Of the noise."""


def draw_flaws(rng: Generator, difficulty: float) -> Flaws:
    """One clip in four has none; each flaw is in about a third of the others."""
    seed = int(rng.integers(2**31))
    chances = rng.random(5)
    values = rng.random(4)
    tint = rng.normal(0, 1, (3, 2))
    if chances[0] < 0.25:
        return Flaws(seed=seed)
    cast = tuple((float(1 + 0.06 * g), float(np.exp(0.12 * e))) for g, e in tint)
    return Flaws(
        blur=float(0.4 + 0.9 * difficulty * values[0]) if chances[1] < 0.3 else 0.0,
        table=cast if chances[2] < 0.5 else (),
        noise=float(1 + 9 * difficulty * values[1]) if chances[3] < 0.35 else 0.0,
        quality=int(92 - 60 * difficulty * values[2]) if chances[4] < 0.35 else 0,
        grey=bool(values[3] < 0.03),
        seed=seed,
    )


def degrade(frame: Frame, flaws: Flaws, index: int) -> Frame:
    """The frame of that index as the camera of a clip would have recorded it."""
    done: MatLike = frame
    if flaws.grey:
        done = cv2.cvtColor(cv2.cvtColor(done, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    if flaws.table:
        done = cv2.LUT(done, _table(flaws.table))
    if flaws.blur:
        done = cv2.GaussianBlur(done, (0, 0), flaws.blur)
    if flaws.noise:
        done = _add_noise(done, flaws, index)
    if flaws.quality:
        done = _compress(done, flaws.quality)
    return np.asarray(done, np.uint8)


def _compress(frame: MatLike, quality: int) -> MatLike:
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, packed = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, quality))
    decoded = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    assert decoded is not None, "OpenCV cannot read what it wrote"
    return cv2.cvtColor(decoded, cv2.COLOR_BGR2RGB)


@lru_cache(maxsize=2)
def _noise_pool(height: int, width: int) -> NDArray[np.float32]:
    """For frames of that size."""
    size = (height + _SPARE, width + _SPARE, 3)
    return np.random.default_rng(1).standard_normal(size, np.float32)


def _add_noise(frame: MatLike, flaws: Flaws, index: int) -> MatLike:
    height, width = frame.shape[:2]
    rng = np.random.default_rng((flaws.seed, index))
    top, left = rng.integers(_SPARE + 1, size=2).tolist()
    grain = _noise_pool(height, width)[top : top + height, left : left + width]
    return cv2.addWeighted(frame, 1.0, grain, flaws.noise, 0.0, dtype=cv2.CV_8U)


def _table(cast: tuple[tuple[float, float], ...]) -> NDArray[np.uint8]:
    levels = np.linspace(0, 1, 256)
    columns = [np.clip(gain * levels**gamma, 0, 1) for gain, gamma in cast]
    return (np.stack(columns, 1) * 255).round().astype(np.uint8).reshape(256, 1, 3)
