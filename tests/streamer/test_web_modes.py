"""Every mode as a browser shows it: a checkerboard from a file, an object in its middle."""

import asyncio
import base64
import io
from pathlib import Path

import av
import numpy as np
import pytest
from board import AT, HEIGHT, SHOWN, WIDTH, Look, Rgb, board, look
from PIL import Image
from playwright.async_api import Browser, Page, expect
from stage import staged

from streamer.picture.output import Mode

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FOLDER = Path(__file__).parents[2] / "out" / "modes"
NAMES = {Mode.REPLACE: "colour"}
"""Of modes that the page calls by another name."""

# What is seen: the video, and the masks that the page paints on it by itself.
SHOT = """() => {
    const video = document.querySelector("#returned");
    if (video.videoWidth === 0) return null; // for a moment, while it changes its size
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const pen = canvas.getContext("2d");
    pen.drawImage(video, 0, 0);
    const masks = document.querySelector("#masks");
    if (!masks.hidden) pen.drawImage(masks, 0, 0, canvas.width, canvas.height);
    return canvas.toDataURL("image/png").split(",")[1];
}"""


def write_board(path: Path) -> Path:
    picture = av.VideoFrame.from_ndarray(board(), format="rgb24")
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libvpx", rate=15, width=WIDTH, height=HEIGHT)
        stream.bit_rate = 6_000_000
        for index in range(30):
            picture.pts = index
            film.mux(stream.encode(picture))
        film.mux(stream.encode(None))
    return path


async def seen(page: Page) -> Look:
    shot = await page.wait_for_function(SHOT)
    picture = base64.b64decode(await shot.json_value())
    pixels: Rgb = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"))
    return look(pixels)


async def test_each_mode_shows_hides_and_blurs_what_it_says_one_after_another(
    browser: Browser, tmp_path: Path
):
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with staged(browser) as stage:
        page = stage.page
        await page.set_input_files("#file", write_board(tmp_path / "board.webm"))
        await page.wait_for_selector('body[data-phase="live"]')
        await page.wait_for_function("document.querySelector('#returned').videoWidth > 0")
        await stage.click(*AT)
        await page.wait_for_function("document.querySelectorAll('.mark').length === 0")
        offered = await page.locator("#output option").evaluate_all("all => all.map(o => o.value)")
        shown = {NAMES.get(mode, str(mode)): holds for mode, (_, holds) in SHOWN.items()}
        shown[str(Mode.MASKS)] = SHOWN[Mode.OVERLAY][1]  # painted here, it looks the same
        assert set(offered) == {*shown, "image"}, "a picture as background has a test of its own"
        for name, holds in shown.items():
            await page.get_by_label("Show", exact=True).select_option(name)
            if name == "colour":
                await page.get_by_label("Colour", exact=True).fill("#1020c0")
            try:
                async with asyncio.timeout(20):
                    while not holds(last := await seen(page)):  # noqa: ASYNC110 (no event)
                        await asyncio.sleep(0.1)
            except TimeoutError:
                pytest.fail(f"{name} does not look like that: {last}")
            finally:
                await page.screenshot(path=FOLDER / f"page-{name}.png")
            await expect(page.locator("#notice")).to_be_hidden()
