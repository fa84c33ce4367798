"""Masks for those who watch: over a data channel, each with the timestamp of its own picture."""

import json

import httpx
import numpy as np
import pytest
from fake_viewer import eventually
from films import write_film
from served import serving
from shown import show
from test_lossy_link import HEIGHT, NUM_CODES, STRIPE, Reader, code_of, frames
from watching import Watching, watching
from websockets.asyncio.client import connect

from streamer.client import Client, Point
from streamer.masks import mask_frame
from streamer.masks.mask_budget import MESSAGE_BYTES
from streamer.rtc.timestamps import in_rtp


def codes_of_masks(watcher: Watching) -> dict[int, int]:
    """By the RTP timestamp that a message names: the stripe that its mask is."""
    codes = {}
    for message in watcher.messages:
        frame = mask_frame.decode(message)
        assert len(message) <= MESSAGE_BYTES
        if frame.objects and frame.out_rtp:
            columns = np.flatnonzero(frame.objects[0].mask.any(axis=0))
            assert len(columns) * NUM_CODES == frame.grid_width
            codes[frame.out_rtp] = int(columns[0]) // STRIPE
    return codes


def codes_of_pictures(watcher: Watching) -> dict[int, int]:
    """By the RTP timestamp on the wire: what the picture says."""
    receiver = watcher.video.receiver
    return {
        in_rtp(receiver, picture.pts): code_of(picture.to_ndarray()[:HEIGHT])
        for picture in watcher.pictures
    }


@pytest.mark.parametrize("codec", ["video/H264", "video/VP8"])
async def test_each_watcher_s_masks_name_the_very_picture_that_they_belong_to(codec: str):
    async with (
        serving(Reader) as served,
        Client(served.url, frames()) as client,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        await client.prompt(1, points=[Point(0.5, 0.25)])
        path = f"/whep/{client.hello.session}?track=video"
        async with (
            watching(http, path, codec, has_masks=True) as (one, answer),
            watching(http, path, codec, has_masks=True) as (two, _),
        ):
            assert "m=application" in answer.text
            for watcher in (one, two):

                def joined(watcher: Watching = watcher) -> list[tuple[int, int]]:
                    masks, pictures = codes_of_masks(watcher), codes_of_pictures(watcher)
                    return [(masks[rtp], pictures[rtp]) for rtp in masks.keys() & pictures.keys()]

                await eventually(lambda joined=joined: len(joined()) >= 20)
                assert all(of_mask == of_picture for of_mask, of_picture in joined())
                assert len({of_mask for of_mask, _ in joined()}) > 4, "they tell frames apart"
            first, second = codes_of_masks(one).keys(), codes_of_masks(two).keys()
            assert first.isdisjoint(second), "each sender has an origin of its own"


async def test_who_watches_the_mask_or_a_source_gets_masks_too(tmp_path):
    film = write_film(tmp_path / "film.mp4", num_frames=60)
    async with (
        serving(source_folder=tmp_path) as served,
        httpx.AsyncClient(base_url=served.url) as http,
    ):
        wish = {"url": f"file://{film}", "loop": True}
        session = (await http.post("/sources", json=wish)).json()["session"]
        box = {"type": "prompt", "seq": 1, "track_id": 7, "box": [0.3, 0.3, 0.7, 0.7]}
        await http.post(f"/sessions/{session}/prompts", json={"messages": [box]})
        path = f"/whep/{session}?track=mask"
        async with watching(http, path, has_masks=True) as (watcher, _):
            await eventually(lambda: len(watcher.pictures) >= 3)

            def seen() -> set[int]:
                told = {mask_frame.decode(message).out_rtp for message in watcher.messages}
                receiver = watcher.video.receiver
                return told & {in_rtp(receiver, picture.pts) for picture in watcher.pictures}

            await eventually(lambda: len(seen()) >= 3)
            frame = mask_frame.decode(watcher.messages[-1])
            assert [item.track_id for item in frame.objects] == [7]
            url = f"{served.url.replace('http', 'ws')}/sessions/{session}/masks"
            async with connect(f"{url}?form=coco") as text, connect(url) as binary:
                said = json.loads(await text.recv())
                assert (said["rtp_timestamp"], said["returned_rtp_timestamp"]) == (
                    said["pts"] % (1 << 32),
                    None,
                )
                frame = mask_frame.decode(await binary.recv())
                assert abs(frame.in_rtp - said["pts"]) < 900_000, "the place in the film"
                assert frame.out_rtp == 0, "of which picture, a WebSocket cannot know"


async def test_who_has_no_channel_for_masks_gets_none_and_one_who_leaves_no_more():
    async with show() as there:
        (stay,) = there.served.service._sessions.values()
        async with (
            watching(there.http, there.path) as (plain, answer),
            watching(there.http, there.path, has_masks=True) as (watcher, _),
        ):
            assert "m=application" not in answer.text
            await eventually(lambda: plain.pictures and len(watcher.messages) >= 3)
            assert plain.messages == []
            assert stay.session.masks.num_readers == 0, "those are the WebSockets"
        await eventually(lambda: there.count("watchers") == 0)
        assert stay.session.masks._others == []
