"""The page after a lost connection, and at a service that asks who comes."""

import asyncio
import re
import time
from pathlib import Path

import pytest
from fake_viewer import eventually
from playwright.async_api import Browser, Page, Route, expect
from served import serving
from stage import DESKTOP, PHONE, Stage, staged
from test_app_token import SECRET, token
from test_web_resume import fall_silent

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.http.bearer import Guard

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OUT = Path(__file__).parents[2] / "out"


async def lose(stage: Stage) -> None:
    """The service's packets get lost, and it does not answer before the page has said so."""
    is_said = asyncio.Event()

    async def hold(route: Route) -> None:
        await is_said.wait()
        await route.continue_()

    await stage.page.route("**/config", hold)
    (stay,) = stage.served.service._sessions.values()
    fall_silent(stay.peer)
    await expect(stage.page.locator("#link")).to_have_text(
        " Connection lost. Looking for the service again…", timeout=15_000
    )
    await expect(stage.page.locator("body")).to_have_attribute("data-phase", "live")
    OUT.mkdir(exist_ok=True)
    await stage.page.screenshot(path=OUT / "page-lost.png")
    is_said.set()


async def name_it(page: Page, name: str) -> None:
    """What is selected."""
    await page.keyboard.press("r")
    await page.keyboard.type(name)
    await page.keyboard.press("Enter")


async def test_a_lost_connection_is_said_and_the_page_goes_on_with_its_objects(browser: Browser):
    async with staged(browser) as stage:
        page = stage.page
        await stage.start()
        await stage.click(0.3, 0.5)
        await page.click("#new")
        await stage.click(0.7, 0.5)
        chips = page.locator("#tracks li")
        await expect(chips).to_have_count(2)
        await page.wait_for_timeout(1200)  # a token
        await lose(stage)
        await expect(page.locator("#link")).to_have_text(
            "Connected again. Your objects go on as they were."
        )
        await page.screenshot(path=OUT / "page-connected-again.png")
        await expect(chips).to_have_count(2)
        await expect(page.locator("#notice")).to_be_hidden()
        assert stage.engine.num_opened == 1, "the same stream"
        await page.keyboard.press("1")
        await stage.click(0.35, 0.5)
        await expect(chips.first).to_have_attribute("data-state", "visible")
        assert stage.engine.prompts[-1].track_id == 1
        await expect(page.locator("#link")).to_be_hidden(timeout=10_000)
        for _ in range(3):  # the two clicks of before too: the service has them
            await page.keyboard.press("z")
        (stream,) = stage.engine.streams.values()
        await stage.until(lambda: not stream.centres)
        await expect(page.locator("#undo")).to_be_disabled()


async def test_objects_that_did_not_come_along_are_named(browser: Browser):
    async with staged(browser, PHONE, park_s=0, resume_ttl_s=1) as stage:
        await stage.start("#use-pattern")
        await stage.click(0.3, 0.5)
        await name_it(stage.page, "Ball")
        await stage.page.wait_for_timeout(1200)
        await lose(stage)
        await expect(stage.page.locator("#notice")).to_contain_text(
            "Connected again, but Ball was lost. Click it again."
        )
        await stage.page.screenshot(path=OUT / "page-object-lost.png")
        chips = stage.page.locator("#tracks li")
        await expect(chips).to_have_attribute("data-state", "new")
        await expect(chips).to_contain_text("Ball")
        await stage.click(0.3, 0.5)
        await expect(chips).to_have_attribute("data-state", "visible")
        await expect(stage.page.locator("#notice")).to_be_hidden()


async def test_a_session_that_the_service_ended_goes_on_as_another(browser: Browser):
    async with staged(browser) as stage:
        await stage.start("#use-pattern")
        for session in list(stage.served.service._sessions):
            stage.served.service.end(session)
        await expect(stage.page.locator("#link")).to_contain_text("Connected again.")
        await stage.click(0.3, 0.5)
        await expect(stage.page.locator("#tracks li")).to_have_attribute("data-state", "visible")


async def test_a_session_whose_time_is_over_is_said_so_and_the_page_stays_where_it_is(
    browser: Browser,
):
    async with staged(browser, max_session_s=600) as stage:
        page, service = stage.page, stage.served.service
        await stage.start("#use-pattern")
        await stage.click(0.3, 0.5)
        (stay,) = service._sessions.values()
        stay.session.term.lower(time.time())
        await expect(page.locator("#notice")).to_have_text(
            "The service ended the session: 600 s of this session are over. "
            "Start again for another."
        )
        await expect(page.locator("body")).to_have_attribute("data-phase", "idle")
        await expect(page.locator("#link")).to_be_empty()
        await page.screenshot(path=OUT / "page-ended.png")
        await eventually(lambda: service.num_open == 0)
        await expect(page.locator("#notice")).to_contain_text("The service ended the session")
        assert service.metrics.offers_accepted._value.get() == 1, "it did not come back by itself"
        await stage.start("#use-pattern")
        assert service.metrics.offers_accepted._value.get() == 2


async def test_a_service_that_is_not_found_again_is_named_and_all_can_be_started_anew(
    browser: Browser,
):
    page = await browser.new_page(viewport=DESKTOP)
    await page.clock.install()
    async with serving(FakeEngine) as served:
        await page.goto(served.url)
        await page.click("#use-pattern")
        await page.wait_for_selector('body[data-phase="live"]')
        served.service.is_draining = True  # nobody is let in
        served.service.begin_stop()
        await expect(page.locator("#link")).to_contain_text("Connection lost")
        await page.clock.fast_forward(25_000)
        await expect(page.locator("#notice")).to_have_text(
            re.compile(r"Connection lost\. The service is full\. Try again in \d+ seconds\.")
        )
        await expect(page.locator("#use-pattern")).to_be_visible()
        await page.close()


async def test_a_service_that_asks_for_a_token_gets_one(browser: Browser):
    page = await browser.new_page(viewport=DESKTOP)
    async with serving(FakeEngine, token_secret=SECRET) as served:
        await page.goto(served.url)
        door, words = page.locator("#door"), page.locator("#door-text")
        await expect(words).to_have_text(
            "This service asks for an access token. Paste yours to begin."
        )
        await page.screenshot(path=OUT / "page-token.png")
        await page.click("#use-pattern")
        await expect(page.locator("body")).to_have_attribute("data-phase", "idle")
        await expect(words).to_contain_text("asks for an access token")
        for wrong in ("rubbish", token()[:-3] + "abc", "tökén"):
            await page.fill("#token", wrong)
            await page.keyboard.press("Enter")
            await expect(words).to_contain_text("The service refused this token: ")
        await page.fill("#token", token(exp=1))
        await page.click("#use-pattern")
        await expect(words).to_have_text("The service refused this token: the token has expired.")
        await page.fill("#token", f" {token()} ")
        await page.get_by_role("button", name="Use it").click()
        await expect(words).to_have_text("The service takes this token. Choose a source.")
        await expect(page.locator("#banner")).to_be_visible()
        await page.click("#use-pattern")
        await page.wait_for_selector('body[data-phase="live"]')
        await expect(door).to_be_hidden()
        served.service.guard = Guard(Settings(token_secret="another" + SECRET))
        for session in list(served.service._sessions):
            served.service.end(session)
        await expect(words).to_have_text(
            "The service refused this token: the token is not good for this service."
        )
        await expect(door).to_be_visible()
        await page.close()
