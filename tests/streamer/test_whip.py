"""WHIP with publishers that are not ours: FFmpeg's, and whip-whep's in Chromium."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import imageio_ffmpeg
import pytest
import whip_whep
from fake_viewer import eventually
from playwright.async_api import Browser, Page, Response
from served import Served, serving

PUBLISH = """async ([url, token]) => {
    const { WHIPClient } = await import("/whip-whep/whip.js");
    const camera = await navigator.mediaDevices.getUserMedia({ video: true });
    window.peer = new RTCPeerConnection();
    peer.addTransceiver(camera.getVideoTracks()[0], { direction: "sendonly" });
    window.client = new WHIPClient();
    await client.publish(peer, url, token);
}"""


def count(served: Served, name: str, **labels: str) -> float:
    return served.service.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0


@dataclass
class Publisher:
    """A page with whip-whep, and what the service answered it."""

    page: Page
    answers: list[tuple[str, int]] = field(default_factory=list)

    def keep(self, response: Response) -> None:
        if "/whip/" in response.url or response.url.endswith("/whip"):
            self.answers.append((response.request.method, response.status))


@asynccontextmanager
async def publisher(
    browser: Browser, request: pytest.FixtureRequest, origin: str
) -> AsyncIterator[Publisher]:
    """On a page of this origin."""
    package = whip_whep.fetch(request.config.cache)
    page = await browser.new_page()
    publisher = Publisher(page)
    page.on("response", publisher.keep)
    await page.route("**/whip-whep/whip.js", lambda r: r.fulfill(path=package / "whip.js"))
    await page.goto(f"{origin}/livez")  # any page of a secure context
    yield publisher
    await page.close()


async def test_ffmpeg_publishes_and_its_frames_are_processed():
    async with serving() as served:
        source = "testsrc=size=320x180:rate=30:duration=2"
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-re", "-f", "lavfi", "-i", source,
            "-c:v", "libx264", "-profile:v", "baseline", "-preset", "ultrafast", "-bf", "0",
            "-g", "30", "-pix_fmt", "yuv420p", "-f", "whip", f"{served.url}/whip",
        ]  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            *command, stderr=asyncio.subprocess.PIPE, stdin=asyncio.subprocess.DEVNULL
        )
        _, words = await asyncio.wait_for(process.communicate(), 60)
        assert process.returncode == 0, words.decode()
        # Of 60: what a busy machine sends before the first answer is gone.
        assert count(served, "frames_received_total") >= 30
        await eventually(lambda: count(served, "sessions_ended_total", outcome="left") == 1)
        assert count(served, "session_errors_total") == 0


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_whip_whep_publishes_from_chromium_trickles_and_hangs_up(
    browser: Browser, request: pytest.FixtureRequest
):
    async with serving() as served, publisher(browser, request, served.url) as other:
        await other.page.evaluate(PUBLISH, [f"{served.url}/whip", None])
        await eventually(lambda: count(served, "frames_processed_total") >= 10)
        assert other.answers[0] == ("POST", 201)
        # Its offer leaves before any candidate is known, so the PATCHes are the only way.
        await eventually(lambda: ("PATCH", 204) in other.answers)
        assert {status for method, status in other.answers if method == "PATCH"} == {204}
        await other.page.evaluate("client.stop()")
        await eventually(lambda: served.service.num_open == 0)
        assert other.answers[-1] == ("DELETE", 200)
        assert count(served, "session_errors_total") == 0


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_whip_whep_is_told_that_ice_cannot_be_restarted(
    browser: Browser, request: pytest.FixtureRequest
):
    async with serving() as served, publisher(browser, request, served.url) as other:
        await other.page.evaluate(PUBLISH, [f"{served.url}/whip", None])
        await eventually(lambda: count(served, "frames_processed_total") >= 2)
        code = "client.restart().then(() => 'restarted', (error) => error.message)"
        assert await other.page.evaluate(code) == "Request rejected with status 422"
        await eventually(lambda: ("PATCH", 422) in other.answers)
        assert served.service.num_open == 1


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_whip_whep_publishes_from_a_page_of_another_origin_that_is_allowed(
    browser: Browser, request: pytest.FixtureRequest
):
    async with (
        serving() as closed,
        serving() as page,
        serving(cors_origins=[page.url]) as served,
        publisher(browser, request, page.url) as other,
    ):
        await other.page.evaluate(PUBLISH, [f"{served.url}/whip", None])
        await eventually(lambda: count(served, "frames_processed_total") >= 2)
        await eventually(lambda: ("PATCH", 204) in other.answers)
        delete = "(url) => fetch(url, { method: 'DELETE' }).then((r) => r.status, (e) => e.name)"
        assert await other.page.evaluate(delete, f"{served.url}/whip/nobody") == 404
        assert await other.page.evaluate(delete, f"{closed.url}/whip/nobody") == "TypeError"
