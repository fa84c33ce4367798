import asyncio
import socket
from collections.abc import AsyncIterator

import av
import httpx
import numpy as np
import pytest
from clients import HEIGHT, LEVELS, WIDTH, grey_frames, masks_with, to_the_end
from served import Served, serving

from fake_engine import NO_LOGITS, FakeEngine
from sam2_rt.engine import StepRequest, StepResult, TrackMask, TrackState
from sam2_rt.tracking.prompt import PromptError
from streamer.client import (
    Client,
    ConnectError,
    ConnectionLost,
    Point,
    Refused,
    ServiceFull,
)
from streamer.client.arrivals import ReturnedFrame
from streamer.client.signalling import is_loopback
from streamer.masks.mask_frame import ObjectState
from streamer.protocol import PALETTE


class LevelEngine(FakeEngine):
    """Track 1 is as many columns wide as the picture is bright."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        result = super()._step(request)
        luma = request.frame.planes[0]
        level = round(((float(luma.mean()) - 16) * 255 / 219 - 30) / 16)
        mask = np.zeros(luma.shape, np.bool_)
        mask[:, : 20 * (level + 1)] = True
        masks = (TrackMask(1, TrackState.VISIBLE, 1.0, 1.0, mask, NO_LOGITS),)
        return StepResult(
            result.index, result.pts, masks, (), (), result.prompts, result.encoder_calls
        )


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serving() as served:
        yield served


async def test_each_mask_frame_is_matched_to_the_frame_that_was_sent():
    async with serving(LevelEngine) as served, Client(served.url, grey_frames()) as client:
        matched = 0
        async for masks in client.masks():
            if masks.sent is None:
                continue
            columns = masks.frame.objects[0].mask.any(axis=0).sum()
            assert columns // 20 - 1 == masks.sent.index % LEVELS
            assert 0 < masks.latency_s < 5
            matched += 1
            if matched == 2 * LEVELS:
                break


async def test_a_prompt_is_applied_to_the_frame_that_it_names(served: Served):
    async with Client(served.url, grey_frames()) as client:
        first = await masks_with(client)
        while first.sent is None:
            first = await masks_with(client)
        ack = await client.prompt(1, points=[Point(0.25, 0.5)], frame=first.sent)
        assert ack.applied_to == "exact"
        assert ack.frame.rtp_timestamp == first.sent.rtp_timestamp
        masks = await masks_with(client, 1)
        (item,) = masks.frame.objects
        rows, columns = np.nonzero(item.mask)
        assert item.state is ObjectState.VISIBLE
        assert columns.mean() / masks.frame.grid_width == pytest.approx(0.25, abs=0.02)
        assert rows.mean() / masks.frame.grid_height == pytest.approx(0.5, abs=0.02)


async def test_a_box_and_a_mask_begin_tracks(served: Served):
    async with Client(served.url, grey_frames()) as client:
        where = np.zeros((24, 40), np.bool_)
        where[:12, 20:] = True
        await asyncio.gather(
            client.prompt(1, box=(0.1, 0.2, 0.3, 0.4)), client.prompt(2, mask=where)
        )
        masks = await masks_with(client, 1, 2)
        middles = [np.argwhere(item.mask).mean(axis=0) for item in masks.frame.objects]
        grid = (masks.frame.grid_height, masks.frame.grid_width)
        assert middles[0] / grid == pytest.approx((0.3, 0.2), abs=0.02)
        assert middles[1] / grid == pytest.approx((0.25, 0.75), abs=0.05)


async def test_events_tell_of_a_track_that_came_and_went(served: Served):
    async with Client(served.url, grey_frames()) as client:
        await client.prompt(2, points=[Point(0.5, 0.5)])
        await client.remove(2)
        events = client.events()
        kinds = [(event.kind, event.track_id) for event in [await anext(events) for _ in range(2)]]
        assert kinds == [("added", 2), ("removed", 2)]
        await masks_with(client)


async def test_the_last_prompt_is_taken_back_and_with_the_only_one_the_track(served: Served):
    async with Client(served.url, grey_frames()) as client:
        await client.prompt(1, points=[Point(0.25, 0.5)])
        await client.prompt(1, points=[Point(0.75, 0.5)])
        ack = await client.undo(1)
        masks = await masks_with(client, 1)
        while masks.frame.index < ack.frame.index:
            masks = await masks_with(client, 1)
        columns = np.nonzero(masks.frame.objects[0].mask)[1]
        assert columns.mean() / masks.frame.grid_width == pytest.approx(0.25, abs=0.02)
        await client.undo(1)
        events = client.events()
        assert [(await anext(events)).kind for _ in range(2)] == ["added", "removed"]
        with pytest.raises(Refused) as refused:
            await client.undo(1)
        assert refused.value.code == "unknown_track"


async def first_with_mask(client: Client) -> ReturnedFrame:
    """The first picture whose own mask frame holds an object; either may come first."""
    pictures: dict[int, ReturnedFrame] = {}
    painted: set[int] = set()
    async with asyncio.TaskGroup() as group:

        async def follow_masks() -> None:
            async for masks in client.masks():
                if masks.frame.objects:
                    painted.add(masks.frame.out_rtp)

        follower = group.create_task(follow_masks())
        async for returned in client.video():
            pictures[returned.rtp_timestamp] = returned
            if both := painted & pictures.keys():
                follower.cancel()
                return pictures[both.pop()]
    raise AssertionError("the video ended")


async def test_the_returned_video_shows_the_track_and_says_which_frame_it_is(served: Served):
    async with Client(served.url, grey_frames()) as client:
        await client.prompt(1, points=[Point(0.5, 0.5)])
        returned = await asyncio.wait_for(first_with_mask(client), timeout=30)
        middle = returned.picture.to_ndarray(format="rgb24")[HEIGHT // 2, WIDTH // 2].astype(int)
        blue = np.array(PALETTE[0])
        assert middle[2] - middle[0] > 0.3 * (blue[2] - blue[0])


async def test_output_none_returns_the_picture_as_it_came(served: Served):
    async with Client(served.url, grey_frames()) as client:
        await client.prompt(1, points=[Point(0.5, 0.5)])
        await client.configure(output="none")
        async with asyncio.timeout(10):
            async for returned in client.video():
                red, _, blue = returned.picture.to_ndarray(format="rgb24")[HEIGHT // 2, WIDTH // 2]
                if abs(int(red) - int(blue)) < 12:
                    return


async def test_what_the_service_refuses_raises_with_its_code(served: Served):
    async with Client(served.url, grey_frames()) as client:
        with pytest.raises(Refused, match="no track 9") as refused:
            await client.remove(9)
        assert refused.value.code == "unknown_track"
        await client.prompt(1, points=[Point(0.5, 0.5)])  # the session goes on


async def test_a_prompt_too_large_for_the_service_is_not_sent(served: Served):
    async with Client(served.url, grey_frames()) as client:
        noise = np.random.default_rng(0).random((1000, 1000)) > 0.5
        with pytest.raises(Refused, match=r"too_large: \d+ bytes, at most"):
            await asyncio.wait_for(client.prompt(1, mask=noise), timeout=5)
        await client.prompt(1, points=[Point(0.5, 0.5)])  # the session goes on


async def test_a_proxy_is_not_asked_for_this_machine(
    served: Served, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    async with Client(served.url, grey_frames()) as client:
        assert client.hello.model.name == "fake"


@pytest.mark.parametrize(
    ("url", "is_here"),
    [
        ("http://127.0.0.1:8080", True),
        ("http://[::1]:8080/below", True),
        ("http://localhost", True),
        ("http://10.0.0.1:8080", False),
        ("http://localhost.example.org", False),
        ("http://[", False),
    ],
)
def test_only_this_machine_is_reached_without_a_proxy(url: str, is_here: bool):  # noqa: FBT001 (pytest's)
    assert is_loopback(url) == is_here


async def test_a_prompt_out_of_range_is_never_sent(served: Served):
    async with Client(served.url, grey_frames()) as client:
        with pytest.raises(PromptError, match=r"coordinate 1\.5"):
            client.prompt(1, points=[Point(1.5, 0.5)])


async def test_hello_and_stats_tell_of_the_session(served: Served):
    async with Client(served.url, grey_frames()) as client:
        assert client.hello.model.name == "fake"
        assert not client.hello.model.is_trained
        while client.stats.service is None:
            await anext(client.masks())
        stats = client.stats
        assert stats.sent >= stats.masks > 0
        assert stats.latency_s > 0
        assert stats.service.encoder_calls == stats.service.processed > 0


async def test_leaving_ends_the_session_at_the_service(served: Served):
    async with Client(served.url, grey_frames()) as client:
        await anext(client.masks())
        assert served.service.num_open == 1
    async with asyncio.timeout(5):
        while served.service.num_open:  # noqa: ASYNC110 (the service has no event for it)
            await asyncio.sleep(0.01)


async def test_a_full_service_says_when_to_come_back():
    async with (
        serving(max_sessions=1, retry_after_s=7) as served,
        Client(served.url, grey_frames()),
    ):
        with pytest.raises(ServiceFull, match="1 places") as full:
            await Client(served.url, grey_frames()).__aenter__()
        assert 7 <= full.value.retry_after_s <= 14


async def test_a_service_that_is_not_there_cannot_be_connected():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ConnectError, match=r"does not answer .* is it running\?"):
            await Client(url, grey_frames()).__aenter__()


async def test_a_refused_offer_gives_the_service_s_own_words(monkeypatch: pytest.MonkeyPatch):
    async def refuse(_http: object, method: str, path: str, **_body: object) -> httpx.Response:
        request = httpx.Request(method, f"http://x{path}")
        if path == "/config":
            return httpx.Response(200, json={"iceServers": []}, request=request)
        return httpx.Response(400, json={"detail": "no video in it"}, request=request)

    monkeypatch.setattr(httpx.AsyncClient, "request", refuse)
    with pytest.raises(ConnectError, match="no video in it"):
        await Client("http://x", grey_frames()).__aenter__()


async def test_a_service_that_ends_the_session_is_noticed(served: Served):
    async with Client(served.url, grey_frames(), resume_s=0) as client:
        await anext(client.masks())
        served.service.begin_stop()
        with pytest.raises(ConnectionLost):
            await to_the_end(client)
        with pytest.raises(ConnectionLost):
            await client.prompt(1, points=[Point(0.5, 0.5)])


async def test_a_source_that_fails_ends_the_session_and_says_why(served: Served):
    async def broken() -> AsyncIterator[av.VideoFrame]:
        async for frame in grey_frames(3):
            yield frame
        raise OSError("the camera was unplugged")

    async with Client(served.url, broken()) as client:
        with pytest.raises(ConnectionLost, match="unplugged"):
            await to_the_end(client)


async def test_an_error_of_the_user_s_own_passes_unchanged(served: Served):
    with pytest.raises(ZeroDivisionError):
        async with Client(served.url, grey_frames()):
            raise ZeroDivisionError
