import sys
from pathlib import Path

import pytest

from load.handover import Handover, How, Plan, rows, run
from load.pods import running_pods
from load.scene import Ball

FAKE_POD = (sys.executable, str(Path(__file__).with_name("fake_pod.py")))
RESULTS = Path(__file__).parents[2] / "load" / "RESULTS.md"


async def test_the_viewer_of_a_pod_that_is_killed_is_timed():
    reported: list[Handover] = []
    done = await run(Plan(Ball(96, 64, fps=10), (How.KILL,), 1, 1.2, FAKE_POD), reported.append)
    assert done == reported
    (killed,) = done
    assert killed.has_track
    assert killed.noticed_s > 0.5, "nobody tells its viewer"
    assert killed.connected_s > 0
    assert killed.gap_s > killed.usual_s > 0
    assert killed.gap_frames > 5


async def test_a_pod_that_does_not_start_is_an_error():
    with pytest.raises(RuntimeError, match="ended at once, with 1"):
        async with running_pods(1, (sys.executable, "-c", "raise SystemExit(1)")):
            pass


def test_the_rows_fit_their_table():
    gaps = [(1, 0.1), (2, 0.3), (1, 0.2)]
    drained = [Handover(How.DRAIN, *gap, 0.25, 0.5, 0.125, True) for gap in gaps]
    killed = [Handover(How.KILL, 15, 1.5, 1.2, 0.375, 0.125, False)]
    first, second = (
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in rows(Plan(), [*drained, *killed])
    )
    sent = "640x360@10"
    assert first[1:] == [
        "drain", sent, "1", "0.20", "0.30", "0.25", "0.50", "0.12", "3 of 3"
    ]  # fmt: skip
    assert second[1:] == [
        "kill -9", sent, "15", "1.50", "1.50", "1.20", "0.38", "0.12", "0 of 1"
    ]  # fmt: skip
    (header,) = [line for line in RESULTS.read_text().splitlines() if "with the track |" in line]
    assert len(header.strip("|").split("|")) == len(first) + 1, "the commit is put in by hand"
