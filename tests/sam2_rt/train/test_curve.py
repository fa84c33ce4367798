import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from sam2_rt.train.curve import app, read_points
from sam2_rt.train.log import Line, Log


def write_results(file: Path, *rows: tuple[str, int | None, dict[str, float | None]]) -> Path:
    lines = [{"suite": suite, "step": step, "numbers": n} for suite, step, n in rows]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return file


def test_points_are_read_by_suite_and_sorted_by_step(tmp_path: Path):
    first = write_results(
        tmp_path / "a.jsonl",
        ("VOS", 500, {"J&F": 0.3}),
        ("VOS", 200, {"J&F": 0.2}),
        ("image", 200, {"box": 0.4}),
        ("VOS", None, {"J&F": 0.9}),
        ("VOS", 700, {"J&F": None}),
    )
    second = write_results(tmp_path / "b.jsonl", ("VOS", 500, {"J&F": 0.35}))
    assert read_points([first, second], "J&F") == {"VOS": [(200, 0.2), (500, 0.35)]}
    with pytest.raises(ValueError, match="has both a step and mIoU"):
        read_points([first], "mIoU")


def test_evaluations_are_drawn_beside_the_loss(tmp_path: Path):
    log = Log(tmp_path / "log.jsonl")
    for step in range(20, 220, 20):
        log.write(Line(step, 0.1, 1, 1e-3, loss=4 / step))
    results = write_results(tmp_path / "r.jsonl", *(("VOS", n, {"J&F": 0.4}) for n in (50, 200)))
    out = tmp_path / "new" / "curve.png"
    said = CliRunner().invoke(app, [str(tmp_path), "--results", str(results), "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert "2 evaluations" in said.output
    pixels = np.asarray(Image.open(out).convert("RGB")).reshape(-1, 3)
    colours = {tuple(map(int, colour)) for colour in np.unique(pixels, axis=0)}
    assert {(36, 87, 166), (106, 61, 154)} <= colours  # the loss, and the evaluations


def test_a_folder_without_a_run_is_told(tmp_path: Path):
    results = write_results(tmp_path / "r.jsonl", ("VOS", 5, {"J&F": 0.4}))
    said = CliRunner().invoke(app, [str(tmp_path), "--results", str(results)])
    assert said.exit_code == 2
    assert "holds no log.jsonl" in " ".join(said.output.replace("│", " ").split())
