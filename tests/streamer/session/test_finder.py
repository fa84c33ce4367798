import asyncio
from types import SimpleNamespace

import pytest
from fake_viewer import FakeViewer
from session_stage import Stage, stage

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult


class Roomy(FakeEngine):
    """Four tracks a stream; remembers what each stream was asked."""

    info = SimpleNamespace(**{**vars(FakeEngine.info), "max_tracks": 4})

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []

    def _step(self, request: StepRequest) -> StepResult | Exception:
        self.asked.append((request.stream_id, len(request.prompts)))
        return super()._step(request)


async def begun(here: Stage) -> tuple[FakeViewer, "asyncio.Task[object]"]:
    viewer = FakeViewer()
    running = here.enter(viewer)
    viewer.feed(pts=1, height=90, width=160)
    await viewer.until_masks(1)
    return viewer, running


async def search(viewer: FakeViewer, how: str, num_acks: int) -> list[dict]:
    """The acks of a wish; frames go on until they are there."""
    before = len([m for m in viewer.said if m["type"] == "ack"])
    viewer.hear(type="auto", seq=7, how=how)
    waiting = asyncio.create_task(viewer.until("ack", before + num_acks))
    pts = 10_000 * (before + 1)
    while not waiting.done():
        viewer.feed(pts := pts + 1, height=90, width=160)
        await asyncio.sleep(0.01)
    return [m for m in viewer.said if m["type"] == "ack"][before:]


async def test_the_centre_begins_a_track_there():
    async with stage(Roomy()) as here:
        viewer, running = await begun(here)
        (ack,) = await search(viewer, "center", 1)
        assert (ack["seq"], ack["track_id"]) == (7, 1)
        (stream,) = here.engine.streams.values()
        assert stream.centres == {1: (0.5, 0.5)}
        viewer.leave()
        await running


async def test_a_grid_begins_objects_that_do_not_overlap_up_to_the_room_there_is():
    async with stage(Roomy()) as here:
        viewer, running = await begun(here)
        await search(viewer, "center", 1)
        acks = await search(viewer, "grid", 3)
        assert [(ack["seq"], ack["track_id"]) for ack in acks] == [(7, 2), (7, 3), (7, 4)]
        (stream,) = here.engine.streams.values()
        places = list(stream.centres.values())
        for i, (x, y) in enumerate(places):
            for u, v in places[:i]:
                assert (160 * (x - u)) ** 2 + (90 * (y - v)) ** 2 > 18**2, "discs of radius 18"
        viewer.leave()
        await running


async def test_the_search_has_a_stream_of_its_own_in_small_steps_and_closes_it():
    engine = Roomy()
    async with stage(engine) as here:
        viewer, running = await begun(here)
        await search(viewer, "largest", 1)
        probes = [count for stream_id, count in engine.asked if stream_id == 2]
        assert sum(probes) == 64
        assert max(probes) <= 4
        assert set(engine.streams) == {1}
        viewer.leave()
        await running


async def test_what_cannot_be_carried_out_is_told():
    async with stage(Roomy()) as here:
        viewer, running = await begun(here)
        viewer.hear(type="auto", seq=3, how="everything")
        assert (await viewer.until("error"))["code"] == "bad_message"
        await search(viewer, "grid", 4)
        viewer.hear(type="auto", seq=4, how="grid")
        told = await viewer.until("error", 2)
        assert (told["seq"], told["code"]) == (4, "too_many_tracks")
        viewer.leave()
        await running


async def test_nothing_found_is_an_answer_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("streamer.session.finding.MAX_SHARE", 0.01)
    async with stage(Roomy()) as here:
        viewer, running = await begun(here)
        viewer.hear(type="auto", seq=5, how="grid")
        told = await viewer.until("error")
        assert (told["seq"], told["code"]) == (5, "nothing_found")
        viewer.leave()
        await running


async def test_one_search_at_a_time():
    async with stage(Roomy()) as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        for seq in range(3):  # no frame has come: the first waits
            viewer.hear(type="auto", seq=seq, how="center")
            await asyncio.sleep(0.02)
        assert [(m["seq"], m["code"]) for m in viewer.said if m["type"] == "error"] == [(2, "busy")]
        viewer.leave()
        await running
