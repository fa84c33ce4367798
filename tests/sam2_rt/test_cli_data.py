import re

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from picture_folders import write_masked, write_photos
from sam2_rt.cli_data import scenes
from sam2_rt.data.worlds.library import NoRenderer, load_mujoco

app = typer.Typer()
app.command()(scenes)


@pytest.fixture
def run():
    runner = CliRunner()
    wide = {"COLUMNS": "400"}  # so that no path is broken into lines
    return lambda *arguments: runner.invoke(app, [str(one) for one in arguments], env=wide)


def test_a_contact_sheet_has_a_row_a_clip(run, tmp_path):
    masked = write_masked(tmp_path / "m")
    out = tmp_path / "new" / "sheet.png"
    answer = run("--clips", 2, "--size", 64, "--frames", 4, "--masks", masked, "--out", out)
    assert answer.exit_code == 0, answer.output
    with Image.open(out) as sheet:
        assert sheet.size == (512, 128)


def test_the_bench_prints_milliseconds_a_frame(run):
    answer = run("--bench", "--clips", 2, "--size", 64)
    assert re.search(r"[\d.]+ ms a frame", answer.output), answer.output


@pytest.mark.parametrize("more", [(), ("--bench",)])
def test_bodies_are_drawn_and_timed_where_there_is_a_renderer(run, tmp_path, more):
    try:
        load_mujoco()
    except NoRenderer as missing:
        pytest.skip(f"{missing}")
    out = tmp_path / "sheet.png"
    answer = run("--bodies", "--clips", 1, "--size", 64, "--frames", 2, "--out", out, *more)
    assert answer.exit_code == 0, answer.output
    assert out.exists() == (not more)


def test_bad_pictures_are_named(run, tmp_path):
    photos = write_photos(tmp_path / "p", 1)
    (photos / "0.jpg").write_bytes(b"nothing")
    answer = run("--clips", 4, "--size", 64, "--photos", photos, "--out", tmp_path / "s.png")
    assert answer.exit_code == 0, answer.output
    assert "0.jpg" in answer.output


def test_a_missing_folder_is_named(run, tmp_path):
    answer = run("--photos", tmp_path / "nowhere", "--out", tmp_path / "s.png")
    assert answer.exit_code == 2
    assert "nowhere" in answer.output
