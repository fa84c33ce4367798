"""A search with the bundled model, in a clip whose objects move on while it looks."""

import av
import numpy as np
import pytest
from fake_viewer import FakeViewer, eventually
from session_stage import stage

from sam2_rt.data.ball_clip import BALL_ID, BALLOON_ID, SyntheticFrame, make_clip
from sam2_rt.engine import Engine, EngineConfig, StepRequest, StepResult
from sam2_rt.tracking.frame import Frame
from streamer.picture.picture import to_frame

SEED = 11


def as_frame(made: SyntheticFrame) -> Frame:
    picture = av.VideoFrame.from_ndarray(made.rgb, format="rgb24").reformat(format="yuv420p")
    picture.pts = 3000 * (made.index + 1)
    return to_frame(picture)


async def test_a_rolling_ball_and_a_balloon_are_found_where_they_are_by_then(
    monkeypatch: pytest.MonkeyPatch,
):
    engine = Engine.load(EngineConfig(threads=1, device="cpu"))
    clip = iter(make_clip(SEED, 90))
    async with stage(engine) as here:
        viewer = FakeViewer()
        running = here.enter(viewer, connect_timeout_s=600, idle_timeout_s=600)

        async def go_on() -> SyntheticFrame:
            made = next(clip)
            viewer._frames.put_nowait(as_frame(made))
            await eventually(lambda: here.session.last_result is not None)
            await eventually(lambda: here.session.last_result.index == made.index)
            return made

        first = await go_on()
        step, encoder_calls = here.worker.step, list[int]()

        async def slow_step(request: StepRequest) -> StepResult:
            result = await step(request)
            encoder_calls.append(result.encoder_calls)
            await go_on()
            return result

        monkeypatch.setattr(here.worker, "step", slow_step)
        viewer.hear(type="auto", seq=1, how="grid")
        waiting = here.session._conversation._prompts._waiting
        await eventually(lambda: bool(waiting))
        made = await go_on()
        assert made.index > 16, "twice as many as are kept"
        assert encoder_calls == [1] * (len(encoder_calls) - 1) + [2], "and one for the newest frame"
        assert (await viewer.until("ack"))["applied_to"] == "exact"
        found = [mask.mask for mask in here.session.last_result.masks]
        for label in (BALL_ID, BALLOON_ID):
            truth, before = made.labels == label, first.labels == label
            ious = [np.count_nonzero(m & truth) / np.count_nonzero(m | truth) for m in found]
            assert max(ious) > 0.8, f"{label}: {ious}"
            moved = np.count_nonzero(truth & before) / np.count_nonzero(truth | before)
            assert moved < 0.5, "it has left its place"
        viewer.leave()
        await running
