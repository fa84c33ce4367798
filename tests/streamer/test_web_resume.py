"""client.js goes on: its service is killed and started anew, or drains and names another."""

import asyncio
import json
import signal
import threading
import time
from collections.abc import Sequence

import pytest
from fake_viewer import eventually
from playwright.async_api import Browser, Page, Route
from served import serving
from test_client_resume import SECRET, free_port, program

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from streamer.media.peer import Peer
from streamer.session.resume import Carried

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

BEGIN = """async (options) => {
    const { Sam2Client } = await import("/web/client.js");
    const canvas = document.createElement("canvas");
    const pen = canvas.getContext("2d");
    setInterval(() => pen.fillRect(0, 0, 300 * Math.random(), 9), 30);
    window.client = new Sam2Client();
    window.told = [];
    window.ids = new Set();
    for (const type of ["lost", "moved", "close"]) {
        client.addEventListener(type, ({ detail }) => {
            window.how = detail?.how;
            told.push([type, detail?.resumed ?? detail?.code ?? null]);
            ids.clear();
        });
    }
    client.addEventListener("masks", ({ detail }) => ids.add(
        detail.objects.map(({ trackId }) => trackId).join()));
    await client.connect(canvas.captureStream(30), options);
    window.returned = client.returned;
    await client.configure({ output: "none" });
    await client.prompt({ trackId: 7, points: [[0.25, 0.5, 1]] });
    await new Promise((resolve) => setTimeout(resolve, 2500)); // two tokens
}"""
MOVED = "told.some(([type]) => type === 'moved') && ids.size > 0"


async def begun(browser: Browser, port: int, **options: object) -> Page:
    page = await browser.new_page()
    page.set_default_timeout(30_000)
    await page.goto(f"http://127.0.0.1:{port}/livez")
    await page.evaluate(BEGIN, options)
    return page


async def test_a_killed_service_is_found_again_with_its_tracks(browser: Browser):
    port = free_port()
    async with program(port) as first:
        page = await begun(browser, port, resumeMs=60_000)
        first.kill()
        await first.wait()
        async with program(port):
            await page.wait_for_function(MOVED)
            assert await page.evaluate("told") == [["lost", "lost"], ["moved", [7]]]
            assert await page.evaluate("[...ids]") == ["7"], "from the first mask frame on"
            assert await page.evaluate("client.returned === returned && returned.active")
            answer = (
                "client.prompt({ trackId: 7, points: [[0.3, 0.5, 1]] }).then((ack) => ack.type)"
            )
            assert await page.evaluate(answer) == "ack"
            await page.close()


async def test_a_draining_service_is_left_for_the_one_it_names(browser: Browser):
    here, there = free_port(), free_port()
    origin = f'["http://127.0.0.1:{here}"]'
    async with (
        program(there, cors_origins=origin),
        program(here, drain_url=f"http://127.0.0.1:{there}") as first,
    ):
        page = await begun(browser, here)
        first.send_signal(signal.SIGTERM)
        await page.wait_for_function(MOVED)
        assert await page.evaluate("told") == [["moved", [7]]]
        assert await asyncio.wait_for(first.wait(), 30) == 0
        assert await page.evaluate("[...ids]") == ["7"]
        await page.close()


