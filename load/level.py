"""A number of viewers at once, and what they get."""

import asyncio
import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from load.percentile import percentile
from load.viewer import Viewer
from load.vitals import cpu_s


@dataclass(frozen=True, slots=True)
class Level:
    """A number of viewers, and what they got. Milliseconds are from capture to mask or picture."""

    viewers: int
    p50_ms: float
    p95_ms: float
    """inf: masks came for frames that had left too long ago, or none came to one viewer."""
    worst_p95_ms: float
    """Of the viewer who waited the longest."""
    fps: float
    """Mask frames a second and viewer."""
    least_fps: float
    """Of the viewer who got the fewest."""
    sent_fps: float
    """Frames sent a second and viewer; below the scene's, this program is what is too slow."""
    picture_p50_ms: float
    picture_p95_ms: float
    """inf: no picture came back whose number could be read."""
    picture_fps: float
    """Such pictures a second and viewer."""
    cores: float
    """That the server used for each viewer; nan where it does not tell."""
    in_sight: float
    """Share of the mask frames in which all tracks of their viewer were VISIBLE, 0..1; nan of
    none."""


async def watch_all(viewers: Sequence[Viewer], seconds: float) -> None:
    """All at once. Raises ConnectionLost when one is lost."""
    results = await asyncio.gather(*(v.watch(seconds) for v in viewers), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result


async def measure(viewers: Sequence[Viewer], seconds: float, metrics_url: str) -> Level:
    """What they get from now on. Raises ConnectionLost when one is lost."""
    sent = _num_sent(viewers)
    for viewer in viewers:
        viewer.forget()
    begun_s, used_s = time.monotonic(), await _used_s(metrics_url)
    await watch_all(viewers, seconds)
    elapsed_s = time.monotonic() - begun_s
    cores = (await _used_s(metrics_url) - used_s) / elapsed_s
    masks = [sorted(viewer.latencies_s) for viewer in viewers]
    pictures = [sorted(viewer.picture_latencies_s) for viewer in viewers]
    return Level(
        viewers=len(viewers),
        p50_ms=_over_all(masks, 50),
        p95_ms=_over_all(masks, 95) if all(masks) else math.inf,
        worst_p95_ms=1000 * max(percentile(one, 95) for one in masks),
        fps=statistics.fmean(map(len, masks)) / elapsed_s,
        least_fps=min(map(len, masks)) / elapsed_s,
        sent_fps=(_num_sent(viewers) - sent) / len(viewers) / elapsed_s,
        picture_p50_ms=_over_all(pictures, 50),
        picture_p95_ms=_over_all(pictures, 95),
        picture_fps=statistics.fmean(map(len, pictures)) / elapsed_s,
        cores=cores / len(viewers),
        in_sight=statistics.fmean(viewer.in_sight for viewer in viewers),
    )


def _over_all(latencies_s: Sequence[Sequence[float]], percent: float) -> float:
    return 1000 * percentile(sorted(one for each in latencies_s for one in each), percent)


def _num_sent(viewers: Sequence[Viewer]) -> int:
    return sum(viewer.client.stats.sent for viewer in viewers)


async def _used_s(metrics_url: str) -> float:
    """CPU time of the server; nan where it does not tell."""
    try:
        return await asyncio.to_thread(cpu_s, metrics_url)
    except (OSError, ValueError):  # metrics behind a token, or on a port of their own
        return math.nan
