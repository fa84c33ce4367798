import asyncio
import socket

import pytest
from fake_viewer import eventually
from loopback import OtherSide, connected
from served import serving

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.media.peer import Peer
from streamer.rtc.offer import OfferError
from streamer.service import Service
from streamer.session.admission import Full


def count(service: Service, name: str, **labels: str) -> float:
    return service.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0


async def ready(service: Service) -> None:
    await service.worker.settled.wait()
    assert service.is_ready


async def test_a_stop_ends_the_sessions_and_lets_nobody_in():
    other = OtherSide()
    async with Service(Settings(), FakeEngine) as service:
        await ready(service)
        await service.answer(await other.offer())
        assert (service.num_open, count(service, "sessions")) == (1, 1)
        service.begin_stop()
        assert not service.is_ready
        await eventually(lambda: service.num_open == 0)
        with pytest.raises(Full, match="starting or stopping"):
            await service.answer("v=0")
        await other.close()
    assert count(service, "sessions_ended_total", outcome="stopped") == 1
    assert count(service, "sessions") == 0


async def test_an_offer_that_outlives_the_stop_is_refused(monkeypatch: pytest.MonkeyPatch):
    answer, other = Peer.answer, OtherSide()

    async def answer_late(peer: Peer, offer: str) -> str:
        sdp = await answer(peer, offer)
        service.begin_stop()
        return sdp

    monkeypatch.setattr(Peer, "answer", answer_late)
    async with Service(Settings(), FakeEngine) as service:
        await ready(service)
        with pytest.raises(Full, match="stopping"):
            await service.answer(await other.offer())
        assert service.num_open == 0
        await other.close()


async def test_an_answer_that_takes_too_long_gives_its_place_back(monkeypatch: pytest.MonkeyPatch):
    async def answer_never(peer: Peer, offer: str) -> str:
        await asyncio.sleep(60)
        return ""

    async with Service(Settings(max_sessions=1, answer_timeout_s=0.01), FakeEngine) as service:
        await ready(service)
        with monkeypatch.context() as patch:
            patch.setattr(Peer, "answer", answer_never)
            with pytest.raises(TimeoutError):
                await service.answer("v=0")
        with pytest.raises(OfferError):
            await service.answer("v=0")


async def test_a_drain_lets_nobody_in_and_the_sessions_go_on():
    other = OtherSide()
    async with serving() as served, connected(served.url) as viewer:
        served.service.begin_drain(12.5)
        assert not served.service.is_ready
        with pytest.raises(Full, match="starting or stopping") as caught:
            await served.service.answer(await other.offer())
        assert caught.value.kind == "not_ready"
        await eventually(lambda: {"type": "migrate", "seconds": 12.5, "url": None} in viewer.said)
        num_masks = len(viewer.masks)
        await eventually(lambda: len(viewer.masks) > num_masks + 5)
        served.service.begin_drain(1)
        viewer.tell(type="ping", seq=1)
        await eventually(lambda: {"type": "pong", "seq": 1} in viewer.said)
        assert [m["seconds"] for m in viewer.said if m["type"] == "migrate"] == [12.5]
        await other.close()


async def test_a_session_for_which_no_port_is_left_is_refused_and_leaves_none_taken():
    with socket.socket(type=socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    others = [OtherSide(), OtherSide(), OtherSide()]
    offers = [await other.offer() for other in others]
    async with Service(Settings(media_ports=(port, port)), FakeEngine) as service:
        await ready(service)
        first = await service.answer(offers[0])
        assert f" {port} typ host" in first.sdp
        with pytest.raises(Full, match=f"UDP ports {port} to {port} are all in use") as caught:
            await service.answer(offers[1])
        assert caught.value.kind == "no_ports"
        assert service.num_open == 1
        service.end(first.session_id)
        await eventually(lambda: service.num_open == 0)
        assert f" {port} typ host" in (await service.answer(offers[2])).sdp
    for other in others:
        await other.close()


async def test_the_answer_says_the_address_that_the_nat_gives():
    other = OtherSide()
    async with Service(Settings(media_public_address="203.0.113.7"), FakeEngine) as service:
        await ready(service)
        sdp = (await service.answer(await other.offer())).sdp
        assert " 203.0.113.7 " in sdp
        assert "127.0.0.1" not in sdp.partition("m=")[2]
        await other.close()


async def test_sessions_have_names_that_nobody_guesses():
    others = [OtherSide(), OtherSide()]
    async with Service(Settings(), FakeEngine) as service:
        await ready(service)
        ids = {(await service.answer(await o.offer())).session_id for o in others}
        assert len(ids) == 2
        assert all(len(session_id) >= 16 for session_id in ids)
        assert not service.end("another")
        for other in others:
            await other.close()


async def test_the_loop_s_lag_is_measured():
    async with Service(Settings(), FakeEngine) as service:
        await eventually(lambda: count(service, "loop_lag_seconds") > 0)
