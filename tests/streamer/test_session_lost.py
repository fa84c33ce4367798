"""Frames for which the engine has no answer: the session goes on, and everybody is told."""

import asyncio

import pytest
from fake_viewer import IN_ORIGIN, FakeViewer, eventually
from session_stage import Stage, stage

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult, TickLost
from sam2_rt.tracking.prompt import Prompt
from streamer.protocol import AckMessage, ErrorMessage
from streamer.session import losses
from streamer.session.handover import Resumed
from streamer.session.prompt_queue import Asked
from streamer.session.resume import GoingOn
from streamer.session.viewer import Outcome

CLICK = [[0.5, 0.5, 1]]


class LossyEngine(FakeEngine):
    """Loses as many frames as it is told; their removals are carried out, as the real one does."""

    def __init__(self) -> None:
        super().__init__()
        self.num_to_lose = 0

    def _step(self, request: StepRequest) -> StepResult | Exception:
        if self.num_to_lose == 0:
            return super()._step(request)
        self.num_to_lose -= 1
        stream = self.streams[request.stream_id]
        for track_id in request.removals:
            self._remove(stream, track_id)
        return TickLost("OutOfMemoryError: no room on the device")


async def begun(here: Stage) -> tuple[FakeViewer, "asyncio.Task[Outcome]"]:
    """One track, one frame."""
    viewer = FakeViewer()
    running = here.enter(viewer)
    viewer.hear(type="prompt", seq=1, track_id=1, points=CLICK)
    viewer.feed(pts=1)
    await viewer.until_masks(1)
    return viewer, running


async def lose(here: Stage, viewer: FakeViewer, first_pts: int, count: int = 1) -> None:
    """One frame after the other is lost."""
    assert isinstance(here.engine, LossyEngine)
    before = here.count("frames_dropped_total", reason="lost") or 0
    here.engine.num_to_lose = count
    for row in range(count):
        viewer.feed(pts=first_pts + row)
        await eventually(
            lambda due=before + row + 1: here.count("frames_dropped_total", reason="lost") == due
        )


def words(viewer: FakeViewer) -> list[tuple[str, int | None]]:
    return [(m["code"], m["seq"]) for m in viewer.said if m["type"] == "error"]


async def test_the_session_goes_on_with_the_next_frame_and_its_tracks():
    async with stage(LossyEngine()) as here:
        viewer, running = await begun(here)
        await lose(here, viewer, 2, count=3)
        viewer.feed(pts=9)
        await viewer.until_masks(2)
        stats = await viewer.until("stats")
        assert (stats["processed"], stats["dropped"]["lost"], stats["tracks"]) == (2, 3, 1)
        assert words(viewer) == [("frame_lost", None)], "told once in a while"
        assert here.count("session_errors_total") == 0
        viewer.leave()
        assert await running is Outcome.LEFT


async def test_a_prompt_of_a_lost_frame_is_answered_so_that_it_can_be_said_again():
    async with stage(LossyEngine()) as here:
        viewer, _ = await begun(here)
        viewer.hear(type="prompt", seq=5, track_id=2, points=CLICK)
        await lose(here, viewer, 2)
        assert words(viewer) == [("frame_lost", 5), ("frame_lost", None)]
        assert here.count("prompts_total", kind="points", outcome="frame_lost") == 1
        viewer.hear(type="prompt", seq=6, track_id=2, points=CLICK)
        viewer.feed(pts=3)
        assert (await viewer.until("ack", 2))["seq"] == 6
        viewer.leave()


async def test_who_prompts_beside_the_viewer_is_answered_too():
    async with stage(LossyEngine()) as here:
        viewer, _ = await begun(here)
        answers: list[AckMessage | ErrorMessage] = []
        prompt = Prompt(2, box=(0.0, 0.0, 0.5, 0.5))
        here.session.conversation.put([Asked(None, prompt, None, answers.append)])
        await lose(here, viewer, 2)
        assert [(answer.type, answer.code) for answer in answers] == [("error", "frame_lost")]
        viewer.leave()


async def test_a_removal_of_a_lost_frame_is_carried_out_and_acknowledged_with_the_next():
    async with stage(LossyEngine()) as here:
        viewer, _ = await begun(here)
        viewer.hear(type="remove", seq=5, track_id=1)
        await lose(here, viewer, 2)
        viewer.hear(type="remove", seq=6, track_id=1)
        viewer.feed(pts=3)
        ack = await viewer.until("ack", 2)
        assert (ack["seq"], ack["track_id"], ack["frame"]["index"]) == (5, 1, 1)
        assert ack["frame"]["rtp_timestamp"] == (IN_ORIGIN + 3) % 2**32
        await viewer.until("error", 2)
        assert words(viewer) == [("frame_lost", None), ("unknown_track", 6)]
        viewer.leave()


async def test_tracks_that_were_resumed_are_not_lost_with_the_first_frame():
    async with stage(LossyEngine()) as here:
        viewer = FakeViewer()
        here.enter(viewer)
        box = Prompt(7, box=(0.0, 0.0, 0.5, 0.5))
        here.session.restore(GoingOn(Resumed(how="boxes", tracks=(7,)), (box,)))
        viewer.on_open()
        await lose(here, viewer, 1)
        viewer.feed(pts=2)
        event = await viewer.until("event")
        assert (event["kind"], event["track_id"]) == ("added", 7)
        assert words(viewer) == [("frame_lost", None)]
        viewer.leave()


async def test_an_engine_that_never_answers_again_ends_the_session(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(losses, "_MAX_IN_A_ROW", 3)
    async with stage(LossyEngine()) as here:
        viewer, running = await begun(here)
        await lose(here, viewer, 2, count=2)
        viewer.feed(pts=9)
        await viewer.until_masks(2)
        await lose(here, viewer, 10, count=3)
        assert await running is Outcome.FAULT
        assert words(viewer)[-1] == ("internal", None)
        assert here.engine.streams == {}


async def test_a_search_that_loses_a_frame_says_so_and_the_session_goes_on():
    async with stage(LossyEngine()) as here:
        viewer, running = await begun(here)
        assert isinstance(here.engine, LossyEngine)
        here.engine.num_to_lose = 1
        viewer.hear(type="auto", seq=5, how="grid")
        await viewer.until("error")
        assert words(viewer) == [("frame_lost", 5)]
        viewer.feed(pts=2)
        await viewer.until_masks(2)
        viewer.leave()
        assert await running is Outcome.LEFT
