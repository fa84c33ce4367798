"""Masks over a WebSocket, read by the client of the websockets package."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from clients import grey_frames, masks_with
from fake_viewer import eventually
from loopback import OtherSide, connected
from pycocotools import mask as coco
from served import Served, serving
from test_app_token import SECRET, token
from test_serve import line_with
from test_serve import served as process_serving
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streamer.client import Client, Point
from streamer.masks import mask_frame


@dataclass
class Show:
    """A session whose masks can be read."""

    served: Served
    viewer: OtherSide
    url: str

    @property
    def num_readers(self) -> int:
        (stay,) = self.served.service._sessions.values()
        return stay.session.masks.num_readers


@asynccontextmanager
async def show(**settings: object) -> AsyncIterator[Show]:
    async with serving(**settings) as served, connected(served.url) as viewer:
        (session_id,) = served.service._sessions
        url = f"{served.url.replace('http', 'ws')}/sessions/{session_id}/masks"
        yield Show(served, viewer, url)
        sample = served.service.metrics.registry.get_sample_value
        assert sample("streamer_session_errors_total") == 0


async def frame_with_objects(socket: ClientConnection) -> mask_frame.MaskFrame:
    async with asyncio.timeout(10):
        while not (frame := mask_frame.decode(await socket.recv())).objects:
            pass
    return frame


async def to_the_end(socket: ClientConnection) -> None:
    while True:
        await socket.recv()


async def test_its_messages_are_those_of_the_data_channel():
    async with show() as there, connect(there.url) as socket:
        there.viewer.click(seq=5, track_id=2)
        frame = await frame_with_objects(socket)
        assert (frame.objects[0].track_id, frame.prompt_seq) == (2, 5)
        ahead = there.viewer.masks[-1]
        assert (frame.in_rtp - ahead.in_rtp) % 2**32 % 3000 == 0, "timestamps of one clock"


async def test_every_frame_comes_in_its_order():
    async with show() as there, connect(there.url) as socket:
        frames = [mask_frame.decode(await socket.recv()) for _ in range(20)]
        indices = [frame.index for frame in frames]
        assert indices == sorted(set(indices))
        assert len({frame.in_rtp for frame in frames}) == 20


@pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own
async def test_coco_text_is_read_by_pycocotools():
    async with show() as there, connect(f"{there.url}?form=coco") as socket:
        there.viewer.click(seq=1, track_id=1)
        async with asyncio.timeout(10):
            while not (said := json.loads(await socket.recv()))["objects"]:
                pass
        mask = coco.decode(said["objects"][0]["segmentation"])
        height, width = mask.shape
        assert mask[height // 2, width // 2]
        assert not mask[0, 0]
        assert isinstance(said["rtp_timestamp"], int)


async def test_what_the_reader_says_is_not_heard_and_ends_nothing():
    async with show() as there, connect(there.url) as socket:
        await socket.send("hello")
        before = mask_frame.decode(await socket.recv()).index
        for _ in range(5):
            last = mask_frame.decode(await socket.recv()).index
        assert last > before


async def test_it_ends_with_the_session():
    async with show() as there, connect(there.url) as socket:
        await socket.recv()
        await there.viewer.close()
        async with asyncio.timeout(10):
            with pytest.raises(ConnectionClosed):
                await to_the_end(socket)
        assert (socket.close_code, socket.close_reason) == (1001, "the session has ended")


async def test_a_reader_who_leaves_is_forgotten():
    async with show() as there:
        async with connect(there.url) as socket:
            await socket.recv()
            assert there.num_readers == 1
        await eventually(lambda: there.num_readers == 0)
        seen = there.viewer.masks[-1].index
        await eventually(lambda: there.viewer.masks[-1].index > seen + 3)


async def refusal(url: str, **how: object) -> tuple[int, str]:
    with pytest.raises(InvalidStatus) as caught:
        await connect(url, **how)
    answer = caught.value.response
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.status_code, json.loads(answer.body)["detail"]


async def test_what_cannot_be_read_is_a_problem():
    async with show(max_watchers=1) as there:
        nobody = there.url.replace("/sessions/", "/sessions/not-")
        assert (await refusal(nobody))[0] == 404
        assert (await refusal(f"{there.url}?form=xml"))[0] == 400
        async with connect(there.url):
            assert (await refusal(there.url))[0] == 503


async def test_pages_of_other_origins_may_not_read_unless_they_are_allowed():
    async with show(cors_origins=["https://good.example"]) as there:
        assert (await refusal(there.url, origin="https://evil.example"))[0] == 403
        for origin in ("https://good.example", there.served.url):
            async with connect(there.url, origin=origin) as socket:
                await socket.recv()


async def test_a_token_is_needed_where_tokens_are():
    async with (
        serving(token_secret=SECRET) as served,
        Client(served.url, grey_frames(), token=token()) as client,
    ):
        await client.prompt(1, points=[Point(0.5, 0.5)])
        await masks_with(client, 1)
        (session_id,) = served.service._sessions
        url = f"{served.url.replace('http', 'ws')}/sessions/{session_id}/masks"
        assert (await refusal(url))[0] == 401
        wrong = {"Authorization": f"Bearer {token()[:-3]}abc"}
        assert (await refusal(url, additional_headers=wrong))[0] == 401
        right = {"Authorization": f"Bearer {token()}"}
        async with connect(url, additional_headers=right) as socket:
            assert (await frame_with_objects(socket)).objects[0].track_id == 1


async def test_the_program_itself_serves_websockets():
    with process_serving() as process:
        url = line_with(process, "Open http://").split()[1]
        line_with(process, "Ready: nano")
        assert (await refusal(f"{url.replace('http', 'ws')}/sessions/none/masks"))[0] == 404
