"""A viewer in a real browser: Chromium with a file for its camera, driven by playwright."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Error, Page, async_playwright

from load.recovery import Recovery
from load.scene import Scene

__all__ = ["CHROMIUM", "Browser", "BrowserError", "BrowserViewer", "Taken", "browsing", "chromium"]

CHROMIUM: Final = Path("/usr/bin/chromium")
"""Debian's; it is what the tests drive, too."""

_SCRIPT: Final = Path(__file__).with_name("browser_viewer.js")
_ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--allow-loopback-in-peer-connection",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
_TIMEOUT_MS: Final = 60_000
_POLL_S: Final = 0.05


class BrowserError(Exception):
    """No browser, or what it said when it went no further."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came to a viewer in some time. Milliseconds are on the browser's clock."""

    masks: int
    in_sight: int
    """Of those, in which its track was VISIBLE."""
    sent: int
    """Frames that left the encoder."""
    captured_ms: Sequence[float]
    """From the capture of a frame to its mask, of those frames whose capture is known."""
    encoded_ms: Sequence[float]
    """From when it left the encoder to its mask."""
    picture_ms: Sequence[float]
    """From its capture to the callback of its returned picture."""
    size: str
    """As it is sent at the end."""


class BrowserViewer:
    """One page. Made by browsing()."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def begin(self, scene: Scene, token: str | None) -> None:
        """Connects, with the service's own client.js, and waits until captures are timed."""
        asked = {"width": scene.width, "height": scene.height, "fps": scene.fps, "token": token}
        await self._page.evaluate(
            "async (asked) => { globalThis.viewer = await BrowserViewer.begin(asked); }", asked
        )
        await self._page.wait_for_function("viewer.isReady")

    async def follow(self, scene: Scene) -> None:
        """Clicks on the scene's object, in the picture that has just come back."""
        while True:
            seen = await self._page.evaluate("viewer.look()")
            if seen is not None:
                break
            await asyncio.sleep(_POLL_S)
        number, rtp_timestamp = seen
        (place,) = scene.places(number, 1)
        clicked = [place.x, place.y, rtp_timestamp]
        await self._page.evaluate("(clicked) => viewer.click(...clicked)", clicked)

    async def show(self, output: str) -> None:
        """A mode of the service, from now on."""
        await self._page.evaluate("(output) => viewer.show(output)", output)

    async def take(self) -> Taken:
        """What came since the last time."""
        return Taken(**await self._page.evaluate("viewer.take()"))

    async def recovers(self, patience_s: float) -> Recovery:
        """Waits for what is right, of frames that are encoded from now on.

        A mask is, when its track is VISIBLE: the page does not know the truth.
        """
        found = await self._page.evaluate("(seconds) => viewer.recovers(seconds)", patience_s)
        mask_s, picture_s = (math.inf if one is None else float(one) for one in found)
        return Recovery(mask_s, picture_s)

    async def end(self) -> None:
        """Leaves."""
        await self._page.evaluate("globalThis.viewer?.end()")


@asynccontextmanager
async def chromium(camera: Path, program: Path = CHROMIUM) -> AsyncIterator[Browser]:
    """Headless, with that film (Y4M) for its camera. Raises BrowserError where it is missing."""
    _check(program)
    arguments = [*_ARGUMENTS, f"--use-file-for-fake-video-capture={camera}"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=arguments)
        yield browser
        await browser.close()


def _check(program: Path) -> None:
    if not program.exists():
        raise BrowserError(f"{program} is missing: apt-get install chromium")


@asynccontextmanager
async def browsing(browser: Browser, url: str) -> AsyncIterator[BrowserViewer]:
    """A page of the service, for one viewer. Raises BrowserError for what goes wrong in it."""
    page = await browser.new_page()
    page.set_default_timeout(_TIMEOUT_MS)
    try:
        await page.add_init_script(path=_SCRIPT)
        await page.goto(f"{url}/livez")
        viewer = BrowserViewer(page)
        yield viewer
        await viewer.end()
    except Error as error:
        raise BrowserError(f"{url}: {error.message.splitlines()[0]}") from error
    finally:
        await page.close()
