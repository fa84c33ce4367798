"""The page in a real browser against the real service: a fake camera, and an engine of discs."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from playwright.async_api import Browser, Page, async_playwright, expect
from served import Served, serving

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from sam2_rt.tracking.prompt import Prompt

CHROMIUM = Path("/usr/bin/chromium")
DESKTOP, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
expect.set_options(timeout=15_000)
HAS_LATENCY = "document.querySelector('#latency').innerText.endsWith('ms')"
PIXEL = """([x, y]) => {
    const video = document.querySelector("#returned");
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const pen = canvas.getContext("2d");
    pen.drawImage(video, 0, 0);
    return [...pen.getImageData(x * canvas.width, y * canvas.height, 1, 1).data].slice(0, 3);
}"""


class Discs(FakeEngine):
    """Three tracks at most; remembers what it was asked."""

    info = SimpleNamespace(**{**vars(FakeEngine.info), "max_tracks": 3})

    def __init__(self) -> None:
        super().__init__()
        self.prompts: list[Prompt] = []
        self.results: list[StepResult] = []
        self.seen: list[int] = []
        """pts of the last frames."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        self.seen = [*self.seen[-999:], request.frame.pts]
        result = super()._step(request)
        if request.prompts:
            self.results.append(result)
        self.prompts += request.prompts  # last: whoever waits for them reads the results next
        return result


@dataclasses.dataclass
class Stage:
    page: Page
    served: Served
    engine: Discs

    async def start(self, source: str = "#use-camera") -> None:
        await self.page.click(source)
        await self.page.wait_for_selector('body[data-phase="live"]')
        await self.page.wait_for_function("document.querySelector('#returned').videoWidth > 0")

    async def at(self, x: float, y: float) -> tuple[float, float]:
        box = await self.page.locator("#returned").bounding_box()
        return box["x"] + x * box["width"], box["y"] + y * box["height"]

    async def click(self, x: float, y: float, **how: Any) -> None:
        count = len(self.engine.prompts)
        await self.page.mouse.click(*await self.at(x, y), **how)
        await self.until(lambda: len(self.engine.prompts) > count)

    async def pixel(self, x: float, y: float) -> np.ndarray:
        return np.array(await self.page.evaluate(PIXEL, [x, y]))

    async def until(self, holds: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not holds():  # noqa: ASYNC110 (the browser has no event for it)
                await asyncio.sleep(0.02)


def write_camera(path: Path) -> None:
    """Grey stripes that move: chroma-free, so that any colour that comes back is the service's."""
    width, height = 640, 360
    chroma = np.full(width * height // 2, 128, np.uint8).tobytes()
    stripes = np.tile(np.repeat(np.array([90, 150], np.uint8), 40), width // 80)
    with path.open("wb") as file:
        file.write(b"YUV4MPEG2 W640 H360 F30:1 Ip A1:1 C420jpeg\n")
        for index in range(20):
            luma = np.tile(np.roll(stripes, 4 * index), (height, 1))
            file.write(b"FRAME\n" + luma.tobytes() + chroma)


@asynccontextmanager
async def chromium(camera: Path) -> AsyncIterator[Browser]:
    """Headless, with a Y4M file for its camera and media on loopback."""
    arguments = [
        "--no-sandbox",
        "--disable-dev-shm-usage",
        "--allow-loopback-in-peer-connection",
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@asynccontextmanager
async def staged(
    browser: Browser,
    viewport: dict[str, int] = DESKTOP,
    engine: Discs | None = None,
    **settings: object,
) -> AsyncIterator[Stage]:
    """The page, open; at the end it must not have complained."""
    complaints: list[str] = []
    engine = engine or Discs()
    async with serving(lambda: engine, **settings) as served:
        page = await browser.new_page(viewport=viewport)
        page.set_default_timeout(30_000)
        page.set_default_navigation_timeout(90_000)  # two dozen modules, on a machine that is busy
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.goto(served.url)
        yield Stage(page, served, engine)
        await page.close()
    assert complaints == [], complaints
