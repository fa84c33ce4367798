from types import SimpleNamespace

import numpy as np
import pytest
from served import serving

from fake_engine import FakeEngine
from sam2_rt.engine import StepRequest, StepResult
from streamer.client import Point
from streamer.demo.stream import Click, stream


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that need no last statistics."""
    monkeypatch.setattr("streamer.demo.stream.QUIET_S", 0.3)


def pictures(count: int, width: int = 320, height: int = 180):
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)
    for index in range(count):
        yield SimpleNamespace(rgb=np.roll(noise, index, axis=1))


async def test_each_frame_is_accounted_for_and_the_first_is_clicked():
    told: list[int] = []
    async with serving() as served:
        streamed = await stream(
            served.url,
            pictures(20),
            fps=25,
            clicks_at=lambda _: [Click(1, Point(0.25, 0.5)), Click(2, Point(0.75, 0.5))],
            on_masks=lambda index, _: told.append(index),
        )
    assert streamed.num_frames == 20
    assert streamed.prompted == {1: "exact", 2: "exact"}
    assert told == sorted(streamed.masks) == sorted(streamed.latencies_s)
    first, second = streamed.masks[max(streamed.masks)]
    assert np.argwhere(first.decode()).mean(axis=0)[1] / first.width == pytest.approx(
        0.25, abs=0.02
    )
    assert second.track_id == 2
    service = streamed.stats.service
    assert service.processed == len(streamed.masks) == service.encoder_calls
    assert service.received == service.processed + service.dropped.slot


async def test_a_refused_click_is_told_and_the_rest_goes_on(hurry: None):
    clicks = [Click(track_id, Point(0.5, 0.5)) for track_id in (1, 2, 3)]
    async with serving() as served:
        streamed = await stream(
            served.url, pictures(10), 25, lambda _: clicks, lambda _index, _latency_s: None
        )
    assert streamed.prompted[3].startswith("too_many_tracks")
    assert streamed.prompted[1] == "exact"


async def test_large_frames_are_sent_smaller(hurry: None):
    sizes: list[tuple[int, int]] = []

    class Measure(FakeEngine):
        def _step(self, request: StepRequest) -> StepResult | Exception:
            sizes.append((request.frame.width, request.frame.height))
            return super()._step(request)

    async with serving(Measure) as served:
        await stream(
            served.url,
            pictures(3, 1281, 721),
            10,
            lambda _: [],
            lambda _index, _latency_s: None,
        )
    assert set(sizes) == {(640, 360)}
