"""Pods as processes of their own, with the bundled model, behind one address; two of them go."""

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np
import pytest
import pytest_asyncio
from loopback import OtherSide
from pods import SECRET, free_ports

from load.front import front_of
from load.gap import Gap, until_moved
from sam2_rt.data.ball_clip import BALLOON_ID, SyntheticFrame, make_clip
from streamer.client import Client, Masks, Point
from streamer.fleet.peer_key import PeerKey
from streamer.masks.mask_frame import ObjectState

pytestmark = pytest.mark.asyncio(loop_scope="module")

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
SEED, NUM_FRAMES, FPS = 16, 30, 10  # in which the balloon hangs nearly still
TRACK = 7
Clip = list[SyntheticFrame]
START_S = 180.0


@dataclass
class Fleet:
    """Three: one drains, one is killed, one is left."""

    ports: list[int]
    pids: dict[int, int] = field(default_factory=dict)
    """By port."""
    ends: dict[int, int] = field(default_factory=dict)
    """Exit codes by port, of those that have ended."""

    def url(self, port: int) -> str:
        return f"http://127.0.0.1:{port}"

    def port_of(self, session_id: str) -> int:
        key = PeerKey(SECRET)
        (port,) = (p for p in self.ports if key.tag(self.url(p)) == key.owner_of(session_id))
        return port

    async def number(self, port: int, series: str) -> float:
        async with httpx.AsyncClient() as http:
            text = (await http.get(f"{self.url(port)}/metrics")).text
        found = re.search(rf"^streamer_{re.escape(series)} (\S+)$", text, re.MULTILINE)
        return 0.0 if found is None else float(found[1])

    async def sessions(self) -> list[float]:
        return [await self.number(port, "sessions") for port in self.ports]

    async def listen(self, output: asyncio.StreamReader) -> None:
        """To what the processes' parent tells."""
        while line := (await output.readline()).decode():
            match line.split():
                case ["pid", pid]:
                    self.pids[self.ports[len(self.pids)]] = int(pid)
                case ["exit", pid, code]:
                    (port,) = (port for port, p in self.pids.items() if p == int(pid))
                    self.ends[port] = int(code)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (another process)
            await asyncio.sleep(0.02)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet() -> AsyncIterator[Fleet]:
    fleet = Fleet(free_ports(3))
    shared = {
        "STREAMER_PEERS": json.dumps([fleet.url(port) for port in fleet.ports]),
        "STREAMER_PEER_SECRET": SECRET,
        "STREAMER_MAX_SESSIONS": "1",
        "STREAMER_DRAIN_TIMEOUT_S": "600",
        "STREAMER_THREADS": "1",
        "STREAMER_MEDIA_ADDRESSES": '["127.0.0.1"]',
    }
    program = Path(__file__).with_name("forked_pods.py")
    each = json.dumps([{"STREAMER_PORT": str(port), **shared} for port in fleet.ports])
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(program), each,
        env={**os.environ, "PYTHONPATH": path}, start_new_session=True,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    listening = asyncio.create_task(fleet.listen(process.stdout))
    try:
        await ready(fleet)
        yield fleet
    finally:
        with contextlib.suppress(ProcessLookupError):  # all have ended
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        await listening


async def ready(fleet: Fleet) -> None:
    async with httpx.AsyncClient() as http, asyncio.timeout(START_S):
        for port in fleet.ports:
            while True:
                assert not fleet.ends, "a pod did not start"
                try:
                    if (await http.get(f"{fleet.url(port)}/readyz")).is_success:
                        break
                except httpx.TransportError:  # it does not listen yet
                    pass
                await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return list(make_clip(SEED, NUM_FRAMES))


async def film(clip: Clip) -> AsyncIterator[av.VideoFrame]:
    """The clip to and fro; a machine that is slow gets fewer of its pictures."""
    pictures = [av.VideoFrame.from_ndarray(f.rgb, "rgb24").reformat(format="yuv420p") for f in clip]
    pictures += reversed(pictures)
    for index in range(100_000):
        frame = pictures[index % len(pictures)]
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        await asyncio.sleep(1 / FPS)
        yield frame


def middle(clip: Clip) -> Point:
    """Of the balloon, wherever it is in the clip."""
    rows, columns = np.nonzero(np.all([frame.labels == BALLOON_ID for frame in clip], axis=0))
    height, width = clip[0].labels.shape
    return Point(columns.mean() / width, rows.mean() / height)


def overlap(masks: Masks, clip: Clip) -> float:
    """Intersection over union of the track's mask with the balloon in the same frame."""
    (item,) = masks.frame.objects
    assert (item.track_id, item.state) == (TRACK, ObjectState.VISIBLE)
    index = masks.sent.index % (2 * NUM_FRAMES)
    truth = clip[min(index, 2 * NUM_FRAMES - 1 - index)].labels == BALLOON_ID
    height, width = item.mask.shape
    rows = (np.arange(height) + 0.5) * truth.shape[0] / height
    columns = (np.arange(width) + 0.5) * truth.shape[1] / width
    truth = truth[rows.astype(int)[:, None], columns.astype(int)[None]]
    return (item.mask & truth).sum() / (item.mask | truth).sum()


