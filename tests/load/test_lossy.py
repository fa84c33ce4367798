import math
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from served import serving

from fake_engine import NO_LOGITS, FakeEngine
from load.browser import CHROMIUM
from load.lossy import Bursts, Plan, chromium_viewer, python_viewer, row
from load.picture_code import read
from load.recovery import Recovery
from load.scene import Ball
from sam2_rt.engine import StepRequest, StepResult

RESULTS = Path(__file__).parents[2] / "load" / "RESULTS.md"
SMALL = Ball(320, 192)
QUICK = {"scene": SMALL, "bursts": 1, "pause_s": 0.5, "patience_s": 60.0}


class Seeing(FakeEngine):
    """Its masks are the ball, in the frame whose number the picture says; else they are empty."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        result = super()._step(request)
        luma = request.frame.planes[0]
        grey = np.full((luma.shape[0] // 2, luma.shape[1]), 128, np.uint8)
        picture = av.VideoFrame.from_ndarray(np.concatenate((luma, grey)), format="yuv420p")
        number = read(picture)
        mask = np.zeros(luma.shape, bool) if number is None else SMALL.truth(number)
        found = tuple(replace(m, mask=mask, logits=NO_LOGITS) for m in result.masks)
        return replace(result, masks=found)


def held(done: Bursts, reported: list[Recovery]) -> None:
    assert tuple(reported) == done.recoveries
    assert len(reported) == done.plan.bursts
    for one in done.recoveries:
        assert 0.02 < one.mask_s < 60, "the link alone takes longer"
        assert 0.02 < one.picture_s < 60
    assert all(0.02 < seconds < 60 for seconds in done.p50_s)


@pytest.mark.parametrize("has_repairs", [True, False])
async def test_recoveries_from_bursts_are_timed_and_a_mask_is_held_against_the_truth(
    *, has_repairs: bool
):
    reported: list[Recovery] = []
    async with serving(Seeing) as served:
        bursts = 2 if has_repairs else 1
        plan = Plan(served.url, **{**QUICK, "bursts": bursts}, has_repairs=has_repairs)
        held(await python_viewer(plan, reported.append), reported)


@pytest.mark.browser
async def test_a_browser_s_recoveries_are_timed():
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    reported: list[Recovery] = []
    async with serving(FakeEngine) as served:
        plan = Plan(served.url, **QUICK, has_repairs=False)
        held(await chromium_viewer(plan, reported.append), reported)


async def test_masks_that_are_never_right_are_no_recovery():
    async with serving(FakeEngine) as served:  # a disc that stays, and is no ball
        quick = {**QUICK, "patience_s": 1.0}
        done = await python_viewer(Plan(served.url, **quick), lambda _: None)
    assert done.recoveries[0].mask_s == math.inf


def test_the_row_fits_its_table():
    recoveries = tuple(Recovery(0.1 * n, 0.1 * n + 0.05) for n in range(1, 21))
    done = Bursts(Plan(""), "Python", recoveries, (0.08, 0.125))
    cells = [cell.strip() for cell in row(done).strip("|").split("|")]
    times = ["1000", "2000", "1050", "2050", "80", "125"]
    assert cells[1:] == ["Python", "640x360@30", "5%, 50 ms", "20 of 15", "yes", *times]
    alone = row(
        replace(done, plan=Plan("", has_repairs=False), recoveries=(Recovery(1, math.inf),))
    )
    assert "| 0%, 50 ms | 1 of 15 | no | 1000 | 1000 | inf | inf |" in alone
    (header,) = [line for line in RESULTS.read_text().splitlines() if "| sent again |" in line]
    assert len(header.strip("|").split("|")) == len(cells) + 1, "the commit is put in by hand"
