"""The page in a real browser, the service and the bundled model: what a newcomer sees first."""

import asyncio
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Browser, Page
from served import serving
from stage import DESKTOP

from sam2_rt.data.ball_clip import BALLOON_ID, SyntheticClip, make_clip
from sam2_rt.engine import Engine, EngineConfig, StepRequest, StepResult

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OUT = Path(__file__).parents[2] / "out"
SEED, NUM_FRAMES = 16, 60  # in which the balloon hangs nearly still: it may be clicked at any time


class Watched(Engine):
    """Keeps its last result."""

    last: StepResult | None = None

    def step(self, requests: list[StepRequest]) -> list[StepResult | Exception]:
        answers = super().step(requests)
        self.last = next((a for a in answers if isinstance(a, StepResult)), self.last)
        return answers


def write_film(path: Path, clip: SyntheticClip) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx", rate=30, width=clip.size[0], height=clip.size[1])
        stream.bit_rate = 4_000_000
        for frame in clip:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.rgb, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def always(clip: SyntheticClip) -> NDArray[np.bool_]:
    """Where the balloon is in every frame."""
    return np.all([frame.labels == BALLOON_ID for frame in clip], axis=0)


async def click(page: Page, x: float, y: float) -> None:
    box = await page.locator("#returned").bounding_box()
    assert box is not None
    await page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


async def test_one_click_on_the_balloon_keeps_a_mask_on_it(browser: Browser, tmp_path: Path):
    clip = make_clip(SEED, NUM_FRAMES)
    place = always(clip)
    rows, columns = np.nonzero(place)
    engines: list[Watched] = []

    def load() -> Watched:
        engines.append(Watched.load(EngineConfig(threads=1)))
        return engines[0]

    async with serving(load) as served:
        page = await browser.new_page(viewport=DESKTOP)
        await page.goto(served.url)
        await page.set_input_files("#file", write_film(tmp_path / "clip.webm", clip))
        await page.wait_for_selector('body[data-phase="live"]')
        await page.wait_for_function("document.querySelector('#returned').videoWidth > 0")
        await click(page, columns.mean() / clip.size[0], rows.mean() / clip.size[1])
        await page.wait_for_selector('#tracks li[data-state="visible"]')
        await asyncio.sleep(3)  # a good while longer than the clip
        OUT.mkdir(exist_ok=True)
        await page.screenshot(path=OUT / "page-nano.png")
        last = engines[0].last
        assert last is not None
        [found] = last.masks
        await page.close()
    height, width = found.mask.shape
    where = place[
        np.ix_(
            (np.arange(height) * place.shape[0]) // height,
            (np.arange(width) * place.shape[1]) // width,
        )
    ]
    assert (found.mask & where).sum() > 0.8 * where.sum()
    assert found.mask.sum() < 2.5 * where.sum()
