import logging
import threading
from collections.abc import Sequence

import pytest
from fake_viewer import IN_ORIGIN, FakeViewer, eventually
from session_stage import stage

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from streamer.masks import mask_frame
from streamer.session.viewer import Outcome
from streamer.worker import WorkerState

CLICK = [[0.5, 0.5, 1]]


def told(viewer: FakeViewer) -> list[tuple[str, str]]:
    return [(m["code"], m["message"]) for m in viewer.said if m["type"] == "error"]


class HeldEngine(FakeEngine):
    """Steps one batch each time it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = threading.Semaphore(0)

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        self.turns.acquire(timeout=5)
        return super().step(requests)


async def test_a_frame_comes_back_as_masks_and_as_a_picture():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.hear(type="prompt", seq=5, track_id=1, points=CLICK)
        viewer.feed(pts=3000)
        await viewer.until_masks(1)
        await viewer.until_pictures(1)
        viewer.leave()
        assert await running is Outcome.LEFT
    masks = mask_frame.decode(viewer.masks[0])
    assert (masks.index, masks.in_rtp, masks.out_rtp) == (0, (IN_ORIGIN + 3000) % 2**32, 3500)
    assert (masks.prompt_seq, masks.dropped) == (5, 0)
    assert masks.objects[0].mask[8, 16]
    assert viewer.pictures[0].pts == 3000
    assert viewer.pictures[0].planes[0][8, 16] != 100
    assert viewer.is_closed


async def test_an_ack_and_an_event_name_the_frame():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.hear(type="prompt", seq=5, track_id=1, points=CLICK)
        viewer.feed(pts=3000)
        ack, event = await viewer.until("ack"), await viewer.until("event")
        frame = {"index": 0, "rtp_timestamp": (IN_ORIGIN + 3000) % 2**32}
        assert ack == {
            "type": "ack", "seq": 5, "track_id": 1, "frame": frame, "applied_to": "exact",
        }  # fmt: skip
        assert event == {"type": "event", "kind": "added", "track_id": 1, "frame": frame}
        here.session.end(Outcome.STOPPED)
        assert await running is Outcome.STOPPED


async def test_a_prompt_lands_on_the_frame_its_viewer_saw():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        for row in range(3):
            viewer.feed(pts=3000 * row)
            await viewer.until_masks(row + 1)
        seen = (IN_ORIGIN + 3000) % 2**32
        viewer.hear(type="prompt", seq=1, track_id=1, points=CLICK, rtp_timestamp=seen)
        viewer.hear(type="prompt", seq=2, track_id=1, points=CLICK, rtp_timestamp=seen + 1)
        viewer.feed(pts=9000)
        exact, newest = await viewer.until("ack", 1), await viewer.until("ack", 2)
        assert exact["frame"] == {"index": 1, "rtp_timestamp": seen}
        assert exact["applied_to"] == "exact"
        assert newest["frame"] == {"index": 3, "rtp_timestamp": (IN_ORIGIN + 9000) % 2**32}
        assert newest["applied_to"] == "newest"
        here.session.end(Outcome.LEFT)
        await running


async def test_the_newest_frame_wins_and_the_drops_are_told():
    engine = HeldEngine()
    async with stage(engine) as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.feed(pts=0)
        await eventually(lambda: here.worker._tick is not None)
        for row in range(1, 5):
            viewer.feed(pts=3000 * row)
        engine.turns.release(2)
        await viewer.until_masks(2)
        engine.turns.release(20)
        here.session.end(Outcome.LEFT)
        await running
        first, second = map(mask_frame.decode, viewer.masks)
        assert second.in_rtp == (IN_ORIGIN + 12_000) % 2**32
        assert first.dropped + second.dropped == 3
        assert here.count("frames_dropped_total", reason="slot") == 3
        assert here.count("frames_processed_total") == 2


async def test_a_frame_that_is_not_newer_goes_no_further():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        for pts in (3000, 3000, 2000, 9000):
            viewer.feed(pts)
        await eventually(lambda: here.count("frames_received_total") == 4)
        assert here.count("frames_dropped_total", reason="stale") == 2
        here.session.end(Outcome.LEFT)
        await running


async def test_frames_that_are_too_large_are_counted_and_told_of_once_a_size():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer, max_frame_pixels=1024)
        for pts, side in enumerate((64, 64, 32, 128, 64)):
            viewer.feed(pts, side, side)
        await eventually(lambda: here.count("frames_received_total") == 5)
        assert here.count("frames_dropped_total", reason="too_large") == 4
        assert here.count("frames_dropped_total", reason="stale") == 0
        assert told(viewer) == [
            ("too_large", "frames of 64 x 64, at most 1024 pixels"),
            ("too_large", "frames of 128 x 128, at most 1024 pixels"),
        ]
        here.session.end(Outcome.LEFT)
        await running


async def test_a_new_size_mid_stream_works_and_is_counted():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.hear(type="prompt", seq=1, track_id=1, points=CLICK)
        for row, (height, width) in enumerate([(16, 32), (33, 65), (33, 65), (16, 32)]):
            viewer.feed(3000 * row, height, width)
            await viewer.until_pictures(row + 1)
            await viewer.until_masks(row + 1)
        assert [p.planes[0].shape for p in viewer.pictures] == [
            (16, 32), (33, 65), (33, 65), (16, 32),
        ]  # fmt: skip
        grids = [(m.grid_height, m.grid_width) for m in map(mask_frame.decode, viewer.masks)]
        assert grids == [(16, 32), (33, 65), (33, 65), (16, 32)]
        assert here.count("frame_size_changes_total") == 2
        viewer.leave()
        assert await running is Outcome.LEFT


async def test_output_none_returns_the_picture_as_it_came():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.hear(type="configure", seq=3, output="none")
        viewer.hear(type="prompt", seq=4, track_id=1, points=CLICK)
        viewer.feed(pts=1)
        await viewer.until_pictures(1)
        assert all((plane == 100).all() for plane in viewer.pictures[0].planes)
        assert (await viewer.until("ack"))["frame"] is None
        viewer.leave()
        await running


async def test_masks_that_do_not_fit_the_channel_are_counted():
    async with stage() as here:
        viewer = FakeViewer()
        viewer.takes_masks = False
        running = here.enter(viewer)
        viewer.feed(pts=1)
        await eventually(lambda: here.count("frames_dropped_total", reason="masks") == 1)
        viewer.leave()
        await running
        assert here.count("mask_messages_total") == 0


async def test_a_fault_ends_its_session_only_and_is_counted_and_logged_once(
    caplog: pytest.LogCaptureFixture,
):
    async with stage() as here:
        unlucky, other = FakeViewer(), FakeViewer()
        failing, going_on = here.enter(unlucky), here.enter(other)
        unlucky.hear(type="prompt", seq=1, track_id=666, points=CLICK)
        unlucky.feed(pts=1)
        other.feed(pts=1)
        assert await failing is Outcome.FAULT
        assert unlucky.is_closed
        assert (await unlucky.until("error"))["code"] == "internal"
        assert here.count("session_errors_total") == 1
        faults = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert [f"session-{id(unlucky)}" in r.getMessage() for r in faults] == [True]
        other.feed(pts=2)
        await other.until_masks(2)
        other.leave()
        assert await going_on is Outcome.LEFT
        assert not here.engine.streams


async def test_a_worker_that_dies_ends_the_sessions_with_an_error():
    class Mortal(FakeEngine):
        def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
            raise SystemExit

    async with stage(Mortal()) as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.feed(pts=1)
        assert await running is Outcome.FAULT
        assert here.worker.state is WorkerState.DEAD


async def test_a_viewer_who_sends_no_video_is_let_go():
    async with stage() as here:
        viewer = FakeViewer()
        assert await here.enter(viewer, connect_timeout_s=0.05) is Outcome.NEVER_CONNECTED
        assert told(viewer) == [("ended", "no frame within 0.05 s")]
        assert viewer.is_closed


async def test_a_viewer_whose_video_stops_is_let_go():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer, idle_timeout_s=0.05)
        viewer.feed(pts=1)
        assert await running is Outcome.IDLE
        assert told(viewer) == [("ended", "no frame for 0.05 s")]
        assert not here.engine.streams


async def test_the_connection_s_own_end_ends_the_session():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.on_end(Outcome.VANISHED)
        viewer.on_end(Outcome.LEFT)
        assert await running is Outcome.VANISHED


async def test_the_first_words_and_the_stats_tell_of_the_service():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.on_open()
        viewer.feed(pts=1)
        hello, stats = await viewer.until("hello"), await viewer.until("stats")
        assert hello["model"] == {
            "name": "fake", "image_size": 32, "device": "cpu", "is_trained": False,
        }  # fmt: skip
        assert hello["limits"]["max_tracks"] == 2
        assert (stats["received"], stats["processed"], stats["encoder_calls"]) == (1, 1, 1)
        viewer.leave()
        await running
