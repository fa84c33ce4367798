"""Who a pod knows. DNS is the system's own: localhost is a name that every machine has."""

import asyncio
import socket

import pytest
from fake_viewer import eventually

from streamer.config import Settings
from streamer.fleet import fleet as fleet_module
from streamer.fleet.fleet import MAX_PEERS, Fleet, OwnerGone

SECRET = "what all pods of these tests know, and nobody else"
A, B, C = (f"http://127.0.0.1:{port}" for port in (8081, 8082, 8083))


def member(port: int, *peers: str, **settings: object) -> Fleet:
    return Fleet(Settings(port=port, peers=peers, peer_secret=SECRET, **settings))


async def test_a_session_is_found_by_all_that_know_its_pod():
    here, there, stranger = member(8081, A, B), member(8082, A, B), member(8083, C, B)
    session_id = here.name_session()
    assert await here.pod_of(session_id) == A == here.url
    assert await there.pod_of(session_id) == A
    assert (here.peers, there.peers, stranger.peers) == ((B,), (A,), (B,))
    with pytest.raises(OwnerGone, match="offer anew"):
        await stranger.pod_of(session_id)


async def test_an_id_that_no_pod_made_leads_nowhere():
    assert await member(8081, B).pod_of("WgI6NbGzBhTnDnXm") is None


async def test_a_pod_without_peers_is_alone():
    alone = Fleet(Settings(peer_secret=SECRET))
    assert alone.is_alone
    assert await alone.pod_of(member(8081, B).name_session()) is None
    assert not alone.is_from_peer(member(8081, B).sign("GET", "/"), "GET", "/")
    assert "." not in alone.name_session()


async def test_peers_are_found_by_the_name_of_a_service():
    async with member(8081, peer_service="localhost:8082") as here:
        await eventually(lambda: B in here.peers)
        assert await here.pod_of(member(8082, A).name_session()) == B


async def test_who_was_known_stays_when_dns_does_not_answer(monkeypatch: pytest.MonkeyPatch):
    answers = iter([[(0, 0, 0, "", ("127.0.0.1", 8082))], socket.gaierror("no such name")])

    async def getaddrinfo(*_: object, **__: object) -> object:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", getaddrinfo)
    here = member(8081, peer_service="streamer-pods:8082")
    await here._look()
    await here._look()
    assert here.peers == (B,)


async def test_a_pod_that_has_just_begun_is_looked_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fleet_module, "_LOOK_AGAIN_S", 0.0)
    here = member(8081, peer_service="localhost:8082")
    assert here.peers == ()
    assert await here.pod_of(member(8082, A).name_session()) == B


def test_the_number_of_peers_has_a_bound():
    many = [f"http://10.0.{n // 256}.{n % 256}:8080" for n in range(MAX_PEERS + 5)]
    assert len(member(8081, *many).peers) == MAX_PEERS


@pytest.mark.parametrize(("settings", "words"), [
    ({"peers": [B]}, "STREAMER_PEER_SECRET"),
    ({"peers": [B], "peer_secret": SECRET, "port": 0}, "STREAMER_PEER_ADDRESS"),
    ({"peer_service": "pods:80", "peer_secret": SECRET, "host": "0.0.0.0",
      "allow_anonymous": True}, "STREAMER_PEER_ADDRESS"),
    ({"peers": ["10.0.0.7:8080"], "peer_secret": SECRET}, "is not like"),
    ({"peer_service": "pods", "peer_secret": SECRET}, "peer_service"),
])  # fmt: skip
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], words: str):
    with pytest.raises(ValueError, match=words):
        Settings(**settings)


def test_an_ipv6_address_makes_a_url():
    settings = Settings(peer_address="fd00::7", peers=[B], peer_secret=SECRET)
    assert settings.peer_url == "http://[fd00::7]:8080"
