"""`python -m streamer.picture.alpha_bench SEQUENCES`: the matte beside thresholding of logits.

By default the logits are the true masks brought to the model's grid, so that only the way back to
the frame's own pixels is measured; with --model they are that model's, which begins with the true
mask of the first frame. SEQUENCES is a folder of clips, each with frames/NNNNN.jpg and
masks/NNNNN.png (palette; the first object counts). Prints rows for load/RESULTS.md.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2_rt.engine import Engine, EngineConfig, StepRequest
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Prompt
from streamer.picture.effects import Floats, Plane, Planes, box_filter
from streamer.picture.matte import Matte

Mask = NDArray[np.bool_]
Way = Callable[[Sequence[Floats], Planes], Plane]

_STRICT_PIXELS: Final = 1
_USUAL_SHARE: Final = 0.008
"""Of the frame's diagonal: the tolerance that DAVIS scores boundaries with."""
_BAND_PIXELS: Final = 10
_UNSURE: Final = 0.001
"""No cell of the grid is surer than this: a model's logits have an end too."""


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the frames of a clip."""

    strict_f: float
    """Boundary F, where a boundary is found within one pixel (a square) of the true one."""
    usual_f: float
    """The same within 0.8 % of the diagonal."""
    error: float
    """Of the alpha, 0..1, within 10 pixels of the true boundary."""
    flicker: float
    """Change of that error from frame to frame, there: what changes besides the object itself."""
    milliseconds: float
    """A frame, the median."""


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A frame, where the object is, and what a model says of that."""

    planes: Planes
    truth: Mask
    logits: NDArray[np.float32]


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sequences", type=Path)
    parser.add_argument("--grid", type=int, default=64, help="side of the mask")
    parser.add_argument("--noise", type=float, default=0.0, help="of its logits, new each frame")
    parser.add_argument("--model", help="take its logits")
    parser.add_argument("--frames", type=int, default=12, help="of each clip")
    given = parser.parse_args()
    clips = sorted(path for path in given.sequences.iterdir() if (path / "masks").is_dir())
    films = [film(given, clip) for clip in clips]
    source = given.model or f"truth on {given.grid}, noise {given.noise:g}"
    ways: dict[str, Callable[[], Way]] = {
        "threshold": lambda: thresholded,
        "matte": lambda: Matte().soft,
    }
    for name, begin in ways.items():
        scores = [score(begin(), pictures) for pictures in films]
        means = [statistics.fmean(values) for values in zip(*map(astuple, scores), strict=True)]
        cells = " | ".join(f"{mean:.3f}" for mean in means[:-1])
        print(f"| {source} | {name} | {cells} | {means[-1]:.1f} |")  # noqa: T201


def film(given: argparse.Namespace, clip: Path) -> list[Picture]:
    """The first frames of a clip with what is known of them."""
    random = np.random.default_rng(0)
    truths = list(read(clip, given.frames))
    if given.model is None:
        return [Picture(p, t, on_grid(t, given.grid, given.noise, random)) for p, t in truths]
    engine = Engine.load(EngineConfig(model=given.model, threads=1))
    stream_id = engine.open()
    pictures = []
    for pts, (planes, truth) in enumerate(truths):
        prompts = (Prompt(1, mask=truth),) if pts == 0 else ()
        (result,) = engine.step([StepRequest(stream_id, Frame(pts, planes), prompts)])
        if isinstance(result, Exception):
            raise result
        pictures.append(Picture(planes, truth, result.masks[0].logits))
    return pictures


def thresholded(logits: Sequence[Floats], planes: Planes) -> Plane:
    """What is usual: logits enlarged bilinearly, the object where they are above 0."""
    height, width = planes[0].shape
    large = Image.fromarray(np.max(logits, axis=0)).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    return np.where(np.asarray(large) > 0, np.uint8(255), np.uint8(0))


def score(way: Way, pictures: Sequence[Picture]) -> Score:
    """One clip's means; `way` is called for its frames in turn."""
    strict, usual, errors, flickers, spent = [], [], [], [], []
    before = None
    for picture in pictures:
        truth = picture.truth
        began_s = time.perf_counter()
        alpha = way([picture.logits], picture.planes)
        spent.append(1000 * (time.perf_counter() - began_s))
        reach = round(_USUAL_SHARE * float(np.hypot(*truth.shape)))
        strict.append(boundary_f(alpha >= 128, truth, _STRICT_PIXELS))
        usual.append(boundary_f(alpha >= 128, truth, reach))
        error = alpha / np.float32(255) - truth
        band = grown(truth, _BAND_PIXELS) & grown(~truth, _BAND_PIXELS)
        errors.append(float(np.abs(error[band]).mean()))
        if before is not None:
            flickers.append(float(np.abs(error - before)[band].mean()))
        before = error
    mean = statistics.fmean
    return Score(mean(strict), mean(usual), mean(errors), mean(flickers), statistics.median(spent))


def read(clip: Path, count: int) -> Iterator[tuple[Planes, Mask]]:
    """The first frames of a clip that have a mask with the object in it, and that mask."""
    for file in sorted((clip / "masks").glob("*.png"))[:count]:
        truth = np.asarray(Image.open(file)) == 1
        picture = Image.open(clip / "frames" / f"{file.stem}.jpg").convert("YCbCr")
        if not truth.any():
            continue
        y, u, v = picture.split()
        yield (np.asarray(y), np.asarray(u.reduce(2)), np.asarray(v.reduce(2))), truth


def on_grid(
    truth: Mask, side: int, noise: float, random: np.random.Generator
) -> NDArray[np.float32]:
    """A true mask [H, W] as a model would say it: logits [side, side], noise two cells wide."""
    share = Image.fromarray(truth.astype(np.float32)).resize((side, side), Image.Resampling.BOX)
    sure = np.asarray(share).clip(_UNSURE, 1 - _UNSURE)
    logits = np.log(sure / (1 - sure))
    coarse = random.normal(size=(side // 2, side // 2)).astype(np.float32)
    blurred = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
    return logits + np.float32(noise) * np.asarray(blurred)


def boundary_f(found: Mask, truth: Mask, reach: int) -> float:
    """F of the found boundary pixels and the true ones, each counted when the other is in reach."""
    a, b = boundary(found), boundary(truth)
    precision = int((a & grown(b, reach)).sum()) / max(int(a.sum()), 1)
    recall = int((b & grown(a, reach)).sum()) / max(int(b.sum()), 1)
    return 2 * precision * recall / max(precision + recall, 1e-9)


def boundary(mask: Mask) -> Mask:
    """Pixels of the mask that have a neighbour outside of it."""
    return mask & grown(~mask, 1)


def grown(mask: Mask, reach: int) -> Mask:
    """The mask and all pixels within reach of it, in squares."""
    return box_filter(mask.astype(np.float32), reach) > 0  # its sums are whole numbers: exact


if __name__ == "__main__":
    main()
