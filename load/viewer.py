"""`python -m load.viewer`: one headless viewer, who sends a scene and reads all that comes back."""

import argparse
import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import av

from load.options import add_scene, take_scene
from load.percentile import percentile
from load.picture_code import NUM_CODES, read
from load.scene import Scene
from streamer.client import Client, ConnectionLost, ObjectState, SentFrame

_KEPT_LATENCIES: Final = 20_000
"""Minutes of frames."""
_SETTLE_S: Final = 0.5
"""In which masks are read that waited since before the click."""
_FIRST_S: Final = 60.0
"""For the first masks, of a frame without a track."""


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080")
    parser.add_argument("--tracks", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--token")
    add_scene(parser)
    given = parser.parse_args()
    print(asyncio.run(_watch(given, take_scene(given))))  # noqa: T201 a program's output


async def _watch(given: argparse.Namespace, scene: Scene) -> str:
    async with viewing(given.url, scene, given.tracks, given.token) as viewer:
        await viewer.watch(_SETTLE_S)
        viewer.forget()
        await viewer.watch(given.seconds)
        masks, pictures = (sorted(v) for v in (viewer.latencies_s, viewer.picture_latencies_s))
        p50_ms, p95_ms = (1000 * percentile(masks, percent) for percent in (50, 95))
        return (
            f"{scene.what}: {len(masks) / given.seconds:.1f} masks/s, "
            f"p50 {p50_ms:.0f} ms, p95 {p95_ms:.0f} ms; "
            f"{len(pictures) / given.seconds:.1f} pictures/s, "
            f"p95 {1000 * percentile(pictures, 95):.0f} ms; "
            f"all tracks in sight in {viewer.in_sight:.0%} of the frames"
        )


class Viewer:
    """One who watches now. Made by viewing()."""

    def __init__(self, url: str, scene: Scene, token: str | None) -> None:
        self.client = Client(url, self._sent(scene), token=token, resume_s=0)
        self.latencies_s: deque[float] = deque(maxlen=_KEPT_LATENCIES)
        """From capture to mask, of the mask frames since they were last cleared; inf where the
        frame left too long ago to be remembered."""
        self.picture_latencies_s: deque[float] = deque(maxlen=_KEPT_LATENCIES)
        """From capture to the returned picture, of those whose number could be read."""
        self._num_in_sight = 0
        self._captured_at_s = [math.nan] * NUM_CODES
        self._readers: list[asyncio.Task[None]] = []

    @property
    def in_sight(self) -> float:
        """Share of the mask frames in which a track was there and all were VISIBLE; nan of none."""
        return self._num_in_sight / len(self.latencies_s) if self.latencies_s else math.nan

    def forget(self) -> None:
        """What was counted: it is counted anew from here on."""
        self.latencies_s.clear()
        self.picture_latencies_s.clear()
        self._num_in_sight = 0

    async def watch(self, seconds: float) -> None:
        """Goes on for so long. Raises ConnectionLost when the session ends before."""
        if not self._readers:
            parts = (self._read_masks(), self._read_pictures())
            self._readers = [asyncio.create_task(part) for part in parts]
        done, _ = await asyncio.wait(
            self._readers, timeout=seconds, return_when=asyncio.FIRST_EXCEPTION
        )
        await asyncio.gather(*done)

    async def leave(self) -> None:
        """Stops to read."""
        for reader in self._readers:
            reader.cancel()
        if self._readers:
            await asyncio.wait(self._readers)

    async def _sent(self, scene: Scene) -> AsyncIterator[av.VideoFrame]:
        index = 0
        async for frame in scene.frames():
            self._captured_at_s[index % NUM_CODES] = time.monotonic()
            yield frame
            index += 1

    async def _read_masks(self) -> None:
        async for masks in self.client.masks():
            late_s = masks.latency_s
            self.latencies_s.append(math.inf if late_s is None else late_s)
            states = [one.state for one in masks.frame.objects]
            self._num_in_sight += bool(states) and set(states) == {ObjectState.VISIBLE}

    async def _read_pictures(self) -> None:
        async for returned in self.client.video():
            number = read(returned.picture)
            if number is not None:
                self.picture_latencies_s.append(time.monotonic() - self._captured_at_s[number])


@asynccontextmanager
async def viewing(
    url: str, scene: Scene, tracks: int, token: str | None = None
) -> AsyncIterator[Viewer]:
    """One viewer, with tracks, who does not come back when the connection dies.

    Raises ClientError.
    """
    viewer = Viewer(url, scene, token)
    async with viewer.client as client:
        if scene.output is not None:
            await client.configure(scene.output)
        await follow(client, scene, tracks)
        try:
            await viewer.watch(0)
            yield viewer
        finally:
            await viewer.leave()


async def follow(client: Client, scene: Scene, tracks: int) -> None:
    """Clicks on so many things, where they are in a frame that has just been seen."""
    if tracks == 0:
        return
    seen = await _first_seen(client)
    for track_id, place in enumerate(scene.places(seen.index, tracks), 1):
        await client.prompt(track_id, points=[place], frame=seen)


async def _first_seen(client: Client) -> SentFrame:
    try:
        async with asyncio.timeout(_FIRST_S):
            async for masks in client.masks():
                if masks.sent is not None:
                    return masks.sent
    except TimeoutError:
        raise ConnectionLost(f"no masks came for {_FIRST_S:g} s") from None
    raise ConnectionLost("the session ended before any masks came")


if __name__ == "__main__":
    main()
