import asyncio
import csv
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import av
from served import serving

from fake_engine import FakeEngine
from load.echo_process import echoing
from load.level import Level
from load.ramp import End, Plan, Ramp, beside_echo, ramp, row, write
from load.scene import Pattern

SMALL = Pattern(96, 64, fps=20, output="overlay")
RESULTS = Path(__file__).parents[2] / "load" / "RESULTS.md"


def plan(url: str, **changes: object) -> Plan:
    quick = {"scene": SMALL, "budget_ms": 60_000, "settle_s": 0.2, "seconds": 0.8}
    return Plan(url, **{**quick, **changes})


def level(viewers: int, p95_ms: float, cores: float = 0.5) -> Level:
    masks = (p95_ms / 2, p95_ms, p95_ms, 19.5, 18.25, 20.0)
    return Level(viewers, *masks, p95_ms + 5, p95_ms + 10, 19.25, cores, 0.875)


async def test_one_viewer_more_at_a_time_until_there_are_enough():
    reported: list[Level] = []
    async with serving(FakeEngine) as served:
        done = await ramp(plan(served.url, max_viewers=3), reported.append)
    assert done.end is End.MOST
    assert [one.viewers for one in done.levels] == [1, 2, 3]
    assert reported == list(done.levels)
    for one in done.levels:
        assert 0 < one.p50_ms <= one.p95_ms <= one.worst_p95_ms < 60_000
        assert 0 < one.least_fps <= one.fps <= 30
        assert 0 < one.sent_fps <= 30
        assert 0 < one.picture_p50_ms <= one.picture_p95_ms < 60_000
        assert 0 < one.picture_fps <= 30
        assert one.cores > 0
        assert 0 < one.in_sight <= 1


async def test_it_ends_when_the_budget_breaks():
    async with serving(FakeEngine) as served:
        done = await ramp(plan(served.url, budget_ms=0.001), lambda _: None)
    assert (done.end, len(done.levels), done.held) == (End.BUDGET, 1, None)


async def test_it_ends_when_the_service_is_full():
    async with serving(FakeEngine, max_sessions=1) as served:
        done = await ramp(plan(served.url), lambda _: None)
        assert (done.end, len(done.levels)) == (End.FULL, 1)
        assert done.held == done.levels[0]


async def test_it_ends_when_nobody_answers():
    done = await ramp(plan("http://127.0.0.1:9"), lambda _: None)
    assert (done.end, done.levels) == (End.FAILED, ())
    assert "127.0.0.1:9" in done.words


async def test_the_same_viewers_are_counted_at_an_echo_server():
    done = Ramp(plan("http://127.0.0.1:9"), (level(1, 40), level(2, 90)), End.MOST)
    async with echoing() as url:
        done = await beside_echo(done, url, lambda _: None)
    assert [one.viewers for one in done.echo] == [1, 2]
    assert done.beside == done.echo[1]
    for one in done.echo:
        assert 0 < one.picture_p50_ms <= one.picture_p95_ms < 60_000
        assert one.picture_fps > 0
        assert one.cores > 0
        assert (one.fps, one.p95_ms) == (0, math.inf), "it knows no masks"


def test_what_was_held_is_the_last_level_within_the_budget(tmp_path: Path):
    levels = (level(1, 40), level(2, 90), level(3, math.inf))
    done = Ramp(plan("", budget_ms=150), levels, End.BUDGET, echo=(level(1, 30),))
    assert done.held == levels[1]
    assert done.beside is None, "the echo server was not asked for so many"
    write(done, tmp_path / "new")
    rows = list(csv.DictReader((tmp_path / "new" / "ramp.csv").read_text().splitlines()))
    assert [(one["server"], one["viewers"], one["p95_ms"]) for one in rows] == [
        ("service", "1", "40"),
        ("service", "2", "90"),
        ("service", "3", "inf"),
        ("echo", "1", "30"),
    ]
    with av.open(str(tmp_path / "new" / "ramp.png")) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape == (600, 700, 3)
    assert picture.std() > 10, "it is not empty"


def test_the_row_fits_the_table_of_results():
    levels, echo = (level(1, 40), level(2, 200)), (level(1, 15, 0.2),)
    done = Ramp(plan("", budget_ms=150), levels, End.BUDGET, echo=echo)
    cells = [cell.strip() for cell in row(done).strip("|").split("|")]
    within = ["1", "20", "40", "19.5", "20.0", "0.88", "50 (2.00)", "0.50 (2.50)", "budget"]
    assert cells[1:] == ["96x64@20 overlay", "1", "150 ms", *within]
    (header,) = [line for line in RESULTS.read_text().splitlines() if "ended by" in line]
    # The commit and what the machine did beside it are written by hand.
    assert len(header.strip("|").split("|")) == len(cells) + 1
    unseen = replace(levels[0], picture_p50_ms=math.inf, picture_p95_ms=math.inf, picture_fps=0)
    masks = row(replace(done, levels=(unseen,))).strip("|").split("|")
    assert [cell.strip() for cell in masks[-3:]] == ["", "0.50 (2.50)", "budget"]
    none = Ramp(plan("", budget_ms=1), (level(1, 40),), End.BUDGET)
    assert len(row(none).strip("|").split("|")) == len(cells)


async def test_the_program_writes_its_files_and_a_row(tmp_path: Path):
    async with serving(FakeEngine) as served:
        options = "--width 96 --height 64 --fps 20 --max-viewers 1 --settle-s 0.2 --seconds 0.5"
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "load.ramp", "--url", served.url, "--budget-ms", "60000",
            "--scene", "stripes", *options.split(), "--out", str(tmp_path), stdout=subprocess.PIPE,
        )  # fmt: skip
        words, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0
    lines = words.decode().splitlines()
    assert lines[-1].startswith("| 20")
    assert [line.split(":")[0] for line in lines[:2]] == ["viewers 1", "echo, viewers 1"]
    assert (tmp_path / "ramp.csv").stat().st_size > 50
    assert (tmp_path / "ramp.png").stat().st_size > 1000
