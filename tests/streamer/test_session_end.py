"""How sessions end: with words where there is something to say, and without harm to others."""

import logging

import pytest
from fake_viewer import FakeViewer
from session_stage import stage

from streamer.session.viewer import Outcome


class Unclosable(FakeViewer):
    async def close(self) -> None:
        raise OSError("the socket is gone")


async def test_a_viewer_that_cannot_be_closed_harms_nobody_else(caplog: pytest.LogCaptureFixture):
    async with stage() as here:
        bad, good = Unclosable(), FakeViewer()
        leaving, staying = here.enter(bad), here.enter(good)
        bad.feed(pts=1)
        bad.leave()
        assert await leaving is Outcome.LEFT
        assert here.count("session_errors_total") == 1
        faults = [r for r in caplog.records if r.levelno == logging.ERROR]
        assert [f"session-{id(bad)}" in r.getMessage() for r in faults] == [True]
        good.feed(pts=1)
        await good.until_masks(1)
        good.leave()
        assert await staying is Outcome.LEFT


async def test_a_step_that_a_stopped_worker_refuses_is_no_fault():
    async with stage() as here:
        viewer = FakeViewer()
        running = here.enter(viewer)
        viewer.feed(pts=1)
        await viewer.until_masks(1)
        here.session.end(Outcome.STOPPED)
        assert await here.worker.stop(timeout_s=5)
        assert await running is Outcome.STOPPED
        last = viewer.said[-1]
        assert (last["code"], last["message"]) == ("stopped", "the service stops")
        assert here.count("session_errors_total") == 0
