"""Every panel of the dashboard while a viewer is there, by a real Prometheus."""

import asyncio
import json
import math
import time

import pytest
from loopback import OtherSide
from observed import DEPLOY, Scraped, value

PANELS = json.loads((DEPLOY / "dashboard.json").read_text())["panels"]
TARGETS = [(p["title"], t["expr"]) for p in PANELS if p["type"] != "row" for t in p["targets"]]


async def visit(scraped: Scraped) -> float:
    """Sends, clicks and takes video back for some scrapes; a moment at which all were there."""
    viewer = OtherSide()
    try:
        await viewer.connect(scraped.service)
        viewer.control.on("open", viewer.click)
        async with asyncio.timeout(60):
            while not is_known(scraped):  # noqa: ASYNC110 (Prometheus has no event for it)
                await asyncio.sleep(0.5)
        return time.time()
    finally:
        await viewer.close()


def is_known(scraped: Scraped) -> bool:
    """Masks, pictures and round trips were counted in two scrapes, and a track is there."""
    counted = (
        'min_over_time(streamer_end_to_end_seconds_count{output="picture"}[2s]) > 0'
        ' and on () min_over_time(streamer_end_to_end_seconds_count{output="masks"}[2s]) > 0'
        " and on () min_over_time(streamer_rtt_seconds_count[2s]) > 0"
        " and on () sum(streamer_tracks) > 0"
    )
    return bool(value(scraped.prometheus, counted))


@pytest.fixture(scope="module")
def seen_at_s(scraped: Scraped) -> float:
    return asyncio.run(visit(scraped))


@pytest.mark.parametrize(("title", "expression"), TARGETS)
def test_each_line_of_a_panel_shows_a_number_while_a_viewer_is_there(
    scraped: Scraped, seen_at_s: float, title: str, expression: str
):
    asked = expression.replace("$__rate_interval", "1m").replace("$namespace", ".*")
    shown = [float(sample["value"][1]) for sample in value(scraped.prometheus, asked, seen_at_s)]
    assert any(not math.isnan(number) for number in shown)
