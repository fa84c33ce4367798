"""Several sessions on one engine: who is in a tick, and with which frame."""

import threading
from collections.abc import Sequence

from fake_viewer import FakeViewer, eventually
from session_stage import stage

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from streamer.session.viewer import Outcome


class Stepwise(FakeEngine):
    """Steps once each time it is let, and says with which frames."""

    def __init__(self) -> None:
        super().__init__()
        self.turns = threading.Semaphore(0)
        self.seen: list[dict[int, int]] = []
        """Of each tick: the newest pts of each stream in it."""

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        self.seen.append({request.stream_id: request.frame.pts for request in requests})
        self.turns.acquire(timeout=15)
        return super().step(requests)


async def test_a_tick_takes_the_newest_frame_of_every_stream_that_has_one():
    engine = Stepwise()
    async with stage(engine) as here:
        viewers = [FakeViewer() for _ in range(4)]
        running = [here.enter(viewer) for viewer in viewers]
        viewers[0].feed(pts=0)
        num_received = 1
        for tick in range(1, 9):
            await eventually(lambda: len(engine.seen) == tick)  # noqa: B023
            for viewer in viewers:
                for pts in (10 * tick, 10 * tick + 1):  # the first of them is old at once
                    viewer.feed(pts)
                    num_received += 1
            await eventually(lambda: here.count("frames_received_total") == num_received)  # noqa: B023
            engine.turns.release()
        engine.turns.release(20)
        here.session.end(Outcome.LEFT)
        for viewer in viewers:
            viewer.leave()
        for one in running:
            await one
    for number, tick in enumerate(engine.seen[1:8], start=1):
        assert len(tick) == 4
        assert set(tick.values()) == {10 * number + 1}, "the newest when the tick before it ended"


async def test_a_stream_without_a_frame_is_waited_for_by_nobody():
    engine = Stepwise()
    engine.turns.release(100)
    async with stage(engine) as here:
        busy, silent = FakeViewer(), FakeViewer()
        running = [here.enter(busy), here.enter(silent)]
        silent.feed(pts=1)
        await silent.until_masks(1)
        for tick in range(1, 6):
            busy.feed(pts=tick)
            await busy.until_masks(tick)
        for viewer in (busy, silent):
            viewer.leave()
        for one in running:
            await one
    assert len(engine.seen) >= 6
