import asyncio
from collections.abc import Iterable

import pytest
from fake_viewer import FakeViewer, eventually

from streamer.rtc.link import Link
from streamer.telemetry import link_watch
from streamer.telemetry.link_watch import LinkWatch
from streamer.telemetry.metrics import Metrics


class Connection:
    """Tells one after the other, and the last one again and again."""

    def __init__(self, links: Iterable[Link]) -> None:
        self._links = list(links)

    async def link(self) -> Link:
        return self._links.pop(0) if len(self._links) > 1 else self._links[0]


class Watched:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.watch = LinkWatch(self.metrics)

    def value(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels)


async def test_what_is_new_is_counted_and_a_codec_as_long_as_it_comes(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(link_watch, "INTERVAL_S", 0.001)
    here = Watched()
    begun = Link("VP8", "H264", 100, 10, 5, 1, rtt_s=0.03)
    viewer, other = Connection([begun, Link("H264", "H264", 300, 50, 9, 4)]), Connection([begun])
    here.watch.join(viewer)
    here.watch.join(other)
    running = asyncio.create_task(here.watch.run())
    await eventually(lambda: here.value("videos", direction="in", codec="H264") == 1)
    running.cancel()
    assert here.value("videos", direction="in", codec="VP8") == 1
    assert here.value("videos", direction="out", codec="H264") == 2
    assert here.value("link_bytes_total", direction="in") == 300 + 100
    assert here.value("link_bytes_total", direction="out") == 50 + 10
    assert here.value("rtp_packets_total", direction="in") == 9 + 5
    assert here.value("rtt_seconds_count") >= 2


async def test_what_came_since_the_last_look_is_counted_when_a_viewer_leaves():
    here = Watched()
    viewer = Connection([Link("VP8", None, 100, key_frames_asked=2)])
    here.watch.join(viewer)
    await here.watch.leave(viewer)
    await here.watch.leave(viewer)
    assert here.value("link_bytes_total", direction="in") == 100
    assert here.value("key_frames_asked_total") == 2
    assert here.value("videos", direction="in", codec="VP8") == 0


async def test_a_packet_that_was_late_is_not_lost_twice():
    here = Watched()
    viewer = Connection([Link(lost_in=lost) for lost in (3, 1, 4)])
    here.watch.join(viewer)
    for _ in range(3):
        await here.watch._look(viewer)
    assert here.value("rtp_packets_lost_total", direction="in") == 4


async def test_a_viewer_without_a_connection_is_left_out():
    here = Watched()
    viewer = FakeViewer()
    here.watch.join(viewer)
    await here.watch.leave(viewer)
    assert here.value("link_bytes_total", direction="in") == 0
