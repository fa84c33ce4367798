"""The page's sources, failures, numbers and objects, and whether everybody can use it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser, Page, expect
from stage import DESKTOP, HAS_LATENCY, PHONE, Discs, Stage, staged

from fake_engine import NO_LOGITS
from sam2_rt.engine import StepRequest, StepResult, TrackMask, TrackState

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OUT = Path(__file__).parents[2] / "out"
AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"


class Forgets(Discs):
    """Loses track 1 when it is told to, until somebody says where it is."""

    is_lost = False

    def _step(self, request: StepRequest) -> StepResult | Exception:
        if request.prompts:
            self.is_lost = False
        result = super()._step(request)
        if not self.is_lost or not isinstance(result, StepResult):
            return result
        shape = request.frame.planes[0].shape
        gone = TrackMask(1, TrackState.LOST, -4.0, 0.1, np.zeros(shape, bool), NO_LOGITS)
        return dataclasses.replace(result, masks=(gone,))


async def shoot(page: Page, name: str) -> None:
    OUT.mkdir(exist_ok=True)
    await page.screenshot(path=OUT / f"page-{name}.png", full_page=True)


async def complain(stage: Stage, source: str, words: str, name: str) -> None:
    """A source that fails says so in these words, and the others can be chosen still."""
    await stage.page.click(source)
    await expect(stage.page.locator("#notice")).to_contain_text(words)
    await expect(stage.page.locator("#use-pattern")).to_be_visible()
    await shoot(stage.page, name)


async def test_the_screen_is_a_source_and_its_end_is_said(browser: Browser):
    async with staged(browser) as stage:
        await stage.start("#use-screen")
        await stage.click(0.5, 0.5)
        await expect(stage.page.locator("#tracks li")).to_have_attribute("data-state", "visible")
        await stage.page.evaluate(
            "() => { navigator.mediaDevices.getDisplayMedia = async () => {"
            " throw new DOMException('no', 'NotAllowedError') } }"
        )
        await stage.page.click("#stop")
        await complain(stage, "#use-screen", "The screen was not shared", "no-screen")


async def test_a_camera_that_is_not_there_or_goes_away_is_said(browser: Browser):
    async with staged(browser) as stage:
        await stage.page.evaluate(
            """() => {
                const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
                navigator.mediaDevices.getUserMedia = async (wish) => {
                    window.camera = await open(wish);
                    return camera;
                };
            }"""
        )
        await stage.start()
        # What the browser does when a plug is pulled.
        await stage.page.evaluate("camera.getTracks()[0].dispatchEvent(new Event('ended'))")
        await expect(stage.page.locator("#notice")).to_contain_text("The camera is gone.")
        await expect(stage.page.locator("body")).to_have_attribute("data-phase", "idle")
        await stage.page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = async () => {"
            " throw new DOMException('no', 'NotFoundError') } }"
        )
        await complain(stage, "#use-camera", "No camera was found.", "no-camera")


async def test_a_network_without_udp_is_named_as_the_likely_cause(browser: Browser):
    async with staged(browser, PHONE) as stage:
        page = stage.page
        await page.clock.install()
        await page.evaluate(
            """() => {
                const accept = RTCPeerConnection.prototype.setRemoteDescription;
                RTCPeerConnection.prototype.setRemoteDescription = async function (answer) {
                    const sdp = answer.sdp.replace(/a=candidate.*\\r\\n/g, "");
                    await accept.call(this, { type: answer.type, sdp });
                    document.body.dataset.answered = "";
                };
                const gather = RTCPeerConnection.prototype.setLocalDescription;
                RTCPeerConnection.prototype.setLocalDescription = async function () {
                    await gather.call(this);
                    Object.defineProperty(this, "localDescription", { value: {
                        type: "offer",
                        sdp: this.localDescription.sdp.replace(
                            /(a=candidate:\\S+ \\d udp \\d+ )\\S+/g, "$1198.51.100.7"),
                    } });
                };
            }"""
        )
        await page.click("#use-pattern")
        await page.wait_for_selector("body[data-answered]", state="attached")
        await page.clock.fast_forward(16_000)
        await expect(page.locator("#notice")).to_contain_text("may block UDP")
        await shoot(page, "no-udp")


async def test_the_panel_tells_all_numbers(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        await stage.click(0.3, 0.5)
        page = stage.page
        await page.wait_for_function(HAS_LATENCY)
        for name in ("rtt", "total"):
            await expect(page.locator(f"#{name}")).to_contain_text("ms")
        for name in ("up", "down", "masks-rate"):
            await expect(page.locator(f"#{name}")).to_contain_text("bit/s")
        await expect(page.locator("#size")).to_contain_text("640 × 360")  # noqa: RUF001
        await expect(page.locator("#model")).to_have_text("fake · cpu · 32 px")
        await expect(page.locator("#objects")).to_have_text("1 visible")
        await expect(page.locator("#join")).to_have_text("each on its own picture")
        stages = await page.locator("#stages dt").all_inner_texts()
        order = [
            "Encode here",
            "Receive",
            "Decode",
            "Wait for the model",
            "Image encoder",
            "Follow objects",
            "Paint",
            "Encode and send",
            "Network, both ways",
            "Play out here",
        ]
        assert [stage for stage in order if stage in stages] == order
        await shoot(page, "numbers")
        await page.keyboard.press("i")
        await expect(page.locator("#panel")).to_be_hidden()
        toggle = page.get_by_role("button", name="Numbers")
        await expect(toggle).to_have_attribute("aria-expanded", "false")


async def test_a_click_s_preview_comes_back_within_its_step(browser: Browser):
    async with staged(browser) as stage:
        first = await stage.page.evaluate(
            """async () => {
                const { Sam2Client } = await import("/web/client.js");
                const { openPattern } = await import("/web/sources.js");
                const { stream } = await openPattern();
                const client = new Sam2Client();
                await client.connect(stream);
                const shown = new Promise((resolve) => client.addEventListener("masks", (event) => {
                    if (event.detail.objects.length > 0) resolve(event.detail);
                }));
                const answered = client.prompt({ trackId: 3, points: [[0.5, 0.5, 1]] });
                const [{ seq }, masks] = await Promise.all([answered, shown]);
                client.close();
                const ids = masks.objects.map(({ trackId }) => trackId);
                return { index: masks.index, isIts: masks.promptSeq === seq, ids };
            }"""
        )
        (step,) = stage.engine.results
        assert first == {"index": step.index, "isIts": True, "ids": [3]}


async def test_a_click_on_a_lost_object_brings_it_back_with_its_name(browser: Browser):
    engine = Forgets()
    async with staged(browser, engine=engine) as stage:
        await stage.start("#use-pattern")
        page = stage.page
        chip = page.locator("#tracks li")
        await stage.click(0.3, 0.5)
        await expect(chip).to_have_attribute("data-state", "visible")
        await page.keyboard.press("r")
        await page.keyboard.type("Ball <b>n")  # letters that are shortcuts elsewhere
        await page.keyboard.press("Enter")
        await expect(chip.locator(".pick span")).to_have_text("Ball <b>n")
        await expect(page.get_by_role("button", name="Remove Ball <b>n")).to_be_visible()
        engine.is_lost = True
        await expect(chip).to_have_attribute("data-state", "lost")
        await expect(page.locator("#objects")).to_have_text("1 lost")
        await shoot(page, "object-is-lost")
        await stage.click(0.6, 0.5)
        await expect(chip).to_have_attribute("data-state", "visible")
        await expect(chip).to_have_count(1)
        assert {prompt.track_id for prompt in engine.prompts} == {1}
        await expect(chip.locator(".pick span")).to_have_text("Ball <b>n")
        await page.locator(".pick").dblclick()
        await page.keyboard.type("Cat")
        await page.keyboard.press("Escape")
        await expect(chip.locator(".pick span")).to_have_text("Ball <b>n")


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        ("delete HTMLVideoElement.prototype.requestVideoFrameCallback", "newest on newest"),
        ("delete globalThis.RTCRtpScriptTransform", "newest on newest"),
    ],
)
async def test_a_browser_that_does_not_tell_frames_apart_is_named(
    browser: Browser, gone: str, words: str
):
    async with staged(browser) as stage:
        page = stage.page
        await page.evaluate(gone)
        await stage.start("#use-pattern")
        await stage.click(0.3, 0.5)
        await page.get_by_label("Show", exact=True).select_option("masks")
        await expect(page.locator("#join")).to_contain_text(words)
        await expect(page.locator("#masks")).to_be_visible()
        await page.wait_for_function(
            """() => {
                const canvas = document.querySelector("#masks");
                const copy = new OffscreenCanvas(1, 1);
                const pen = copy.getContext("2d");
                pen.drawImage(canvas, -0.3 * canvas.width, -0.5 * canvas.height);
                const [r, , b] = pen.getImageData(0, 0, 1, 1).data;
                return b - r > 30;
            }"""
        )


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "dark"), (PHONE, "light")])
async def test_nothing_keeps_anybody_from_using_it(
    browser: Browser, size: dict[str, int], scheme: str
):
    if not AXE.exists():
        pytest.skip("axe-core is missing: npm ci --prefix tests/streamer")

    async def violations() -> list[str]:
        return await page.evaluate(
            """async () => (await axe.run({ resultTypes: ["violations"] })).violations.map(
                ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) =>
                    html + failureSummary).join(" | ")}`)"""
        )

    async with staged(browser, size) as stage:
        page = stage.page
        await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        await page.add_script_tag(path=AXE)
        await shoot(page, f"start-{scheme}")
        assert await violations() == []
        await stage.start("#use-pattern")
        await stage.click(0.3, 0.5)
        await page.keyboard.press("n")
        await page.get_by_label("Show", exact=True).select_option("blur")
        if size == PHONE:
            await page.keyboard.press("i")
        await expect(page.locator("#panel")).to_be_visible()
        await page.wait_for_function(HAS_LATENCY)
        await page.evaluate("document.querySelector('#notice p').textContent = 'Words.'")
        await page.evaluate("document.querySelector('#notice').hidden = false")
        assert await violations() == []
        await page.evaluate("document.querySelector('#notice').hidden = true")
        assert await page.evaluate("document.documentElement.scrollWidth") <= size["width"]
        await shoot(page, f"live-{scheme}")