async def follow_balloon(client: Client, clip: Clip) -> None:
    """A track on it, and a token that knows of it."""
    async with asyncio.timeout(60):
        await client.prompt(TRACK, points=[middle(clip)])
    await until(lambda: client._link.control.resume is not None)


async def holds_on(client: Client, clip: Clip) -> None:
    """The track stays on the balloon, and nothing that was said tells of a loss."""
    overlaps = []
    try:
        async with asyncio.timeout(30):
            async for masks in client.masks():
                if masks.frame.objects and masks.sent is not None:
                    overlaps.append(overlap(masks, clip))
                if len(overlaps) == 5:
                    break
    except TimeoutError:
        events = [(event.kind, event.frame.index) for event in client._arrivals.events._items]
        raise AssertionError(f"{overlaps}, {events}, {client.stats}") from None
    assert np.median(overlaps) > 0.5, overlaps
    kinds = {event.kind for event in client._arrivals.events._items}
    assert not kinds & {"lost", "dropped", "removed", "occluded"}


async def moved(client: Client, capsys: pytest.CaptureFixture[str], limit_s: float) -> None:
    """It has its track elsewhere, from the first frame, and soon: the gap is reported."""
    async with asyncio.timeout(60):
        gap = await until_moved(client.masks(), FPS)
    report(capsys, gap)
    await until(lambda: client.stats.moves == 1)
    assert [item.track_id for item in gap.first.frame.objects] == [TRACK], "from the first frame"
    assert gap.frames <= gap.allowed(limit_s, FPS), gap


def report(capsys: pytest.CaptureFixture[str], gap: Gap) -> None:
    with capsys.disabled():
        words = f"{gap.frames} frames, {gap.seconds:.2f} s without a mask"
        sys.stdout.write(f"\n{words}; up to {gap.most_before} frames before\n")


async def test_the_second_viewer_goes_to_the_next_pod_and_any_pod_reaches_each(fleet: Fleet):
    a, b, c = fleet.ports
    viewers = [OtherSide(), OtherSide()]
    async with httpx.AsyncClient(base_url=fleet.url(a)) as http:
        try:
            answers = [
                await http.post("/whip", content=await viewer.offer(), headers=SDP)
                for viewer in viewers
            ]
            assert [answer.status_code for answer in answers] == [201, 201]
            first, second = (answer.headers["location"] for answer in answers)
            here = fleet.port_of(first.rpartition("/")[2])
            there = fleet.port_of(second.rpartition("/")[2])
            assert here == a != there
            assert sorted(await fleet.sessions()) == [0.0, 1.0, 1.0]
            third = await http.post("/whip", content=await viewers[0].offer(), headers=SDP)
            assert third.is_success, "there is a third pod"
            fourth = await http.post("/whip", content=await viewers[0].offer(), headers=SDP)
            assert (fourth.status_code, "retry-after" in fourth.headers) == (503, True)

            ufrag = re.search(r"a=ice-ufrag:(\S+)", viewers[1].connection.localDescription.sdp)[1]
            said = f"a=ice-ufrag:{ufrag}\r\na=end-of-candidates\r\n"
            etag = {"If-Match": answers[1].headers["etag"]}
            patched = await http.patch(second, content=said, headers={**FRAGMENT, **etag})
            assert patched.status_code == 204
            for location in (first, second, third.headers["location"]):
                wrong = next(p for p in (b, c, a) if p != fleet.port_of(location[6:]))
                deleted = await http.delete(fleet.url(wrong) + location)
                assert deleted.status_code == 200
        finally:
            for viewer in viewers:
                await viewer.close()
    async with asyncio.timeout(30):
        while any(await fleet.sessions()):  # noqa: ASYNC110 (other processes)
            await asyncio.sleep(0.05)


async def test_a_drained_pod_s_viewer_keeps_its_track_at_another(
    fleet: Fleet, clip: Clip, capsys: pytest.CaptureFixture[str]
):
    async with front_of(fleet.ports) as front, Client(front.url, film(clip)) as client:
        await follow_balloon(client, clip)
        first, before = fleet.port_of(client.hello.session), client._link
        os.kill(fleet.pids[first], signal.SIGTERM)
        await moved(client, capsys, limit_s=1)
        assert (client.resumed, client.resumed_how) == ((TRACK,), "boxes")
        assert fleet.port_of(client.hello.session) != first
        assert str(before.lost.result()) == "the connection was closed", "by the client, at last"
        await holds_on(client, clip)
        await until(lambda: fleet.ends.get(first) == 0)


async def test_a_killed_pod_s_viewer_is_told_to_offer_anew_and_keeps_its_track(
    fleet: Fleet, clip: Clip, capsys: pytest.CaptureFixture[str]
):
    async with front_of(fleet.ports) as front, Client(front.url, film(clip)) as client:
        await follow_balloon(client, clip)
        first, before = fleet.port_of(client.hello.session), client._link
        os.kill(fleet.pids[first], signal.SIGKILL)
        await moved(client, capsys, limit_s=3)
        assert "the session is gone" in str(before.lost.result())
        assert (client.resumed, client.resumed_how) == ((TRACK,), "boxes")
        (last,) = set(fleet.ports) - set(fleet.ends) - {first}
        assert fleet.port_of(client.hello.session) == last
        assert await fleet.number(last, 'requests_passed_on_total{outcome="gone"}') >= 1
        await holds_on(client, clip)
