"""The page's modes, brush and undo in a real browser, and its looks on a phone and by day."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.async_api import Browser, Page, expect
from stage import HAS_LATENCY, PHONE, PIXEL, Stage, staged

from sam2_rt import rle
from sam2_rt.tracking.prompt import Undo

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OUT = Path(__file__).parents[2] / "out"
IN, AWAY = [0.3, 0.5], [0.8, 0.2]


async def pixel_becomes(page: Page, at: list[float], condition: str) -> None:
    """Waits until the condition holds of the pixel's r, g and b."""
    await page.wait_for_function(
        f"(at) => {{ const [r, g, b] = ({PIXEL})(at); return {condition}; }}", arg=at
    )


async def begun(stage: Stage) -> Page:
    await stage.start()
    await stage.click(*IN)
    await expect(stage.page.locator("#tracks li")).to_have_attribute("data-state", "visible")
    return stage.page


async def test_a_mode_with_its_options_is_chosen_live(browser: Browser):
    async with staged(browser) as stage:
        page = await begun(stage)
        for name, options in {
            "overlay": [],
            "blur": ["strength"],
            "colour": ["colour"],
            "image": ["image"],
            "cutout": [],
            "pixelate": ["strength"],
        }.items():
            await page.get_by_label("Show", exact=True).select_option(name)
            for option in ("strength", "colour", "image"):
                shown = page.locator(f"[data-option={option}]")
                await expect(shown).to_be_visible(visible=option in options)
        await page.get_by_label("Show", exact=True).select_option("colour")
        await page.get_by_label("Colour", exact=True).fill("#c01010")
        await pixel_becomes(page, AWAY, "r > 150 && g < 60 && b < 60")
        await pixel_becomes(page, IN, "Math.abs(r - g) < 20 && Math.abs(r - b) < 20")
        await page.screenshot(path=OUT / "page-colour.png")
        await page.get_by_label("Show", exact=True).select_option("spotlight")
        await page.get_by_label("Strength", exact=True).fill("100")
        await pixel_becomes(page, AWAY, "r < 40")
        await page.screenshot(path=OUT / "page-spotlight.png")


async def test_a_picture_becomes_the_background(browser: Browser, tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 60, (1500, 2000, 3), np.uint8)
    noise[..., 1] += 190
    Image.fromarray(noise).save(tmp_path / "meadow.png")
    assert (tmp_path / "meadow.png").stat().st_size > 1_000_000, "far too large as it is"
    async with staged(browser) as stage:
        page = await begun(stage)
        await page.get_by_label("Show", exact=True).select_option("image")
        await page.set_input_files("#outputs [type=file]", tmp_path / "meadow.png")
        await pixel_becomes(page, AWAY, "g > 150 && r < 90")
        await expect(page.get_by_role("button", name="Another picture")).to_be_visible()
        (tmp_path / "notes.txt").write_text("no picture")
        await page.set_input_files("#outputs [type=file]", tmp_path / "notes.txt")
        await expect(page.locator("#notice")).to_contain_text("cannot read notes.txt")


async def test_a_cutout_shows_its_picture_half_and_can_be_clicked(browser: Browser):
    async with staged(browser) as stage:
        page = await begun(stage)
        await page.get_by_label("Show", exact=True).select_option("cutout")
        await page.wait_for_selector("#picture[data-double]")
        box = await page.locator("#picture").bounding_box()
        assert box["width"] / box["height"] == pytest.approx(640 / 360, abs=0.02)
        count = len(stage.engine.prompts)
        await page.mouse.click(box["x"] + 0.75 * box["width"], box["y"] + 0.5 * box["height"])
        await stage.until(lambda: len(stage.engine.prompts) > count)
        assert stage.engine.prompts[-1].points[0].x == pytest.approx(0.75, abs=0.01)
        await page.get_by_label("Show", exact=True).select_option("overlay")
        await page.wait_for_selector("#picture:not([data-double])")


async def test_masks_alone_are_painted_in_the_page(browser: Browser):
    async with staged(browser) as stage:
        page = await begun(stage)
        await page.get_by_label("Show", exact=True).select_option("masks")
        await expect(page.locator("#masks")).to_be_visible()
        tint = """([x, y]) => {
            const canvas = document.querySelector("#masks");
            const copy = new OffscreenCanvas(canvas.width, canvas.height);
            const pen = copy.getContext("2d");
            pen.drawImage(canvas, 0, 0);
            const [r, , b] = pen.getImageData(x * copy.width, y * copy.height, 1, 1).data;
            return b - r;
        }"""
        await page.wait_for_function(f"(at) => ({tint})(at) > 30", arg=IN)
        assert await page.evaluate(tint, AWAY) < 10
        await page.screenshot(path=OUT / "page-masks.png")
        await page.get_by_label("Show", exact=True).select_option("overlay")
        await expect(page.locator("#masks")).to_be_hidden()
        await pixel_becomes(page, IN, "b - r > 60")


