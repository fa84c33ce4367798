"""The demo's first pass: a clip through a real connection at its own pace, prompted on the way."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, Protocol

import av
import numpy as np
from numpy.typing import NDArray

from sam2_rt import rle
from streamer.client import Ack, Client, ClientStats, Masks, Point
from streamer.masks.mask_frame import MaskFrame
from streamer.protocol import HelloMessage

MAX_SENT_SIDE: Final = 640
"""Pixels of the longer side that is sent, as a webcam would: masks come back on a coarser grid."""
QUIET_S: Final = 2.5
"""After the last frame: without a mask for so long, none is to come (and the statistics are in)."""
FIRST_S: Final = 60.0
"""For the first mask frame."""
TICKS_HZ: Final = 90_000
"""Of RTP video's clock."""


class Picture(Protocol):
    """One frame of the clip."""

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """[H, W, 3]"""


@dataclass(frozen=True, slots=True)
class Click:
    """Where to click, and for which track."""

    track_id: int
    point: Point


@dataclass(frozen=True, slots=True)
class GridMask:
    """One track in one frame, small enough to be kept for a whole clip."""

    track_id: int
    state: str
    counts: bytes
    """COCO run lengths on the grid."""
    height: int
    width: int

    def decode(self) -> NDArray[np.bool_]:
        """[height, width]"""
        return rle.decode(self.counts, self.height, self.width)


@dataclass(slots=True)
class Streamed:
    """What came of the stream; grows with the clip, a few hundred bytes a frame."""

    hello: HelloMessage
    """What the service said of itself."""
    num_frames: int = 0
    """Of the clip, as far as it was streamed."""
    masks: dict[int, tuple[GridMask, ...]] = field(default_factory=dict)
    """Clip index -> its tracks; frames that were dropped are missing."""
    latencies_s: dict[int, float] = field(default_factory=dict)
    """Clip index -> capture to mask."""
    prompted: dict[int, str] = field(default_factory=dict)
    """Track id -> `exact` or `newest`, or why the prompt was refused."""
    prompted_at: int | None = None
    """Clip index of the frame that the clicks name."""
    seconds: float = 0.0
    """From the first to the last mask frame."""
    stats: ClientStats | None = None
    _began_s: float | None = None

    def keep(self, frame: MaskFrame, index: int, latency_s: float, at_s: float) -> None:
        """One mask frame, of the clip's frame `index`."""
        self._began_s = at_s if self._began_s is None else self._began_s
        self.seconds = at_s - self._began_s
        self.latencies_s[index] = latency_s
        self.masks[index] = tuple(
            GridMask(
                item.track_id,
                item.state.name.lower(),
                rle.encode(item.mask),
                frame.grid_height,
                frame.grid_width,
            )
            for item in frame.objects
        )


@dataclass(slots=True)
class _Sending:
    """How far the clip is."""

    num_frames: int = 0
    is_done: bool = False


class StreamError(Exception):
    """No masks came; the message says what to look at."""


async def stream(
    url: str,
    frames: Iterator[Picture],
    fps: float,
    clicks_at: Callable[[int], Sequence[Click]],
    on_masks: Callable[[int, float], None],
) -> Streamed:
    """Sends the frames at their pace and clicks in the first that comes back with masks.

    `clicks_at(index)` says where the objects are in that frame; `on_masks(index, latency_s)` is
    told of each mask frame. Raises ClientError and StreamError.
    """
    sending = _Sending()
    async with Client(url, _paced(frames, fps, sending)) as client:
        result = Streamed(client.hello)
        asked: dict[int, asyncio.Future[Ack]] = {}
        async for masks in _until_quiet(client, sending):
            if masks.sent is None or masks.latency_s is None:
                continue
            index = masks.sent.index
            if result.prompted_at is None:
                result.prompted_at = index
                asked = {
                    click.track_id: client.prompt(
                        click.track_id, points=[click.point], frame=masks.sent
                    )
                    for click in clicks_at(index)
                }
            result.keep(masks.frame, index, masks.latency_s, masks.received_at_s)
            on_masks(index, masks.latency_s)
        result.prompted = {track_id: _outcome(ack) for track_id, ack in asked.items()}
        result.stats = client.stats
        result.num_frames = sending.num_frames
    return result


async def _until_quiet(client: Client, sending: _Sending) -> AsyncIterator[Masks]:
    """Mask frames until the clip is sent and no more come. Raises StreamError when none come."""
    masks = client.masks()
    last_s = asyncio.get_running_loop().time()
    longest_s = 0.0
    while True:
        quiet_s = max(QUIET_S, 3 * longest_s)  # a large model may take seconds for a step
        try:
            async with asyncio.timeout(quiet_s if longest_s else FIRST_S):
                item = await anext(masks)
        except TimeoutError:
            if sending.is_done and longest_s:
                return
            if not longest_s:
                raise StreamError(f"no mask came in {FIRST_S:.0f} s") from None
            longest_s *= 2
            if longest_s > FIRST_S:
                raise StreamError(f"no mask came in {quiet_s:.0f} s, where some did") from None
        else:
            now_s = asyncio.get_running_loop().time()
            longest_s, last_s = max(longest_s, now_s - last_s), now_s
            yield item


async def _paced(
    frames: Iterator[Picture], fps: float, sending: _Sending
) -> AsyncIterator[av.VideoFrame]:
    """The frames when they are due, like a camera's; then silence: an end would end the session."""
    loop = asyncio.get_running_loop()
    due_s = loop.time()
    while (frame := await asyncio.to_thread(_next_frame, frames)) is not None:
        await asyncio.sleep(due_s - loop.time())
        # A clip that is decoded too slowly is late, and does not catch up in a burst.
        due_s = max(due_s, loop.time() - 1 / fps) + 1 / fps
        frame.pts, frame.time_base = (
            round(sending.num_frames * TICKS_HZ / fps),
            Fraction(1, TICKS_HZ),
        )
        sending.num_frames += 1
        yield frame
    sending.is_done = True
    await asyncio.Event().wait()


def _next_frame(frames: Iterator[Picture]) -> av.VideoFrame | None:
    """In the size and format that is sent; both sides even, as 4:2:0 video wants them."""
    picture = next(frames, None)
    if picture is None:
        return None
    height, width = picture.rgb.shape[:2]
    scale = min(1.0, MAX_SENT_SIDE / max(height, width))
    sent_width, sent_height = (2 * max(1, round(side * scale / 2)) for side in (width, height))
    frame = av.VideoFrame.from_ndarray(picture.rgb, format="rgb24")
    return frame.reformat(sent_width, sent_height, format="yuv420p")


def _outcome(ack: "asyncio.Future[Ack]") -> str:
    """`exact`, `newest`, or why not."""
    if not ack.done():
        return "no answer"
    error = ack.exception()
    return str(error) if error is not None else str(ack.result().applied_to)
