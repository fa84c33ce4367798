import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from fake_viewer import FakeViewer, eventually
from session_stage import Stage, stage

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult, TrackMask, TrackState
from sam2_rt.tracking.frame import Frame


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
        assert sum(probes) == 64 + 1, "what is chosen is followed to the newest frame"
        assert probes[-1] == 0
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


class Seeing(Roomy):
    """A track is whatever is bright, if that was bright where it was prompted; else nothing.

    Like the tracker, it finds the last eight frames again and takes the newest for an older one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, dict[int, np.ndarray]] = {}
        self.good: dict[tuple[int, int], bool] = {}
        """By stream and track: whether it was prompted on what is bright."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        result = super()._step(request)
        luma = request.frame.planes[0]
        kept = self.kept.get(request.stream_id, {}) | {request.frame.pts: luma}
        self.kept[request.stream_id] = dict(list(kept.items())[-8:])
        stream = self.streams[request.stream_id]
        for prompt in request.prompts:
            height, width = luma.shape
            x, y = stream.centres[prompt.track_id]
            seen = kept.get(prompt.pts, luma)
            is_good = bool(seen[int(y * height), int(x * width)] > 128)
            self.good[request.stream_id, prompt.track_id] = is_good
        masks = tuple(self._seen(request, m.track_id) for m in result.masks)
        return StepResult(
            result.index, result.pts, masks, result.events, result.removals, result.prompts, 1
        )

    def _seen(self, request: StepRequest, track_id: int) -> TrackMask:
        mask = request.frame.planes[0] > 128
        mask &= self.good[request.stream_id, track_id]
        logits = np.where(mask, 8.0, -8.0).astype(np.float32)
        return TrackMask(track_id, TrackState.VISIBLE, 3.0, 0.9, mask, logits)


def feed_disc(viewer: FakeViewer, pts: int) -> None:
    """A bright disc of radius 20 that goes four pixels to the right with each frame."""
    y, x = np.ogrid[:90, :240]
    luma = np.where((x - 30 - 4 * pts) ** 2 + (y - 45) ** 2 < 20**2, 200, 50).astype(np.uint8)
    grey = np.full((45, 120), 128, np.uint8)
    viewer._frames.put_nowait(Frame(pts, (luma, grey, grey)))


@pytest.mark.parametrize("how", ["grid", "largest"])
async def test_what_moves_on_while_it_is_looked_for_is_found_where_it_is_by_then(
    how: str, monkeypatch: pytest.MonkeyPatch
):
    engine = Seeing()
    async with stage(engine) as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        feed_disc(viewer, 1)
        await viewer.until_masks(1)
        pts, step = 1, here.worker.step

        async def slow_step(request: StepRequest) -> StepResult:
            nonlocal pts
            result = await step(request)
            for _ in range(2):
                pts += 1
                feed_disc(viewer, pts)
                await eventually(lambda: engine.streams[1].index == pts - 1)  # noqa: B023
            return result

        monkeypatch.setattr(here.worker, "step", slow_step)
        viewer.hear(type="auto", seq=7, how=how)
        await eventually(lambda: len(here.session._conversation._prompts._waiting) == 1)
        assert pts > 20, "the disc has left its place, and the frame those that are kept"
        feed_disc(viewer, pts + 1)
        ack = await viewer.until("ack")
        assert (ack["track_id"], ack["applied_to"]) == (1, "exact")
        assert engine.good[1, 1], "the track is the disc"
        (track,) = here.session.last_result.masks
        assert np.array_equal(track.mask, engine.kept[1][pts + 1] > 128)
        assert here.count("prompts_total", kind="auto", outcome="applied") == 1
        viewer.leave()
        await running


async def test_what_has_left_the_picture_meanwhile_is_not_begun(monkeypatch: pytest.MonkeyPatch):
    engine = Seeing()
    async with stage(engine) as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        feed_disc(viewer, 1)
        await viewer.until_masks(1)
        step = here.worker.step

        async def late_step(request: StepRequest) -> StepResult:
            if request.prompts and len(request.prompts) == 1:  # those that were chosen
                feed_disc(viewer, 1000)
                await viewer.until_masks(2)
            return await step(request)

        monkeypatch.setattr(here.worker, "step", late_step)
        viewer.hear(type="auto", seq=7, how="grid")
        assert (await viewer.until("error"))["code"] == "nothing_found"
        assert set(engine.streams) == {1}
        viewer.leave()
        await running


async def test_a_search_keeps_to_the_tracks_that_the_session_may_have():
    async with stage(Roomy()) as here:
        viewer = FakeViewer()
        running = here.enter(viewer, max_tracks=1)
        viewer.feed(pts=1, height=90, width=160)
        await viewer.until_masks(1)
        assert len(await search(viewer, "grid", 1)) == 1
        viewer.hear(type="ping", seq=9)
        await viewer.until("pong")
        assert [m for m in viewer.said if m["type"] == "error"] == []
        viewer.hear(type="auto", seq=8, how="center")
        told = await viewer.until("error")
        assert (told["code"], "at most 1 tracks" in told["message"]) == ("too_many_tracks", True)
        viewer.leave()
        await running