async def test_a_painted_shape_is_said_as_a_mask(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        page = stage.page
        await page.get_by_text("Brush").click()
        await page.clock.install()
        await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))  # strokes are one
        for row in (0.4, 0.5):
            await page.mouse.move(*await stage.at(0.3, row))
            await page.mouse.down()
            await page.mouse.move(*await stage.at(0.5, row), steps=4)
            await page.mouse.up()
        await expect(page.locator("#paint")).to_be_visible()
        await page.screenshot(path=OUT / "page-brush.png")
        await page.clock.resume()
        await stage.until(lambda: stage.engine.prompts)
        (prompt,) = stage.engine.prompts
        assert prompt.mask.shape == (180, 320)
        assert prompt.mask[round(0.45 * 180), round(0.4 * 320)]
        assert prompt.mask[round(0.4 * 180), 96]
        assert not prompt.mask[:50].any()
        assert not prompt.mask[:, 180:].any()
        assert prompt.pts is not None
        await expect(page.locator("#paint")).to_be_hidden()
        await expect(page.locator("#tracks li")).to_have_attribute("data-state", "visible")


async def test_undo_takes_the_last_word_back_and_at_last_the_object(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        page, said = stage.page, stage.engine.prompts
        undo = page.get_by_role("button", name="Undo")
        await expect(undo).to_be_disabled()
        await stage.click(0.3, 0.5)
        await stage.click(0.6, 0.5, button="right")
        await expect(undo).to_be_enabled()
        await page.wait_for_function("document.querySelectorAll('.mark').length === 0")
        await undo.click()
        await stage.until(lambda: len(said) == 3)
        assert said[2] == Undo(1)
        (stream,) = stage.engine.streams.values()
        assert stream.centres[1] == pytest.approx((0.3, 0.5), abs=0.01)
        await page.keyboard.press("z")
        await stage.until(lambda: not stream.centres)
        await expect(undo).to_be_disabled()
        await expect(page.locator("#tracks li")).to_have_attribute("data-state", "new")
        await stage.click(0.7, 0.5)
        await expect(page.locator("#tracks li")).to_have_attribute("data-state", "visible")


async def test_undo_goes_back_over_all_objects_those_that_were_found_too(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        page, chips = stage.page, stage.page.locator("#tracks li")
        await page.get_by_role("button", name="middle").click()
        await expect(chips).to_have_attribute("data-state", "visible")
        await page.keyboard.press("n")
        await stage.click(0.8, 0.5)
        await expect(chips.last).to_have_attribute("data-state", "visible")
        await page.keyboard.press("z")
        await expect(chips).to_have_count(1)
        await page.keyboard.press("z")
        await expect(chips).to_have_attribute("data-state", "new")
        assert stage.engine.prompts[-2:] == [Undo(2), Undo(1)]


async def test_the_page_writes_masks_as_coco_does(browser: Browser):
    random = np.random.default_rng(0)
    masks = [
        np.kron(random.random((7, 9)) > 0.5, np.ones((9, 7), bool)),
        random.random((31, 17)) > 0.5,
        np.ones((200, 320), bool),
        np.zeros((5, 4), bool),
    ]
    async with staged(browser) as stage:
        for mask in masks:
            written = await stage.page.evaluate(
                """async ([cells, height, width]) => {
                    const { encodeRle } = await import("/web/rle.js");
                    return encodeRle(Uint8Array.from(cells), height, width);
                }""",
                [mask.ravel().astype(int).tolist(), *mask.shape],
            )
            assert written == rle.to_json(mask)


async def test_it_fits_a_phone_with_all_its_options(browser: Browser):
    async with staged(browser, PHONE) as stage:
        page = stage.page
        await page.emulate_media(color_scheme="dark")
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        await page.screenshot(path=OUT / "page-phone-start-dark.png")
        await stage.start("#use-pattern")
        await stage.click(0.3, 0.5)
        await page.get_by_label("Show", exact=True).select_option("blur")
        await page.wait_for_function(HAS_LATENCY)
        assert await page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        for control in await page.locator(
            "#deck button, #deck select, #deck input[type=range]"
        ).all():
            if await control.is_visible():
                box = await control.bounding_box()
                assert box["x"] >= 0
                assert box["x"] + box["width"] <= PHONE["width"]
                assert box["y"] + box["height"] <= PHONE["height"]
        await page.screenshot(path=OUT / "page-phone-dark.png")


async def test_every_control_has_a_name(browser: Browser):
    async with staged(browser) as stage:
        page = await begun(stage)
        await page.get_by_label("Show", exact=True).select_option("image")
        names = await page.evaluate(
            """() => [...document.querySelectorAll("button, select, input")].map((control) =>
                (control.ariaLabel || control.textContent.trim()
                 || [...(control.labels ?? [])].map((label) => label.textContent.trim()).join("")
                 || `none: ${control.outerHTML}`))"""
        )
        assert [name for name in names if name.startswith("none")] == []


async def test_who_cannot_click_has_objects_found(browser: Browser):
    async with staged(browser) as stage:
        await stage.start("#use-pattern")
        page = stage.page
        chips = page.locator("#tracks li")
        await page.get_by_role("button", name="middle").click()
        await expect(chips).to_have_attribute("data-state", "visible")
        (prompt,) = stage.engine.prompts
        assert (prompt.points[0].x, prompt.points[0].y) == (0.5, 0.5)
        await page.get_by_role("button", name="all", exact=True).click()
        await expect(chips).to_have_count(3)
        await expect(chips.last).to_have_attribute("data-state", "visible")
        await page.get_by_role("button", name="largest").click()
        await expect(page.locator("#notice")).to_contain_text("Remove one first")
        await page.screenshot(path=OUT / "page-found.png")
