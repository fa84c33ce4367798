"""WHEP with a client that is not ours: whip-whep's in Chromium, on a page of its own."""

import pytest
import whip_whep
from fake_viewer import eventually
from loopback import connected
from playwright.async_api import Browser, Response
from served import serving

WATCH = """async (url) => {
    const { WHEPClient } = await import("/whip-whep/whep.js");
    window.peer = new RTCPeerConnection();
    peer.addTransceiver("video", { direction: "recvonly" });
    const arrived = new Promise((resolve) => {
        peer.ontrack = (event) => resolve(event.track);
    });
    window.client = new WHEPClient();
    await client.view(peer, url, null);
    const video = document.createElement("video");
    video.muted = true;
    video.srcObject = new MediaStream([await arrived]);
    document.body.append(video);
    await video.play();
    window.video = video;
}"""
SEEN = """() => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
    const pen = canvas.getContext("2d");
    pen.drawImage(video, 0, 0);
    return [...pen.getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data];
}"""
DECODED = """async () => {
    const stats = [...(await peer.getStats()).values()];
    const { framesDecoded, codecId } = stats.find((one) => one.type === "inbound-rtp");
    return [framesDecoded, stats.find((one) => one.id === codecId).mimeType];
}"""


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="module")
async def test_whip_whep_watches_from_chromium_trickles_and_leaves(
    browser: Browser, request: pytest.FixtureRequest
):
    package = whip_whep.fetch(request.config.cache)
    answers: list[tuple[str, int]] = []

    def keep(response: Response) -> None:
        if "/whep/" in response.url:
            answers.append((response.request.method, response.status))

    async with serving() as served, connected(served.url) as viewer:
        (session_id,) = served.service._sessions
        watchers = served.service.stay(session_id).watchers
        viewer.click(seq=1, track_id=1)
        page = await browser.new_page()
        page.on("response", keep)
        await page.route("**/whip-whep/whep.js", lambda r: r.fulfill(path=package / "whep.js"))
        await page.goto(f"{served.url}/livez")
        await page.evaluate(WATCH, f"{served.url}/whep/{session_id}")
        assert answers[0] == ("POST", 201)
        await page.wait_for_function("video.videoWidth === 128")
        red, _, blue, _ = await page.evaluate(SEEN)
        assert blue - red > 40, "the clicked object is painted"
        frames, mime_type = await page.evaluate(DECODED)
        assert frames >= 1
        assert mime_type in ("video/H264", "video/VP8")
        # Its offer leaves before any candidate is known, so the PATCHes are the only way.
        assert {status for method, status in answers if method == "PATCH"} == {204}
        await page.evaluate("client.stop()")
        await eventually(lambda: watchers.is_empty)
        assert answers[-1] == ("DELETE", 200)
        await page.evaluate(WATCH, f"{served.url}/whep/{session_id}?track=mask")
        await page.wait_for_function("video.videoWidth === 128")
        await page.wait_for_function(f"({SEEN})().every((value) => value > 225)")
        await page.evaluate("client.stop()")
        await eventually(lambda: watchers.is_empty)
        assert served.service.num_open == 1
        await page.close()
