"""LinkWatch: looks at the connections of all viewers once a second, for the metrics."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, Protocol, runtime_checkable

from streamer.rtc.link import Link
from streamer.telemetry.metrics import Direction, Metrics

INTERVAL_S: Final = 1.0


@runtime_checkable
class Linked(Protocol):
    """A connection."""

    async def link(self) -> Link:
        """What is known of it, since it began; also after its end."""


class LinkWatch:
    """Knows as many connections as are open."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._seen: dict[Linked, Link] = {}
        """Each connection as it was counted last."""

    def join(self, viewer: object) -> None:
        """One more, if the viewer is connected: a source is not."""
        if isinstance(viewer, Linked):
            self._seen[viewer] = Link()

    async def leave(self, viewer: object) -> None:
        """One less: counts what is left to count."""
        linked = next((linked for linked in self._seen if linked is viewer), None)
        if linked is None:
            return
        await self._look(linked)
        for direction, codec in _videos(self._seen.pop(linked)):
            self._metrics.videos.labels(direction, codec).dec()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(INTERVAL_S)
            for linked in list(self._seen):
                link = await self._look(linked)
                if link is not None and link.rtt_s is not None:
                    self._metrics.rtt_seconds.observe(link.rtt_s)

    async def _look(self, linked: Linked) -> Link | None:
        """Counts what is new; None when it has left meanwhile."""
        link = await linked.link()
        before = self._seen.get(linked)
        if before is None:
            return None
        # A packet that was only late is no loss after all; a counter does not go back.
        lost_in, lost_out = max(link.lost_in, before.lost_in), max(link.lost_out, before.lost_out)
        self._seen[linked] = link = replace(link, lost_in=lost_in, lost_out=lost_out)
        metrics = self._metrics
        for direction, codec in _videos(before):
            metrics.videos.labels(direction, codec).dec()
        for direction, codec in _videos(link):
            metrics.videos.labels(direction, codec).inc()
        for series, direction, now, then in (
            (metrics.link_bytes, "in", link.bytes_in, before.bytes_in),
            (metrics.link_bytes, "out", link.bytes_out, before.bytes_out),
            (metrics.packets, "in", link.packets_in, before.packets_in),
            (metrics.packets, "out", link.packets_out, before.packets_out),
            (metrics.packets_lost, "in", link.lost_in, before.lost_in),
            (metrics.packets_lost, "out", link.lost_out, before.lost_out),
        ):
            series.labels(direction).inc(now - then)
        metrics.key_frames_asked.inc(link.key_frames_asked - before.key_frames_asked)
        return link


def _videos(link: Link) -> Iterator[tuple[Direction, str]]:
    """What goes which way."""
    if link.codec_in is not None:
        yield "in", link.codec_in
    if link.codec_out is not None:
        yield "out", link.codec_out
