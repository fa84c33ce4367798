"""Masks on the right frame: a square that leaps from frame to frame, and an engine that sees it."""

import dataclasses
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, expect
from served import serving
from stage import CHROMIUM, DESKTOP, Discs, Stage, chromium

from fake_engine import NO_LOGITS
from sam2_rt.engine import StepRequest, StepResult, TrackMask, TrackState

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

WIDTH, HEIGHT, SIDE, LEAP, NUM_PLACES = 640, 360, 96, 32, 17
GREY, WHITE = 60, 235

# Of a picture with masks on it: IoU of what is tinted and what is white, as it is and with the tint
# one leap to either side, and where the square is.
MEASURE = """(canvas) => {
    const copy = new OffscreenCanvas(160, 90);
    const pen = copy.getContext("2d", { willReadFrequently: true });
    pen.drawImage(canvas, 0, 0, 160, 90);
    const { data } = pen.getImageData(0, 0, 160, 90);
    const isWhite = (at) => data[4 * at + 1] > 135;
    const isTinted = (at) => data[4 * at + 2] - data[4 * at] > 30;
    const overlap = (shift) => {
        let [both, either] = [0, 0];
        for (let at = 0; at < 160 * 90; at++) {
            const x = (at % 160) - shift;
            const tint = x >= 0 && x < 160 && isTinted(at - shift);
            both += isWhite(at) && tint;
            either += isWhite(at) || tint;
        }
        return either ? both / either : 0;
    };
    const first = [...Array(160).keys()].findIndex((x) => isWhite(45 * 160 + x));
    return [overlap(0), Math.max(overlap(8), overlap(-8)), first];
}"""
DRAWN = f"""async (numPlaces) => {{
    const seen = new Map();
    while (seen.size < numPlaces) {{
        await new Promise(requestAnimationFrame);
        const [iou, shifted, place] = ({MEASURE})(document.querySelector("#masks"));
        if (place >= 0) seen.set(place, [iou, shifted]);
    }}
    return [...seen.values()];
}}"""
# The library alone, beside a page that it does not know.
LIBRARY = f"""async ([source, join]) => {{
    const {{ Sam2Client }} = await import("/web/client.js");
    const joins = await import("/web/join.js");
    const {{ paintMasks }} = await import("/web/painter.js");
    const stream = source === "camera"
        ? await navigator.mediaDevices.getUserMedia({{ video: true }})
        : leaping();
    const video = Object.assign(document.createElement("video"), {{ muted: true }});
    document.body.append(video);
    const client = new Sam2Client();
    await client.connect(stream);
    await client.configure({{ output: "none" }});
    video.srcObject = join === "LocalJoin" ? stream : client.returned;
    video.play();
    const canvas = document.createElement("canvas");
    const seen = new Map();
    const joined = new joins[join](client, video);
    await new Promise((resolve) => joined.addEventListener("frame", ({{ detail }}) => {{
        if (!detail.isExact || !detail.masks?.objects.length) return;
        paintMasks(canvas, detail.picture, detail.masks);
        const [iou, shifted, place] = ({MEASURE})(canvas);
        if (place >= 0) seen.set(place, [iou, shifted]);
        if (seen.size >= 8) resolve();
    }}));
    joined.stop();
    client.close();
    return [joined.how, [...seen.values()]];

    function leaping() {{
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [{WIDTH}, {HEIGHT}];
        const pen = canvas.getContext("2d");
        let count = 0;
        setInterval(() => {{
            pen.fillStyle = "rgb({GREY} {GREY} {GREY})";
            pen.fillRect(0, 0, {WIDTH}, {HEIGHT});
            pen.fillStyle = "rgb({WHITE} {WHITE} {WHITE})";
            const x = {LEAP} * (count++ % {NUM_PLACES});
            pen.fillRect(x, {(HEIGHT - SIDE) // 2}, {SIDE}, {SIDE});
        }}, 1000 / 30);
        return canvas.captureStream();
    }}
}}"""


