"""Under 5 % loss and 50 ms of round trip: the Python client and Chromium, the service, real UDP."""

import asyncio
import logging
import statistics
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from fractions import Fraction
from itertools import count

import av
import numpy as np
import pytest
from aiortc import RTCRtpReceiver, RTCRtpSender
from fake_viewer import eventually
from served import serving

import streamer.media.peer
from fake_engine import NO_LOGITS, FakeEngine
from load.lossy_link import Kind, Link, lossy
from sam2_rt.engine import StepRequest, StepResult
from streamer.client import Client, Masks, Point, ReturnedFrame
from streamer.client.link import running
from streamer.rtc.jitter_buffer import Intake, release_at_once

log = logging.getLogger(__name__)
"""How soon it recovers (--log-cli-level=INFO); `python -m load.lossy` says it in seconds."""

HEIGHT, WIDTH, FPS = 96, 160, 30
NUM_CODES = 16
STRIPE = WIDTH // NUM_CODES
BITS = 4
SOON = 3 * FPS
"""Frames of a source that a slow machine slows down, too: a quiet one needs 7 (0.25 s), the issue
allows 30, and what lags for good takes ever more."""


def coded(index: int) -> av.VideoFrame:
    """Four stripes that say the index, in binary, light or dark."""
    frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
    bits = [index >> bit & 1 for bit in range(BITS)]
    luma = np.tile(np.repeat(np.where(bits, 200, 50).astype(np.uint8), WIDTH // BITS), (HEIGHT, 1))
    grey = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
    for plane, pixels in zip(frame.planes, [luma, grey, grey], strict=True):
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        lines[: pixels.shape[0], : pixels.shape[1]] = pixels
    frame.pts, frame.time_base = index, Fraction(1, FPS)
    return frame


def code_of(luma: np.ndarray) -> int:
    """What a picture says, at its lower edge, where nothing is painted."""
    row = luma[-8:].mean(axis=0).reshape(BITS, -1).mean(axis=1)
    return sum(1 << bit for bit, level in enumerate(row) if level > 125)


class Reader(FakeEngine):
    """Each track is the stripe, of sixteen, that its frame's code names."""

    def _step(self, request: StepRequest) -> StepResult | Exception:
        result = super()._step(request)
        code = code_of(request.frame.planes[0])
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[: HEIGHT // 2, code * STRIPE : (code + 1) * STRIPE] = True
        found = tuple(replace(m, mask=mask, logits=NO_LOGITS) for m in result.masks)
        return replace(result, masks=found)


async def frames() -> AsyncIterator[av.VideoFrame]:
    for index in count():
        yield coded(index)
        await asyncio.sleep(1 / FPS)


class Follower:
    """Reads all that comes back to a client, and holds it against what was sent."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.answers = 0
        self.unknown = 0
        """Answers for frames that were never sent."""
        self.codes: deque[bool] = deque(maxlen=20)
        """Of the last answers: whether the mask is that of its frame."""
        self.backlog: deque[int] = deque(maxlen=20)
        """At the last answers: frames that the source gave after the one that is answered."""
        self.newest_right = -1
        """Frame, by its number in the source, that was answered with the mask that is its own."""
        self.codes_of = dict[int, int]()
        """By the RTP timestamp of the returned picture."""
        self.pictures: deque[bool] = deque(maxlen=20)
        """Of the last returned pictures: whether they are those that their masks name."""

    def take(self, masks: Masks) -> None:
        self.answers += 1
        if masks.sent is None:
            self.unknown += 1
            return
        self.backlog.append(self.newest() - masks.sent.index)
        code = masks.sent.index % NUM_CODES
        for one in masks.frame.objects:
            columns = np.flatnonzero(one.mask.any(axis=0))
            self.codes.append(columns.tolist() == list(range(code * STRIPE, (code + 1) * STRIPE)))
            if self.codes[-1]:
                self.newest_right = masks.sent.index
        self.codes_of[masks.frame.out_rtp] = code

    def look(self, returned: ReturnedFrame) -> None:
        code = self.codes_of.get(returned.rtp_timestamp)
        if code is not None:  # else its masks were lost, or come later
            self.pictures.append(code_of(returned.picture.to_ndarray()[:HEIGHT]) == code)

    def newest(self) -> int:
        """The source's newest frame."""
        return self.client.stats.sent + self.client.stats.unsent - 1

    async def answered(self, more: int) -> None:
        target = self.answers + more
        await eventually(lambda: self.answers >= target)

    def is_whole(self) -> bool:
        """The last answers and pictures were all right."""
        return len(self.codes) == 20 and all(self.codes) and all(self.pictures)

    def lags(self) -> float:
        return statistics.median(self.backlog)


@asynccontextmanager
async def following(url: str) -> AsyncIterator[Follower]:
    """A client with one track, its answers coming and right."""
    async with Client(url, frames(), resume_s=0) as client:
        follower = Follower(client)
        await client.prompt(1, points=[Point(0.5, 0.25)])

        async def read_masks() -> None:
            async for masks in client.masks():
                follower.take(masks)

        async def read_video() -> None:
            async for returned in client.video():
                follower.look(returned)

        async with running(read_masks()), running(read_video()):
            await eventually(follower.is_whole)
            yield follower


@pytest.fixture
def intakes(monkeypatch: pytest.MonkeyPatch) -> list[Intake]:
    """The service's, as sessions begin."""
    made: list[Intake] = []

    def note(receiver: RTCRtpReceiver) -> Intake:
        made.append(release_at_once(receiver))
        return made[-1]

    monkeypatch.setattr(streamer.media.peer, "release_at_once", note)
    return made


async def test_under_loss_every_answer_is_of_its_frame_and_nothing_lags_for_good(
    intakes: list[Intake],
):
    link = Link(loss=0)
    async with serving(Reader) as served, lossy(served.url, link) as url, following(url) as viewer:
        before = viewer.lags()
        link.loss = 0.05
        num_right = 0
        for _ in range(8):
            await viewer.answered(10)
            if intakes[0].gaps == 0:  # after one, pictures may be damaged until the key frame
                assert all(list(viewer.codes)[-10:])
                num_right += 10
        assert link.lost[Kind.VIDEO] > 0
        assert link.passed[Kind.REPAIR] > 0, "what was lost was asked for again"
        assert num_right > 0
        assert viewer.unknown == 0
        link.loss = 0
        under_loss = viewer.lags()
        assert under_loss <= before + SOON
        await eventually(lambda: viewer.lags() <= before + 1)
        log.info(
            "frames behind: before %s, under loss %s, after %s", before, under_loss, viewer.lags()
        )
        await eventually(viewer.is_whole)


async def test_after_a_burst_that_nobody_repairs_a_key_frame_is_asked_for_and_all_goes_on(
    intakes: list[Intake], monkeypatch: pytest.MonkeyPatch
):
    link = Link(loss=0)
    asked = []
    send_key_frame = RTCRtpSender._send_keyframe

    def note(self: RTCRtpSender) -> None:
        asked.append(self)
        send_key_frame(self)

    async with serving(Reader) as served, lossy(served.url, link) as url, following(url) as viewer:
        before = viewer.lags()
        monkeypatch.setattr(RTCRtpSender, "_send_keyframe", note)
        link.lost_kinds = {Kind.REPAIR}
        link.burst = 15
        await eventually(lambda: link.burst == 0)
        end = viewer.newest()
        await eventually(lambda: viewer.newest_right > end)
        late = viewer.newest() - end
        log.info("right again %s frames of %s a second later", late, FPS)
        assert late <= SOON
        assert intakes[0].gaps > 0
        await eventually(lambda: len(asked) > 0)
        await viewer.answered(20)
        await eventually(viewer.is_whole)
        await eventually(lambda: viewer.lags() <= before + 1)
        assert viewer.unknown == 0


async def test_a_viewer_connects_over_a_bad_link():
    link = Link(loss=0.05, seed=7)
    async with serving(Reader) as served, lossy(served.url, link) as url, following(url) as viewer:
        assert viewer.answers > 0
    assert link.lost.total() > 0
