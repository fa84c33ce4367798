import re
from pathlib import Path

import av
import numpy as np
import pytest
from playwright.async_api import Browser, Page, expect
from stage import HAS_LATENCY, PIXEL, staged

from streamer.masks.mask_frame import (
    MaskFrame,
    MaskFrameError,
    ObjectMask,
    ObjectState,
    decode,
    encode,
)
from streamer.protocol import PALETTE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OUT = Path(__file__).parents[2] / "out"


async def test_a_click_paints_the_object_s_colour_on_the_returned_video(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        red, _, blue = await stage.pixel(0.3, 0.5)
        assert abs(blue - red) < 20
        await stage.click(0.3, 0.5)
        await expect(stage.page.locator("#tracks li")).to_have_attribute("data-state", "visible")
        await stage.page.wait_for_function(
            f"(at) => {{ const [r, , b] = ({PIXEL})(at); return b - r > 60; }}", arg=[0.3, 0.5]
        )
        outside_red, _, outside_blue = await stage.pixel(0.8, 0.5)
        assert abs(outside_blue - outside_red) < 20
        await stage.page.wait_for_function(HAS_LATENCY)
        OUT.mkdir(exist_ok=True)
        await stage.page.screenshot(path=OUT / "page-desktop.png")


async def test_a_click_names_the_frame_that_was_on_screen(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        await stage.page.wait_for_function(HAS_LATENCY)
        await stage.click(0.5, 0.5)
        (prompt,), (result,) = stage.engine.prompts, stage.engine.results
        assert prompt.pts is not None
        assert prompt.pts < result.pts, "what is on screen is older than what arrives"
        assert prompt.pts in stage.engine.seen, "a frame's own timestamp, to the tick"


async def test_buttons_keys_and_drags_say_what_they_should(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        page, said = stage.page, stage.engine.prompts
        await stage.click(0.2, 0.4)
        await stage.click(0.6, 0.7, button="right")
        await page.keyboard.down("Alt")
        await stage.click(0.7, 0.6)
        await page.keyboard.up("Alt")
        await page.keyboard.down("Shift")
        await page.mouse.move(*await stage.at(0.5, 0.6))
        await page.mouse.down()
        await page.mouse.move(*await stage.at(0.3, 0.2), steps=3)
        await page.mouse.up()
        await page.keyboard.up("Shift")
        await page.focus("#picture")
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("Enter")
        await page.get_by_text("Not this").click()
        await page.mouse.click(*await stage.at(0.1, 0.1))
        await stage.until(lambda: len(said) == 6)
        points = [(p.points[0].x, p.points[0].y, p.points[0].is_positive) for p in said if p.points]
        assert points == [
            (pytest.approx(0.2, abs=0.01), pytest.approx(0.4, abs=0.01), True),
            (pytest.approx(0.6, abs=0.01), pytest.approx(0.7, abs=0.01), False),
            (pytest.approx(0.7, abs=0.01), pytest.approx(0.6, abs=0.01), False),
            (pytest.approx(0.52), pytest.approx(0.5), True),
            (pytest.approx(0.1, abs=0.01), pytest.approx(0.1, abs=0.01), False),
        ]
        assert said[3].box == pytest.approx((0.3, 0.2, 0.5, 0.6), abs=0.01)
        assert {prompt.track_id for prompt in said} == {1}


async def press(page: Page, *keys: str) -> None:
    for key in keys:
        await page.keyboard.press(key)


async def test_all_is_said_without_a_pointer_too(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        page, said = stage.page, stage.engine.prompts
        await page.focus("#picture")
        await press(page, "ArrowLeft", "Shift+Enter", *["ArrowRight", "ArrowDown"] * 4)
        await expect(page.locator("#rubber")).to_be_visible()
        await page.screenshot(path=OUT / "page-keys-box.png")
        await press(page, "Escape", "Enter", "Shift+Enter", *["ArrowUp", "ArrowRight"] * 3, "Enter")
        await expect(page.locator("#rubber")).to_be_hidden()
        await press(page, "b", "Enter", *["ArrowDown", "ArrowLeft"] * 2, "Enter", "e", "Enter")
        await press(page, "a", "Alt+Enter")
        await stage.until(lambda: len(said) == 5)
        await press(page, "p", "Enter", *["ArrowLeft"] * 5)
        await expect(page.locator("#paint")).to_be_visible()
        await press(page, "Escape")
        await expect(page.locator("#paint")).to_be_hidden()
        await press(page, "Enter", *["ArrowLeft"] * 5, "Enter")
        await stage.until(lambda: len(said) == 6)
        near = pytest.approx
        assert [
            (p.points[0].x, p.points[0].y, p.points[0].is_positive) for p in said if p.points
        ] == [
            (near(0.56), near(0.58), True),
            (near(0.58), near(0.56), False),
            (near(0.58), near(0.56), False),
        ]
        assert said[1].box == near((0.56, 0.52, 0.62, 0.58))
        assert said[2].box == near((0.58, 0.52, 0.62, 0.56))
        rows, columns = np.nonzero(said[5].mask)
        assert (rows.mean() / 180, columns.mean() / 320) == near((0.56, 0.43), abs=0.02)
        assert all(prompt.pts is not None for prompt in said)
        await press(page, "s")
        await expect(page.locator("body")).to_have_attribute("data-phase", "live")
        await press(page, "Shift+S")
        await expect(page.locator("body")).to_have_attribute("data-phase", "idle")


async def test_objects_are_added_chosen_and_removed(browser: Browser):
    async with staged(browser) as stage:
        await stage.start("#use-pattern")
        page, said = stage.page, stage.engine.prompts
        chips = page.locator("#tracks li")
        await stage.click(0.2, 0.5)
        await page.keyboard.press("n")
        await stage.click(0.8, 0.5)
        await page.click("#new")
        await stage.click(0.5, 0.5)
        await page.keyboard.press("1")
        await stage.click(0.25, 0.5)
        assert [prompt.track_id for prompt in said] == [1, 2, 3, 1]
        await page.click("#new")
        await expect(page.locator("#notice")).to_contain_text("3 objects at most")
        await page.get_by_role("button", name="Remove object 2").click()
        await page.keyboard.press("Delete")
        await expect(chips).to_have_count(1)
        await expect(chips).to_contain_text("Object 3")
        (stream,) = stage.engine.streams.values()
        await stage.until(lambda: set(stream.centres) == {3})
        await expect(chips.locator(".pick")).to_have_attribute("aria-pressed", "true")


async def test_a_number_is_free_again_when_the_service_has_given_it_up(browser: Browser):
    async with staged(browser) as stage:
        await stage.start("#use-pattern")
        chips = stage.page.locator("#tracks li")
        await stage.click(0.2, 0.5)
        await expect(chips).to_have_attribute("data-state", "visible")
        names = await stage.page.evaluate(
            """() => {
                document.querySelector("#tracks .remove").click();
                return [...document.querySelectorAll("#tracks .pick span")].map(
                    ({ textContent }) => textContent);
            }"""
        )
        assert names == ["Object 2"], "no answer can have come while a script runs"
        await stage.click(0.8, 0.5)
        await expect(chips).to_have_attribute("data-state", "visible")
        (stream,) = stage.engine.streams.values()
        await stage.until(lambda: set(stream.centres) == {2})
        await stage.page.click("#new")
        await expect(chips.locator(".pick span")).to_have_text(["Object 1", "Object 2"])
        await stage.click(0.4, 0.5)
        await expect(chips.first).to_have_attribute("data-state", "visible")


async def test_what_the_service_says_late_of_a_removed_object_changes_nothing(browser: Browser):
    async with staged(browser) as stage:
        await stage.start("#use-pattern")
        chips = stage.page.locator("#tracks li")
        for place in (0.2, 0.5, 0.8):
            await stage.click(place, 0.5)
            await expect(chips).to_have_attribute("data-state", "visible")
            count = len(stage.engine.prompts)
            await stage.page.click("#tracks .remove")
            await stage.click(place, 0.5)
            await expect(chips).to_have_attribute("data-state", "visible")
            (stream,) = stage.engine.streams.values()
            (number,) = {prompt.track_id for prompt in stage.engine.prompts[count:]}
            await stage.until(lambda: set(stream.centres) == {number})  # noqa: B023 (awaited here)
            await expect(chips).to_contain_text(f"Object {number}")


async def test_without_overlay_the_video_comes_back_as_it_is(browser: Browser):
    async with staged(browser) as stage:
        await stage.start()
        await stage.click(0.3, 0.5)
        blue = f"(at) => {{ const [r, , b] = ({PIXEL})(at); return b - r; }}"
        await stage.page.wait_for_function(f"(at) => ({blue})(at) > 60", arg=[0.3, 0.5])
        await stage.page.keyboard.press("o")
        await stage.page.wait_for_function(f"(at) => ({blue})(at) < 20", arg=[0.3, 0.5])


async def test_an_untrained_model_is_named_as_such(browser: Browser):
    async with staged(browser) as stage:
        await expect(stage.page.locator("#banner")).to_have_text(
            "fake is not trained yet: its masks are guesses."
        )


async def test_a_video_file_is_a_source_too(browser: Browser, tmp_path: Path):
    film = tmp_path / "film.webm"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("libvpx", rate=30, width=320, height=240)
        for index in range(30):
            picture = np.full((240, 320, 3), 60 + 4 * index, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    async with staged(browser) as stage:
        await stage.page.set_input_files("#file", film)
        await stage.page.wait_for_selector('body[data-phase="live"]')
        await stage.page.wait_for_function("document.querySelector('#returned').videoWidth === 320")


async def test_a_file_that_is_no_video_is_explained(browser: Browser, tmp_path: Path):
    (tmp_path / "notes.mp4").write_text("no video")
    async with staged(browser) as stage:
        await stage.page.set_input_files("#file", tmp_path / "notes.mp4")
        await expect(stage.page.locator("#notice")).to_contain_text("cannot play notes.mp4")


async def test_a_denied_camera_is_explained(browser: Browser):
    async with staged(browser) as stage:
        await stage.page.evaluate(
            "() => { navigator.mediaDevices.getUserMedia = async () => {"
            " throw new DOMException('no', 'NotAllowedError'); } }"
        )
        await stage.page.click("#use-camera")
        await expect(stage.page.locator("#notice")).to_contain_text("camera is blocked")
        await expect(stage.page.locator("#use-pattern")).to_be_visible()


async def test_a_full_service_says_when_to_try_again(browser: Browser):
    async with staged(browser, max_sessions=1, retry_after_s=9) as stage:
        await stage.start("#use-pattern")
        other = await browser.new_page()
        await other.goto(stage.served.url)
        await other.click("#use-pattern")
        await expect(other.locator("#notice")).to_have_text(
            re.compile(r"The service is full\. Try again in (9|1[0-8]) seconds\.")
        )
        await other.close()


async def test_leaving_the_page_ends_the_session(browser: Browser):
    async with staged(browser) as stage:
        await stage.start("#use-pattern")
        assert stage.served.service.num_open == 1
        await stage.page.goto("about:blank")
        await stage.until(lambda: stage.served.service.num_open == 0)


async def test_the_page_reads_masks_as_the_service_writes_them(browser: Browser):
    random = np.random.default_rng(0)
    patches = np.kron(random.random((9, 16)) > 0.5, np.ones((10, 10), bool))
    patches[:, 100:] = False
    masks = [patches, np.zeros((90, 160), bool), np.ones((90, 160), bool)]
    objects = tuple(
        ObjectMask(number + 1, ObjectState(number), 0.5, 1.0, mask)
        for number, mask in enumerate(masks)
    )
    frame = MaskFrame(7, (1 << 32) - 1, 5, None, 12, 3, objects[1:])
    other = MaskFrame(8, 1, 2, 3, 4, 5, objects[:1])
    async with staged(browser) as stage:
        read = [
            await stage.page.evaluate(
                """async (bytes) => {
                    const { decodeMaskFrame } = await import("/web/mask_frame.js");
                    const frame = decodeMaskFrame(new Uint8Array(bytes).buffer);
                    const objects = frame.objects.map(({ trackId, state, box, area, mask }) =>
                        ({ trackId, state, box, area, mask: [...mask] }));
                    return { ...frame, objects };
                }""",
                list(encode(sent, 90, 160)),
            )
            for sent in (frame, other)
        ]
    assert (read[0]["index"], read[0]["inRtp"], read[0]["promptSeq"]) == (7, (1 << 32) - 1, None)
    assert (read[0]["ageMs"], read[0]["droppedSinceLast"], read[0]["outRtp"]) == (12, 3, 5)
    empty, full = read[0]["objects"]
    assert (empty["trackId"], empty["state"], empty["mask"]) == (2, "occluded", [])
    assert (full["state"], full["area"], sum(full["mask"])) == ("lost", 90 * 160, 90 * 160)
    assert (read[1]["gridWidth"], read[1]["promptSeq"]) == (160, 3)
    (patched,) = read[1]["objects"]
    box = patched["box"]
    cells = np.array(patched["mask"], bool).reshape(box["height"], box["width"])
    rows, columns = (
        slice(box["y"], box["y"] + box["height"]),
        slice(box["x"], box["x"] + box["width"]),
    )
    assert (cells == masks[0][rows, columns]).all()
    assert cells.sum() == masks[0].sum() == patched["area"]


async def test_the_page_refuses_what_python_refuses(browser: Browser):
    mask = np.ones((90, 160), bool)
    mask[40:50, 30:60] = False
    good = encode(
        MaskFrame(7, 1, 5, 2, 0, 0, (ObjectMask(3, ObjectState.VISIBLE, 0.5, 1.0, mask),)), 90, 160
    )
    changes = {
        "a short header": {7: 31},
        "another version": {4: 2},
        "no grid": {24: 0},
        "a grid too wide": {25: 2},
        "a state of its own": {34: 3},
        "another codec": {35: 2},
        "a box beside the grid": {38: 1},
        "a box too large": {43: 4},
        "no box": {42: 0},
        "another area": {46: 1},
        "runs too short": {53: good[53] ^ 1},
        "an endless number": {len(good) - 1: 0x80},
    }
    bad = {name: bytearray(good) for name in changes}
    for name, bytes_at in changes.items():
        for at, value in bytes_at.items():
            bad[name][at] = value
    bad |= {"cut off": good[:-1], "more": good + b"x", "less than a header": good[:31]}
    for name, message in bad.items():
        with pytest.raises(MaskFrameError):
            pytest.fail(f"{name} is read: {decode(bytes(message))}")
    async with staged(browser) as stage:
        read = await stage.page.evaluate(
            """async (messages) => {
                const { decodeMaskFrame } = await import("/web/mask_frame.js");
                return messages.map((bytes) => {
                    try { return decodeMaskFrame(new Uint8Array(bytes).buffer).index; }
                    catch (error) { return error.name; }
                });
            }""",
            [list(message) for message in (good, *bad.values())],
        )
    assert dict(zip(["good", *bad], read, strict=True)) == {
        "good": 7,
        **dict.fromkeys(bad, "MaskFrameError"),
    }


async def test_the_page_s_colours_are_the_service_s(browser: Browser):
    async with staged(browser) as stage:
        colours = await stage.page.evaluate(
            "async () => (await import('/web/tracks.js')).COLOURS.map((text) => text.slice(1))"
        )
    assert [tuple(bytes.fromhex(text)) for text in colours] == list(PALETTE)