# One who sends, and in the same page one who watches.
WATCHER = f"""async () => {{
    const {{ Sam2Client }} = await import("/web/client.js");
    const {{ Sam2Watcher }} = await import("/web/watch.js");
    const {{ ReturnedJoin }} = await import("/web/join.js");
    const {{ paintMasks }} = await import("/web/painter.js");
    const client = new Sam2Client();
    await client.connect(await navigator.mediaDevices.getUserMedia({{ video: true }}));
    await client.configure({{ output: "none" }});
    const watcher = new Sam2Watcher();
    window.ended = new Promise((resolve) => watcher.addEventListener("close", resolve));
    await watcher.watch(client.hello.session);
    const video = Object.assign(document.createElement("video"), {{ muted: true }});
    document.body.append(video);
    video.srcObject = watcher.returned;
    video.play();
    const canvas = document.createElement("canvas");
    const [seen, own] = [new Map(), new Set()];
    client.addEventListener("masks", ({{ detail }}) => own.add(detail.outRtp));
    watcher.addEventListener("masks", ({{ detail }}) => own.delete(detail.outRtp));
    const joined = new ReturnedJoin(watcher, video);
    await new Promise((resolve) => joined.addEventListener("frame", ({{ detail }}) => {{
        if (!detail.isExact || !detail.masks?.objects.length) return;
        paintMasks(canvas, detail.picture, detail.masks);
        const [iou, shifted, place] = ({MEASURE})(canvas);
        if (place >= 0) seen.set(place, [iou, shifted]);
        if (seen.size >= 8) resolve();
    }}));
    joined.stop();
    client.close();
    return [joined.how, [...seen.values()], own.size];
}}"""


class Sees(Discs):
    """Its one track is whatever is white."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        result = super()._step(request)
        mask = request.frame.planes[0] > 150
        track = TrackMask(1, TrackState.VISIBLE, 3.0, 0.9, mask, NO_LOGITS)
        return dataclasses.replace(result, masks=(track,))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def leaps(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    """A browser whose camera sees the square; its place tells which of 17 frames a frame is."""
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: apt-get install chromium")
    camera = tmp_path_factory.mktemp("leaps") / "camera.y4m"
    top, chroma = (HEIGHT - SIDE) // 2, np.full(WIDTH * HEIGHT // 2, 128, np.uint8).tobytes()
    with camera.open("wb") as file:
        file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 C420jpeg\n".encode())
        for place in range(NUM_PLACES):
            luma = np.full((HEIGHT, WIDTH), GREY, np.uint8)
            luma[top : top + SIDE, LEAP * place : LEAP * place + SIDE] = WHITE
            file.write(b"FRAME\n" + luma.tobytes() + chroma)
    async with chromium(camera) as browser:
        yield browser


def check(seen: list[list[float]]) -> None:
    drawn = [pair for pair in seen if any(pair)]
    assert len(drawn) >= 0.7 * len(seen), "few come so late that a picture goes without"
    ious, shifted = np.array(drawn).T
    assert ious.min() > 0.75, "the mask is this frame's, whichever that is"
    assert np.median(ious) > 0.85
    assert shifted.max() < 0.7, "the measure tells neighbours apart"


async def test_in_masks_mode_each_picture_of_the_page_carries_its_own_masks(leaps: Browser):
    engine = Sees()
    async with serving(lambda: engine) as served:
        page = await leaps.new_page(viewport=DESKTOP)
        page.set_default_timeout(15_000)
        await page.goto(served.url)
        await Stage(page, served, engine).start()
        await page.get_by_label("Show", exact=True).select_option("masks")
        await expect(page.locator("#masks")).to_be_visible()
        await page.wait_for_selector('body[data-join="exact"]')
        check(await page.evaluate(DRAWN, 8))
        await page.mouse.click(640, 300)
        await Stage(page, served, engine).until(lambda: engine.results)
        assert engine.prompts[-1].pts in engine.seen, "a click names the frame that is drawn"
        await page.close()


@pytest.mark.parametrize(
    ("source", "join"),
    [("camera", "ReturnedJoin"), ("camera", "LocalJoin"), ("canvas", "LocalJoin")],
)
async def test_the_library_joins_masks_with_their_frames(leaps: Browser, source: str, join: str):
    async with serving(Sees) as served:
        page = await leaps.new_page()
        page.set_default_timeout(15_000)
        await page.goto(f"{served.url}/livez")
        how, seen = await page.evaluate(LIBRARY, [source, join])
        assert how == "exact"
        check(seen)
        await page.close()


async def test_who_watches_joins_masks_with_the_pictures_that_it_gets(leaps: Browser):
    async with serving(Sees) as served:
        page = await leaps.new_page()
        page.set_default_timeout(15_000)
        await page.goto(f"{served.url}/livez")
        how, seen, num_of_sender = await page.evaluate(WATCHER)
        assert how == "exact"
        check(seen)
        assert num_of_sender > 0, "the one who sends has other timestamps"
        ended = await page.evaluate("ended.then(({ detail }) => [detail.code, detail.message])")
        assert ended == ["lost", "the session has ended"]
        await page.close()
