"""An engine that dies under its sessions: they go on in the next one."""

import dataclasses
from collections.abc import Sequence

import pytest
from fake_viewer import FakeViewer, eventually
from session_stage import Stage, stage

from fake_engine import FakeEngine
from sam2_rt.engine import EngineLost, StepRequest, StepResult, StreamLost, TrackState
from streamer import engine_thread
from streamer.session.viewer import Outcome
from streamer.worker import WorkerState

LEFT, RIGHT = [[0.25, 0.5, 1]], [[0.75, 0.5, 1]]


class MortalEngine(FakeEngine):
    """Dies when it is told to, with all streams; what is loaded after it is the same, empty."""

    def __init__(self) -> None:
        super().__init__()
        self.has_to_die = False
        self.hidden: set[int] = set()

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        if self.has_to_die:
            self.has_to_die = False
            self.streams.clear()
            raise EngineLost("the engine's process is gone")
        return super().step(requests)

    def _step(self, request: StepRequest) -> StepResult | Exception:
        if request.stream_id not in self.streams:
            return StreamLost("the engine that had this stream is gone")
        result = super()._step(request)
        assert isinstance(result, StepResult)
        masks = [
            dataclasses.replace(mask, state=TrackState.OCCLUDED)
            if mask.track_id in self.hidden
            else mask
            for mask in result.masks
        ]
        return dataclasses.replace(result, masks=tuple(masks))

    def close(self, stream_id: int) -> None:
        self.streams.pop(stream_id, None)


async def begun(here: Stage) -> FakeViewer:
    """Two tracks, one frame."""
    viewer = FakeViewer()
    here.enter(viewer)
    viewer.hear(type="prompt", seq=1, track_id=1, points=LEFT)
    viewer.hear(type="prompt", seq=2, track_id=2, points=RIGHT)
    viewer.feed(pts=1)
    await viewer.until_masks(1)
    return viewer


def events(viewer: FakeViewer) -> list[tuple[str, int]]:
    return [(m["kind"], m["track_id"]) for m in viewer.said if m["type"] == "event"]


async def die(here: Stage, viewer: FakeViewer, pts: int) -> None:
    assert isinstance(here.engine, MortalEngine)
    here.engine.has_to_die = True
    viewer.feed(pts=pts)
    await viewer.until("error")
    viewer.feed(pts=pts + 1)
    await viewer.until_masks(2)


async def test_tracks_in_sight_go_on_where_they_were_seen_last():
    async with stage(MortalEngine()) as here:
        viewer = await begun(here)
        before = here.session.last_result
        await die(here, viewer, 2)
        after = here.session.last_result
        assert before is not None
        assert after is not None
        for old, new in zip(before.masks, after.masks, strict=True):
            assert (old.track_id, new.track_id) in {(1, 1), (2, 2)}
            assert (old.mask & new.mask).sum() / (old.mask | new.mask).sum() > 0.8
        assert here.worker.state is WorkerState.READY
        assert here.count("session_errors_total") == 0
        [error] = [m for m in viewer.said if m["type"] == "error"]
        assert error["code"] == "frame_lost"
        assert "anew" in error["message"]
        viewer.leave()


async def test_tracks_out_of_sight_are_dropped_and_said_to_be():
    engine = MortalEngine()
    async with stage(engine) as here:
        engine.hidden = {2}
        viewer = await begun(here)
        await die(here, viewer, 2)
        assert here.session.last_result is not None
        assert [mask.track_id for mask in here.session.last_result.masks] == [1]
        assert events(viewer) == [("added", 1), ("added", 2), ("dropped", 2), ("added", 1)]
        viewer.leave()


async def test_what_its_viewer_has_just_removed_does_not_come_back():
    async with stage(MortalEngine()) as here:
        viewer = await begun(here)
        viewer.hear(type="remove", seq=3, track_id=2)
        await die(here, viewer, 2)
        assert (await viewer.until("ack", 3))["seq"] == 3
        assert here.session.last_result is not None
        assert [mask.track_id for mask in here.session.last_result.masks] == [1]
        assert ("dropped", 2) not in events(viewer)
        viewer.leave()


async def test_a_session_that_asked_for_nothing_meanwhile_goes_on_too():
    engine = MortalEngine()
    async with stage(engine) as here:
        viewer = await begun(here)
        engine.streams.clear()  # as in an engine that another session saw die
        viewer.feed(pts=2)
        await viewer.until("error")
        viewer.feed(pts=3)
        await viewer.until_masks(2)
        viewer.leave()


async def test_an_engine_that_dies_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(engine_thread, "_MAX_LOSSES", 2)
    engine = MortalEngine()
    async with stage(engine) as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        for pts in range(3):
            engine.has_to_die = True
            viewer.feed(pts=pts)
            if pts < 2:
                await eventually(
                    lambda due=pts + 1: here.count("frames_dropped_total", reason="lost") == due
                )
        assert await running is Outcome.FAULT
        assert here.worker.state is WorkerState.DEAD
        assert isinstance(here.worker.fault, EngineLost)
