import csv
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from served import serving

from fake_engine import FakeEngine
from load.browser import CHROMIUM, BrowserError, Taken, browsing, chromium
from load.camera import write_camera
from load.chromium import Plan, Run, row, run, write
from load.scene import Ball

RESULTS = Path(__file__).parents[2] / "load" / "RESULTS.md"
SMALL = Ball(320, 192)


@pytest.mark.browser
async def test_a_browser_clicks_the_object_and_times_its_masks_and_pictures():
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    engine = FakeEngine()
    reported: list[str] = []

    def report(mode: str, end_s: float, taken: Taken) -> None:
        reported.append(mode)
        (stream,) = engine.streams.values()
        assert stream.centres[1] in places

    numbers = range(len(SMALL.round()))
    places = [(place.x, place.y) for place in (SMALL.places(n, 1)[0] for n in numbers)]
    async with serving(lambda: engine) as served:
        done = await run(Plan(served.url, SMALL, seconds=1, interval_s=1), report)
    assert reported == ["overlay", "masks"]
    overlay, masks = done
    for taken in (*overlay.stretches, *masks.stretches):
        assert taken.size == "320x192"
        assert 0 < taken.in_sight <= taken.masks
        assert taken.sent > 0
        assert len(taken.captured_ms) > taken.masks / 2
        assert min(taken.encoded_ms) > 0
    assert all(taken.picture_ms for taken in overlay.stretches)
    assert len(row(overlay).split("|")) == len(row(masks).split("|"))


@pytest.mark.browser
async def test_what_goes_wrong_in_the_page_is_told(tmp_path: Path):
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    write_camera(SMALL, tmp_path / "camera.y4m")
    async with (
        serving(token_secret="a shared secret of thirty-two characters") as served,
        chromium(tmp_path / "camera.y4m") as browser,
    ):
        with pytest.raises(BrowserError, match="Sam2Error: it has characters"):
            async with browsing(browser, served.url) as viewer:
                await viewer.begin(SMALL, "no token")


def taken(first_ms: float) -> Taken:
    """100 masks in 10 s, 75 of them in sight."""
    captured = [first_ms + n for n in range(100)]
    pictures = [ms + 40 for ms in captured]
    return Taken(100, 75, 290, captured, [ms - 5 for ms in captured], pictures, "640x360")


def ten_minutes() -> Run:
    """The last minute is slower by 50 ms."""
    stretches = tuple(taken(20 if n < 54 else 70) for n in range(60))
    return Run(Plan(""), "overlay", stretches, tuple(10.0 * (n + 1) for n in range(60)))


def test_the_row_fits_its_table():
    cells = [cell.strip() for cell in row(ten_minutes()).strip("|").split("|")]
    assert cells[1:4] == ["640x360@30", "overlay", "600 s"]
    assert cells[4:9] == ["29.0", "10.0", "74", "119", "69"]
    assert cells[9:11] == ["114", "159"], "to the picture"
    assert cells[11:13] == ["114", "164"], "p95 of the first minute and of the last"
    assert cells[13:] == ["0.75"]
    (header,) = [line for line in RESULTS.read_text().splitlines() if "| from encoder |" in line]
    assert len(header.strip("|").split("|")) == len(cells) + 1, "the commit is put in by hand"
    only_masks = tuple(replace(one, picture_ms=()) for one in ten_minutes().stretches)
    without = row(replace(ten_minutes(), stretches=only_masks))
    assert len(without.strip("|").split("|")) == len(cells)


def test_the_series_is_written_and_drawn(tmp_path: Path):
    write(ten_minutes(), tmp_path / "new")
    rows = list(csv.DictReader((tmp_path / "new/chromium-overlay.csv").read_text().splitlines()))
    assert (len(rows), rows[0]["end_s"], rows[0]["masks, frames/s"]) == (60, "10", "10")
    assert rows[59]["p95, capture to mask, ms"] == "164"
    with av.open(str(tmp_path / "new/chromium-overlay.png")) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape == (600, 700, 3)
    assert picture.std() > 10, "it is not empty"


def test_the_camera_s_file_has_one_round_of_the_scene(tmp_path: Path):
    write_camera(Ball(96, 64), tmp_path / "camera.y4m")
    with av.open(str(tmp_path / "camera.y4m")) as film:
        frames = list(film.decode(video=0))
    scene = Ball(96, 64)
    assert len(frames) == len(scene.round())
    assert np.array_equal(frames[7].to_ndarray(), scene.frame(7).to_ndarray())


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import sys; sys.modules['playwright'] = None; import load.chromium", "pip install"),
        ("import sys; sys.argv += ['--program', '/no']; from load.chromium import main; main()",
         "/no is missing: apt-get install chromium"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(code: str, words: str):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(words, done.stderr)
    assert "Traceback" not in done.stderr
