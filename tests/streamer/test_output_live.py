"""Modes over a real connection: aiortc at both ends, encoded, sent, decoded."""

import asyncio
import io
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path

import av
import board
import httpx
import numpy as np
import pytest
from fake_viewer import FakeViewer
from loopback import OtherSide
from numpy.typing import NDArray
from PIL import Image
from served import Served, serving
from session_stage import stage

from streamer.client import Client, Point, Refused
from streamer.picture.output import Mode

WIDTH, HEIGHT, FPS = 320, 192, 30
IN, OUT = (96, 160), (20, 20)
"""Rows and columns: in the disc that the engine sees, and far from it."""

Rgb = NDArray[np.uint8]
FOLDER = Path(__file__).parents[2] / "out" / "modes"


async def orange_frames() -> AsyncIterator[av.VideoFrame]:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    rgb = np.full((HEIGHT, WIDTH, 3), (220, 120, 40), np.uint8)
    for index in range(10_000):
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        await asyncio.sleep(began_s + index / FPS - loop.time())
        yield frame


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


def near(picture: Rgb, place: tuple[int, int], *wanted: int) -> bool:
    return bool(np.abs(picture[place].astype(int) - wanted).max() < 40)


def is_orange(picture: Rgb, place: tuple[int, int]) -> bool:
    return near(picture, place, 220, 120, 40)


async def until(client: Client, holds: Callable[[Rgb], bool]) -> None:
    """Returns at the first picture of which it holds."""
    async with asyncio.timeout(15):
        async for returned in client.video():
            if holds(returned.picture.to_ndarray(format="rgb24")):
                return
    raise AssertionError("the video ended")


async def test_the_mode_changes_live_and_the_picture_with_it(served: Served):
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (250, 250, 250)).save(file, "JPEG")
    async with Client(served.url, orange_frames()) as client:
        await client.prompt(1, points=[Point(0.5, 0.5)])
        await until(client, lambda p: not is_orange(p, IN) and is_orange(p, OUT))
        await client.configure("replace", colour="#1020c0")
        await until(client, lambda p: is_orange(p, IN) and near(p, OUT, 0x10, 0x20, 0xC0))
        await client.configure("replace", image=file.getvalue())
        await until(client, lambda p: is_orange(p, IN) and near(p, OUT, 250, 250, 250))
        await client.configure("green")
        await until(client, lambda p: is_orange(p, IN) and near(p, OUT, 0, 177, 64))
        await client.configure("cutout")
        await until(client, lambda p: p.shape[1] == 2 * WIDTH and near(p, OUT, 0, 0, 0))
        await until(client, lambda p: near(p, (IN[0], IN[1] + WIDTH), 255, 255, 255))
        await client.configure("spotlight", strength=1.0)
        await until(client, lambda p: p.shape[1] == WIDTH and p[OUT].max() < 60)
        await client.configure("none")
        await until(client, lambda p: is_orange(p, IN) and is_orange(p, OUT))


async def board_frames() -> AsyncIterator[av.VideoFrame]:
    rgb = board.board()
    for index in range(10_000):
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, 15)
        await asyncio.sleep(1 / 15)
        yield frame


async def test_each_mode_shows_hides_and_blurs_what_it_says_one_after_another(served: Served):
    """A checkerboard with a disc on it: where its pattern is left, and which colour it has."""
    assert set(board.SHOWN) | {Mode.MASKS} == set(Mode)
    FOLDER.mkdir(parents=True, exist_ok=True)
    async with Client(served.url, board_frames()) as client:
        await client.prompt(1, points=[Point(*board.AT)])
        for mode, (options, holds) in board.SHOWN.items():
            await client.configure(mode, **options)
            last: deque[Rgb] = deque(maxlen=1)
            try:
                await until(client, lambda p: last.append(p) or holds(board.look(p)))  # noqa: B023
            except TimeoutError:
                pytest.fail(f"{mode} does not look like that: {board.look(last[-1])}")
            finally:
                Image.fromarray(last[-1]).save(FOLDER / f"wire-{mode}.png")


async def test_masks_alone_come_without_a_picture(served: Served):
    async with Client(served.url, orange_frames()) as client:
        await until(client, lambda _: True)
        await client.configure("masks")
        await asyncio.sleep(0.5)  # what was on its way
        pictures, masks = client.stats.pictures, client.stats.masks
        await asyncio.sleep(0.5)
        assert client.stats.pictures == pictures
        assert client.stats.masks > masks
        await client.configure("overlay")
        await until(client, lambda _: True)


async def test_a_picture_that_cannot_be_read_changes_nothing(served: Served):
    async with Client(served.url, orange_frames()) as client:
        await client.configure("none")
        with pytest.raises(Refused, match="no JPEG, PNG or WebP picture") as refused:
            await client.configure("replace", image=b"nothing of the kind")
        assert refused.value.code == "bad_image"
        with pytest.raises(Refused, match="no strength"):
            await client.configure("green", strength=0.5)
        await client.prompt(1, points=[Point(0.5, 0.5)])
        await until(client, lambda p: is_orange(p, IN) and is_orange(p, OUT))


async def test_wishes_are_carried_out_in_order_and_too_many_are_refused():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        for seq in range(10):  # no turn of the loop between them
            viewer.hear(type="configure", seq=seq, output="masks" if seq == 7 else "none")
        await viewer.until("ack", 8)
        assert [m["seq"] for m in viewer.said if m["type"] == "ack"] == list(range(8))
        assert [(m["seq"], m["code"]) for m in viewer.said if m["type"] == "error"] == [
            (8, "busy"),
            (9, "busy"),
        ]
        viewer.feed(pts=1)
        await viewer.until_masks(1)
        assert viewer.pictures == []
        viewer.leave()
        await running


async def test_the_address_of_the_offer_chooses_first(served: Served):
    async with httpx.AsyncClient(base_url=served.url) as http:
        other = OtherSide()
        answer = await http.post(
            "/offer?output=replace&colour=%231020c0",
            json={"sdp": await other.offer(), "type": "offer"},
        )
        assert answer.status_code == 200
        (stay,) = served.service._sessions.values()
        assert stay.session.display.output.mode is Mode.REPLACE
        assert stay.session.display.output.colour == (0x10, 0x20, 0xC0)
        for path, kind in (("/offer", "application/json"), ("/whip", "application/sdp")):
            refused = await http.post(
                f"{path}?output=blur&strength=2",
                content=json.dumps({"sdp": "v=0", "type": "offer"}),
                headers={"content-type": kind},
            )
            assert refused.status_code == 400
            assert refused.json()["detail"].startswith("strength: ")
        assert served.service.num_open == 1
        await other.close()
