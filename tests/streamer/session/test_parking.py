"""Streams of viewers who lost their connection: who gets them back, for how long, and how many."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fake_viewer import FakeViewer, eventually
from loopback import OtherSide, connected
from resuming import resumed, tokens
from served import Served, serving
from session_stage import Stage, stage

from streamer.session import parking
from streamer.session.handover import Resumed
from streamer.session.parking import Inherited, Parking
from streamer.session.resume import GoingOn
from streamer.session.viewer import Outcome

CLICK = [[0.25, 0.5, 1]]


@pytest_asyncio.fixture
async def here() -> AsyncIterator[Stage]:
    async with stage() as here:
        yield here


def lot(here: Stage, capacity: int = 2, for_s: float = 30.0) -> Parking:
    return Parking(here.worker, capacity, for_s, here.metrics)


async def begun(
    here: Stage, place: Parking | None, going_on: GoingOn | None = None
) -> tuple[FakeViewer, "asyncio.Task[Outcome]"]:
    """A session, whose `here.session` it is, with one track."""
    viewer = FakeViewer()
    running = here.enter(viewer, idle_timeout_s=60)
    here.session.parking = place
    if going_on is not None:
        here.session.restore(going_on)
    viewer.on_open()
    viewer.hear(type="prompt", seq=1, track_id=1, points=CLICK)
    viewer.feed(pts=3000)
    await viewer.until("ack")
    return viewer, running


@pytest.mark.parametrize("outcome", [Outcome.VANISHED, Outcome.IDLE, Outcome.STALLED])
async def test_who_did_not_mean_to_leave_finds_its_tracks_as_they_were(
    here: Stage, outcome: Outcome
):
    place = lot(here)
    _, running = await begun(here, place)
    first = here.session
    first.end(outcome)
    assert await running is outcome
    inherited = await place.take(first.session_id)
    assert inherited is not None
    assert (inherited.adopted.track_ids, inherited.adopted.encoder_calls) == ((1,), 1)

    viewer = FakeViewer()
    going_on = GoingOn(Resumed(how="memory", tracks=(1,)), inherited=inherited)
    running = here.enter(viewer)
    here.session.restore(going_on)
    viewer.on_open()
    assert viewer.said[0]["resumed"] == {"how": "memory", "tracks": [1]}
    viewer.feed(pts=1)
    await viewer.until_masks(1)
    assert here.engine.num_opened == 1
    stats = await viewer.until("stats")
    assert (stats["processed"], stats["encoder_calls"]) == (1, 1), "of this session alone"
    assert here.count("encoder_calls_total") == 2
    viewer.leave()
    await running
    assert here.engine.streams == {}


@pytest.mark.parametrize("outcome", [Outcome.LEFT, Outcome.STOPPED, Outcome.FAULT])
async def test_who_leaves_on_purpose_leaves_nothing(here: Stage, outcome: Outcome):
    place = lot(here)
    _, running = await begun(here, place)
    here.session.end(outcome)
    await running
    assert len(place) == 0
    assert (here.engine.streams, here.engine.parked) == ({}, {})


async def test_at_the_bound_the_oldest_leaves(here: Stage):
    place = lot(here, capacity=2)
    ids, viewers = [], []  # as long as all viewers are there, their sessions' ids differ
    for _ in range(3):
        viewer, running = await begun(here, place)
        here.session.end(Outcome.VANISHED)
        await running
        viewers.append(viewer)
        ids.append(here.session.session_id)
    assert (len(place), here.count("parked")) == (2, 2)
    assert len(here.engine.parked) == 2
    assert await place.take(ids[0]) is None
    assert await place.take(ids[2]) is not None
    assert await place.take(ids[2]) is None, "one viewer, one stream"


async def test_after_its_time_a_stream_leaves(here: Stage, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parking, "_SWEEP_S", 0.01)
    place = lot(here, for_s=0.05)
    sweeping = asyncio.create_task(place.run())
    _, running = await begun(here, place)
    here.session.end(Outcome.VANISHED)
    await running
    assert len(here.engine.parked) == 1
    await eventually(lambda: not here.engine.parked)
    assert len(place) == 0
    sweeping.cancel()


async def test_a_stream_whose_time_is_over_is_not_adopted_though_nobody_swept(here: Stage):
    place = lot(here, for_s=0.01)
    _, running = await begun(here, place)
    here.session.end(Outcome.VANISHED)
    await running
    await asyncio.sleep(0.02)
    assert await place.take(here.session.session_id) is None
    assert here.engine.parked == {}


@pytest.mark.parametrize("bounds", [{"capacity": 0}, {"for_s": 0.0}])
async def test_without_leave_to_park_streams_are_closed(here: Stage, bounds: dict[str, int]):
    place = lot(here, **bounds)
    _, running = await begun(here, place)
    here.session.end(Outcome.VANISHED)
    await running
    assert (here.engine.streams, here.engine.parked) == ({}, {})


async def test_a_session_that_its_viewer_did_not_reach_gives_the_stream_back(here: Stage):
    place = lot(here)
    _, running = await begun(here, place)
    first = here.session.session_id
    here.session.end(Outcome.VANISHED)
    await running
    inherited = await place.take(first)
    assert isinstance(inherited, Inherited)
    running = here.enter(FakeViewer(), connect_timeout_s=0.05)
    here.session.parking = place
    here.session.restore(GoingOn(Resumed(how="memory", tracks=(1,)), inherited=inherited))
    assert here.session.stands_in_for(first)
    assert await running is Outcome.NEVER_CONNECTED
    assert await place.take(first) is not None


async def lost(served: Served, viewer: OtherSide) -> str:
    """Its last token, after its sockets were closed under it and the service has noticed."""
    viewer.tell(type="prompt", seq=1, track_id=42, points=CLICK)
    await eventually(lambda: bool(tokens(viewer)))
    ice = viewer.connection.sctp.transport.transport._connection
    for protocol in ice._protocols:
        protocol.transport.abort()
    await eventually(lambda: served.service.num_open == 0)
    return tokens(viewer)[-1]


async def test_over_real_sockets_a_stream_goes_to_whoever_has_its_token_and_to_nobody_else():
    other, thief = OtherSide(), OtherSide()
    async with (
        serving(idle_timeout_s=0.5) as served,
        connected(served.url) as viewer,
    ):
        token = await lost(served, viewer)
        assert len(served.service._parking) == 1
        wrong = token[:-4] + "AAAA"
        assert await resumed(served, thief, wrong) == []
        await eventually(lambda: bool(thief.said))
        assert thief.said[0]["resumed"] is None
        assert len(served.service._parking) == 1, "it waits for its own viewer"
        assert await resumed(served, other, token) == [42]
        await eventually(lambda: bool(other.masks))
        assert [item.track_id for item in other.masks[0].objects] == [42]
        assert other.said[0]["resumed"] == {"how": "memory", "tracks": [42]}
        sample = served.service.metrics.registry.get_sample_value
        assert sample("streamer_streams_resumed_total", {"how": "memory"}) == 1
        await thief.close()
        await other.close()


async def test_a_session_that_is_deleted_after_it_was_lost_cannot_come_back():
    async with (
        serving(idle_timeout_s=0.5) as served,
        connected(served.url) as viewer,
    ):
        await lost(served, viewer)
        (session_id,) = served.service._parking._parked
        assert served.service.end(session_id)
        await eventually(lambda: len(served.service._parking) == 0)
        await eventually(lambda: not served.service.worker._calls)


async def test_when_the_stream_has_left_the_token_s_boxes_are_what_is_left():
    other = OtherSide()
    async with (
        serving(idle_timeout_s=0.5, park_s=0.0) as served,
        connected(served.url) as viewer,
    ):
        token = await lost(served, viewer)
        assert await resumed(served, other, token) == [42]
        await eventually(lambda: bool(other.said))
        assert other.said[0]["resumed"] == {"how": "boxes", "tracks": [42]}
        await other.close()
