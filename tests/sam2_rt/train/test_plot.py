from pathlib import Path

import numpy as np
from PIL import Image

from sam2_rt.train.log import Line
from sam2_rt.train.plot import draw


def colours(path: Path) -> set[tuple[int, ...]]:
    pixels = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    return {tuple(map(int, colour)) for colour in np.unique(pixels, axis=0)}


def test_loss_and_scores_are_drawn(tmp_path: Path):
    lines = [Line(20 * i, i / 100, 1 + i // 20, 1e-3, 4 / (i + 1), 0.5) for i in range(40)]
    lines[20:20] = [Line(400, 0.2, 1, 1e-3, click=0.3, box=0.5, clip=0.7)]
    draw(lines, tmp_path / "loss.png")
    assert {(36, 87, 166), (209, 73, 91), (237, 174, 73), (42, 157, 143)} <= colours(
        tmp_path / "loss.png"
    )


def test_a_run_that_has_not_begun_draws_empty_axes(tmp_path: Path):
    draw([], tmp_path / "loss.png")
    assert (36, 87, 166) not in colours(tmp_path / "loss.png")
