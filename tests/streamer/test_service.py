import asyncio

import pytest
from fake_viewer import eventually
from loopback import OtherSide

from fake_engine import FakeEngine
from streamer.admission import Full
from streamer.config import Settings
from streamer.peer import Peer
from streamer.rtc.offer import OfferError
from streamer.service import Service


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


async def test_an_offer_that_outlives_the_stop_is_ended_too(monkeypatch: pytest.MonkeyPatch):
    answer, other = Peer.answer, OtherSide()

    async def answer_late(peer: Peer, offer: str) -> str:
        sdp = await answer(peer, offer)
        service.begin_stop()
        return sdp

    monkeypatch.setattr(Peer, "answer", answer_late)
    async with Service(Settings(), FakeEngine) as service:
        await ready(service)
        await service.answer(await other.offer())
        await eventually(lambda: service.num_open == 0)
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
