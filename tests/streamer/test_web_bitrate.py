"""What the answer's bitrate hints are for: Chromium sends a camera of 1280x720 as it is."""

from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from served import serving
from stage import CHROMIUM

import streamer.media.media_settings
from load.browser import chromium
from load.camera import write_camera
from load.scene import Picture, Scene

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

FRAMES = 45
"""Without hints it takes more than 360 until Chromium tries the whole size."""
CONNECT = """async () => {
    const { Sam2Client } = await import(new URL("web/client.js", document.baseURI));
    const video = { width: 1280, height: 720 };
    window.client = new Sam2Client();
    await client.connect(await navigator.mediaDevices.getUserMedia({ video }));
}"""
SENT = """async (frames) => {
    for (;;) {
        const report = [...(await client.getStats()).values()];
        const { framesEncoded, frameWidth } = report.find(({ type }) => type === "outbound-rtp");
        if (framesEncoded >= frames || frameWidth === 1280) return [framesEncoded, frameWidth];
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
}"""


class Grain(Scene):
    """Something for the encoder to do, in few pictures."""

    def round(self) -> Sequence[Picture]:
        grain = np.random.default_rng(0).integers(80, 160, (90, 160), np.uint8)
        luma = np.repeat(np.repeat(grain, 8, axis=0), 8, axis=1)
        grey = np.full((360, 1280), 128, np.uint8)
        return [np.concatenate((np.roll(luma, 8 * n, axis=1), grey)) for n in range(10)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    camera = tmp_path_factory.mktemp("camera") / "camera.y4m"
    write_camera(Grain(1280, 720), camera)
    async with chromium(camera) as browser:
        yield browser


@pytest.mark.parametrize("hints", ["ours", "none"])
async def test_with_hints_the_whole_picture_is_sent_at_once_and_without_a_fourth_of_it(
    browser: Browser, monkeypatch: pytest.MonkeyPatch, hints: str
):
    if hints == "none":
        as_it_is = lambda answer, *bounds: answer  # noqa: E731
        monkeypatch.setattr(streamer.media.media_settings, "with_bitrate_hints", as_it_is)
    async with serving() as served:
        page = await browser.new_page()
        await page.goto(f"{served.url}/livez")
        await page.evaluate(CONNECT)
        frames, width = await page.evaluate(SENT, FRAMES)
        await page.close()
    if hints == "ours":
        assert (width, frames < FRAMES) == (1280, True)
    else:
        assert (width <= 640, frames >= FRAMES) == (True, True)
