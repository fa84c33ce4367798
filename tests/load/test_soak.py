import csv
import math
from pathlib import Path

import av
from served import serving

from fake_engine import FakeEngine
from load.scene import Pattern
from load.soak import Plan, Soak, Stretch, latency_row, memory_row, soak, write

SMALL = Pattern(96, 64, fps=20)
RESULTS = Path(__file__).parents[2] / "load" / "RESULTS.md"


async def test_it_reads_memory_and_latency_while_a_viewer_watches():
    reported: list[Stretch] = []
    async with serving(FakeEngine) as served:
        plan = Plan(served.url, SMALL, minutes=1 / 40, interval_s=0.5)
        done = await soak(plan, reported.append)
    assert len(done.stretches) == 3
    assert list(done.stretches) == reported
    assert 10 < done.idle_mib < 10_000
    for one in done.stretches:
        assert 10 < one.resident_mib < 10_000
        assert one.masks > 0
        assert 0 < one.p50_ms <= one.p95_ms < 60_000
        assert 0 < one.in_sight <= 1


def ten_minutes() -> Soak:
    """Memory settles after a minute; latency grows from 80 to 139 ms, and one stretch is slow."""
    stretches = [
        Stretch(10.0 * row, 300 if row < 6 else 391 + row % 2, 200, 79 + row, 2 * (79 + row), 0.75)
        for row in range(1, 61)
    ]
    stretches[30] = Stretch(310, 391, 0, 110, 777, math.nan)
    return Soak(Plan("", SMALL), 353, tuple(stretches))


def test_the_rows_fit_their_tables():
    for made, name, expected in (
        (memory_row, "settled", ["353", "391 to 392", "19.7", "109"]),
        (latency_row, "worst p95", ["19.7", "82", "136", "164", "272", "777", "0.75"]),
    ):
        cells = [cell.strip() for cell in made(ten_minutes()).strip("|").split("|")]
        assert cells[1:] == ["96x64@20", "1", "10 min", *expected]
        (header,) = [line for line in RESULTS.read_text().splitlines() if f"| {name} |" in line]
        assert len(header.strip("|").split("|")) == len(cells) + 1, "the commit is put in by hand"


def test_a_short_run_has_rows_too():
    short = Soak(Plan("", SMALL), 353, (Stretch(10, 380, 200, 80, 90, 1),))
    assert "| 353 | 380 to 380 | 20.0 | 80 |" in memory_row(short)
    assert "| 20.0 | 80 | 80 | 90 | 90 | 90 | 1.00 |" in latency_row(short)


def test_the_series_is_written_and_drawn(tmp_path: Path):
    write(ten_minutes(), tmp_path / "new")
    rows = list(csv.DictReader((tmp_path / "new" / "soak.csv").read_text().splitlines()))
    assert len(rows) == 60
    assert (rows[0]["end_s"], rows[0]["p50_ms"], rows[30]["p95_ms"]) == ("10", "80", "777")
    with av.open(str(tmp_path / "new" / "soak.png")) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert picture.shape == (600, 700, 3)
    assert picture.std() > 10, "it is not empty"


def test_a_stretch_without_masks_is_left_out_of_the_picture_only(tmp_path: Path):
    starved = Soak(Plan("", SMALL), 353, (Stretch(10, 380, 0, math.inf, math.inf, math.nan),))
    write(starved, tmp_path)
    assert "inf" in (tmp_path / "soak.csv").read_text()
