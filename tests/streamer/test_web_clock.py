"""sent_clock.js: which of the viewer's own frames carried an RTP timestamp."""

import numpy as np
import pytest
from playwright.async_api import Browser
from served import serving

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

CLOCK = """async ({ origin, captured, lateMs, shownMs, start, wanted }) => {
    const { SentClock } = await import("/web/sent_clock.js");
    const clock = new SentClock();
    const rtp = (ms) => (origin + 90 * Math.floor(ms)) >>> 0;
    captured.forEach((ms, at) => {
        if (at % 5 !== 3) clock.show(ms - start, ms + shownMs); // a fifth is never shown
        clock.send(rtp(ms), ms + lateMs);
    });
    const frames = captured.map((ms) => ({ captureMs: ms - start, ms }));
    return [clock.isKnown, clock.isSettled, clock.find(rtp(captured[wanted]), frames)?.ms,
            clock.find(rtp(captured[wanted] + 12), frames)];
}"""


@pytest.mark.parametrize(
    ("jitter_ms", "late_ms", "num_frames", "outcome"),
    [
        (4.0, 180, 45, "right"),  # distances decide, however late the encoder
        (0.0, 8, 90, "right"),  # even ones say nothing: when frames left the encoder decides
        (0.0, 8, 45, "unknown"),  # and that takes a while
        (0.0, 45, 90, "one off"),  # the limit of this: an encoder that is never on time
    ],
)
async def test_frames_are_known_by_their_uneven_distances_or_else_by_when_they_left(
    browser: Browser, jitter_ms: float, late_ms: float, num_frames: int, outcome: str
):
    random = np.random.default_rng(3)
    captured = 1000 + np.arange(num_frames) * 33.0 + jitter_ms * random.random(num_frames)
    async with serving() as served:
        page = await browser.new_page()
        await page.goto(f"{served.url}/livez")
        known, settled, found, none = await page.evaluate(
            CLOCK,
            {
                "origin": (1 << 32) - 90 * 2000,  # it wraps on the way
                "captured": captured.tolist(),
                "lateMs": late_ms,
                "shownMs": 9,
                "start": 612.25,
                "wanted": 20,
            },
        )
        await page.close()
    assert none is None, "no frame was captured then"
    assert known is (outcome != "unknown")
    if outcome == "right":
        assert found == pytest.approx(captured[20])
        assert settled is (jitter_ms > 0)
    if outcome == "one off":
        assert found == pytest.approx(captured[20] + 33)


HIDDEN = """async ({ captured, shownFor, lateMs, back }) => {
    const { SentClock } = await import("/web/sent_clock.js");
    const clock = new SentClock();
    captured.forEach((ms, at) => {
        if (at < shownFor || at >= back) clock.show(ms, ms + 9);
        clock.send(90 * Math.floor(ms), ms + lateMs);
    });
    const frames = captured.map((ms) => ({ captureMs: ms, ms }));
    const last = captured[captured.length - 1];
    return [clock.isSettled, clock.find(90 * Math.floor(last), frames)?.ms - last];
}"""


@pytest.mark.parametrize("back", [160, 100], ids=["never seen again", "seen again"])
@pytest.mark.parametrize("shown_for", [62, 75])
async def test_a_page_that_is_hidden_while_frames_are_sent_spoils_no_clock(
    browser: Browser, shown_for: int, back: int
):
    random = np.random.default_rng(5)
    captured = 1000 + np.arange(160) * 100 / 3 + 0.7 * random.random(160)  # as even as a camera is
    async with serving() as served:
        page = await browser.new_page()
        await page.goto(f"{served.url}/livez")
        told = {"captured": captured.tolist(), "shownFor": shown_for, "lateMs": 6, "back": back}
        settled, off_ms = await page.evaluate(HIDDEN, told)
        await page.close()
    assert off_ms == pytest.approx(0, abs=1)
    assert not settled, "three seconds of both are still to come"
