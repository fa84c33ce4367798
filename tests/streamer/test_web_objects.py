"""What the page says of objects that come and go by themselves."""

import dataclasses
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect
from stage import PHONE, Discs, staged
from test_web_goes_on import name_it

from sam2_rt.engine import EventKind, StepRequest, StepResult, TrackEvent

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OUT = Path(__file__).parents[2] / "out"


# News goes after 5 s; here it stays until the test has read it.
HOLD = """() => {
    const later = setTimeout;
    window.setTimeout = (call, ms) => ms === 5000 ? 0 : later(call, ms);
}"""


class Told(Discs):
    """Tells what it is told to tell, once; an object that is dropped or removed is gone."""

    def __init__(self) -> None:
        super().__init__()
        self.to_tell: list[tuple[EventKind, int]] = []

    def _step(self, request: StepRequest) -> StepResult | Exception:
        told, self.to_tell = self.to_tell, []
        stream = self.streams[request.stream_id]
        for kind, track_id in told:
            if kind in (EventKind.DROPPED, EventKind.REMOVED):
                self._remove(stream, track_id)
        result = super()._step(request)
        assert isinstance(result, StepResult)
        events = tuple(TrackEvent(kind, track_id, result.index) for kind, track_id in told)
        return dataclasses.replace(result, events=(*result.events, *events))


async def news(page: Page) -> list[str]:
    return await page.locator("#news p").all_inner_texts()


async def test_what_becomes_of_an_object_is_read_out_under_its_name(browser: Browser):
    engine = Told()
    async with staged(browser, engine=engine) as stage:
        page, chips = stage.page, stage.page.locator("#tracks li")
        await stage.start("#use-pattern")
        await page.evaluate(HOLD)
        await stage.click(0.3, 0.5)
        await name_it(page, "Ball")
        await page.click("#new")
        await stage.click(0.7, 0.5)
        await expect(chips.last).to_have_attribute("data-state", "visible")
        region = page.get_by_role("status", name="News of the objects")
        engine.to_tell = [(EventKind.LOST, 1)]
        await expect(region).to_have_text("Ball is out of sight. It is still looked for.")
        engine.to_tell = [(EventKind.REACQUIRED, 1), (EventKind.LOST, 2)]
        await expect(page.locator("#news p")).to_have_count(3)
        assert (await news(page))[1:] == [
            "Ball is back.",
            "Object 2 is out of sight. It is still looked for.",
        ]
        OUT.mkdir(exist_ok=True)
        await page.screenshot(path=OUT / "page-news.png")
        engine.to_tell = [(EventKind.DROPPED, 1)]
        await expect(page.locator("#notice")).to_have_text(
            "Ball is not followed any more. Click it again when it is in the picture."
        )
        await expect(chips).to_have_count(1)


async def test_an_object_that_a_machine_removes_leaves_the_page_and_its_number_is_free(
    browser: Browser,
):
    engine = Told()
    async with staged(browser, PHONE, engine=engine) as stage:
        chips = stage.page.locator("#tracks li")
        await stage.start("#use-pattern")
        await stage.click(0.3, 0.5)
        await expect(chips).to_have_attribute("data-state", "visible")
        engine.to_tell = [(EventKind.REMOVED, 1)]
        await expect(chips).to_have_attribute("data-state", "new")
        await expect(stage.page.locator("#undo")).to_be_disabled()
        await stage.click(0.7, 0.5)
        await expect(chips).to_have_attribute("data-state", "visible")
        assert engine.prompts[-1].track_id == 1


async def test_the_latency_that_is_told_is_that_of_the_last_seconds(browser: Browser):
    """Not of so many frames: a slow service would look quick for a long time."""
    async with staged(browser) as stage:
        told = await stage.page.evaluate(
            """async () => {
                const { Panel } = await import("/web/panel.js");
                const panel = new Panel(document.querySelector("#numbers"));
                const client = { roundTripMs: 5, getStats: async () => null };
                const told = [];
                let nowMs = 1000;
                performance.now = () => nowMs;
                for (const [ageMs, count] of [[10, 50], [500, 3]]) {
                    for (let index = 0; index < count; index++) panel.age(ageMs);
                    await panel.show({ fps: 1, dropped: {} }, client, []);
                    told.push(document.querySelector("#latency").textContent);
                    nowMs += 4000;
                }
                return told;
            }"""
        )
        assert told == ["15 ms", "505 ms"]


async def test_a_finger_is_told_to_tap(browser: Browser):
    async with staged(browser) as stage:
        context = await browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
        for page, verb in ((stage.page, "Click"), (await context.new_page(), "Tap")):
            await page.goto(stage.served.url)
            await expect(page.get_by_role("heading", level=2)).to_have_text(
                f"{verb} anything. It keeps its mask.", use_inner_text=True
            )
        await context.close()