class Gate(FakeEngine):
    """Takes no step before it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.is_let = threading.Event(), threading.Event()

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        self.is_asked.set()
        self.is_let.wait()
        return super().step(requests)


# What a viewer sees: for each picture shown, which connection's it is. The newer connection has as
# long as the test takes to show something.
WATCH = """() => {
    const later = setTimeout;
    window.setTimeout = (call, ms) => ms === 3000 ? 0 : later(call, ms);
    window.shown = [];
    const video = document.createElement("video");
    Object.assign(video, { srcObject: client.returned, muted: true, autoplay: true });
    document.body.append(video);
    const see = () => {
        shown.push(client.returned.getVideoTracks().map(({ id }) => id).join());
        video.requestVideoFrameCallback(see);
    };
    video.requestVideoFrameCallback(see);
}"""


async def test_on_a_drain_the_old_picture_stays_until_the_new_one_is_there(browser: Browser):
    here, engine = free_port(), Gate()
    origins = (f"http://127.0.0.1:{here}",)
    async with (
        serving(lambda: engine, cors_origins=origins, resume_secret=SECRET) as there,
        program(here, drain_url=there.url) as first,
    ):
        page = await begun(browser, here)
        await page.evaluate(WATCH)
        await page.wait_for_function("shown.length > 5")
        before = await page.evaluate("shown.at(-1)")
        first.send_signal(signal.SIGTERM)
        await eventually(engine.is_asked.is_set)
        count = await page.evaluate("shown.length")
        await page.wait_for_function("(count) => shown.length > count + 20", arg=count)
        assert await page.evaluate("[...new Set(shown)]") == [before]
        assert await page.evaluate("told") == []
        await page.evaluate(
            "() => { window.said = client.prompt({ trackId: 8, points: [[0.3, 0.5, 1]] }); }"
        )
        engine.is_let.set()
        await page.wait_for_function("(id) => shown.at(-1) !== id", arg=before)
        assert await page.evaluate("told") == [["moved", [7]]]
        assert (await page.evaluate("said"))["track_id"] == 8
        (stream,) = engine.streams.values()
        assert set(stream.centres) == {7, 8}, "what was asked meanwhile went to the new service"
        assert len(await page.evaluate("[...new Set(shown)]")) == 2
        await page.close()


async def test_a_connection_that_falls_silent_is_followed_by_one_with_all_memory(
    browser: Browser,
):
    engine = FakeEngine()
    async with serving(lambda: engine) as served:
        page = await begun(browser, int(served.url.rsplit(":", 1)[1]))
        (stay,) = served.service._sessions.values()
        fall_silent(stay.peer)
        await page.wait_for_function(MOVED)
        assert await page.evaluate("told") == [["lost", "lost"], ["moved", [7]]]
        assert await page.evaluate("how") == "memory"
        assert await page.evaluate("[...ids]") == ["7"]
        assert engine.num_opened == 1
        assert served.service.num_open == 1
        await page.close()
        await eventually(lambda: served.service.num_open == 0)
        assert engine.parked == {}, "who closes the page does not come back"


def fall_silent(peer: Peer) -> None:
    """Loses every packet of the service, both ways."""
    ice = peer._connection.sctp.transport.transport._connection

    async def lose(*_data: object) -> None:
        """Sends nothing."""

    for protocol in ice._protocols:
        protocol.datagram_received = protocol.send_stun = lambda *_data: None
        protocol.send_data = lose


async def test_without_leave_to_go_on_it_ends(browser: Browser):
    port = free_port()
    async with program(port) as first:
        page = await begun(browser, port, resumeMs=0)
        first.kill()
        await page.wait_for_function("told.length > 0")
        assert await page.evaluate("told") == [["close", "lost"]]
        await page.close()


async def test_a_page_that_comes_back_for_what_is_over_is_told_so_and_does_not_ask_again(
    browser: Browser,
):
    async with serving() as served:
        page = await begun(browser, int(served.url.rsplit(":", 1)[1]))
        (stay,) = served.service._sessions.values()
        over = Carried(session_id="", seen_at_s=0.0, tracks=(), until_s=time.time())

        async def bring_what_is_over(route: Route) -> None:
            offer = {**route.request.post_data_json}
            assert offer["resume"], "it has a token of its own"
            token = served.service._seals.seal(over).token
            await route.continue_(post_data=json.dumps({**offer, "resume": token}))

        await page.route("**/offer", bring_what_is_over)
        served.service.end(stay.session.session_id)
        await page.wait_for_function("told.length > 1")
        assert await page.evaluate("told") == [["lost", "lost"], ["close", "ended"]]
        assert served.service.metrics.offers_refused.labels("time_up")._value.get() == 1
        await page.close()
