import base64
import hashlib
import hmac
import time
from functools import partial
from pathlib import Path

import pytest
from aiortc import RTCConfiguration
from aiortc.rtcconfiguration import RTCIceTransportPolicy
from clients import grey_frames, masks_with
from coturn import coturn, relayed
from served import serving

from streamer.client import Client, ConnectError, link
from streamer.config import Settings
from streamer.ice_server import IceServer
from streamer.media import turn

SERVERS = [{"urls": "stun:127.0.0.1:1"}, {"urls": "turn:127.0.0.1:1?transport=udp"}]


def test_a_user_is_the_time_and_a_name_and_its_password_their_mac():
    username, credential = turn.mint("a secret", 1_433_065_916, "me")
    assert username == "1433065916:me"
    expected = hmac.digest(b"a secret", b"1433065916:me", hashlib.sha1)
    assert base64.b64decode(credential) == expected


def test_each_session_has_a_user_of_its_own_with_the_turn_servers_that_name_none():
    named = {"urls": "turns:127.0.0.1:2", "username": "u", "credential": "p"}
    settings = Settings(ice_servers=[*SERVERS, named], turn_secret="s", turn_ttl_s=600)
    (stun, first, kept), (_, second, _) = turn.ice_servers(settings), turn.ice_servers(settings)
    assert (stun.username, kept.username, kept.password) == (None, "u", "p")
    assert first.username != second.username
    assert int(first.username.partition(":")[0]) - time.time() == pytest.approx(600, abs=30)
    expected = hmac.digest(b"s", first.username.encode(), hashlib.sha1)
    assert base64.b64decode(first.password) == expected


def test_without_a_secret_the_servers_are_told_as_they_were_set():
    assert (
        turn.ice_servers(Settings(ice_servers=SERVERS)) == Settings(ice_servers=SERVERS).ice_servers
    )


async def test_a_real_turn_server_takes_the_user_and_no_other(tmp_path: Path):
    async with coturn("a secret", tmp_path) as port:  # which takes one of its secret
        late = turn.mint("a secret", int(time.time()) - 60, "me")
        forged = turn.mint("another", int(time.time()) + 60, "me")
        assert "relay" not in await relayed(port, *late)
        assert "relay" not in await relayed(port, *forged)


async def test_a_client_whose_only_way_is_a_relay_takes_the_one_that_the_service_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    only_relays = partial(RTCConfiguration, iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    monkeypatch.setattr(link, "RTCConfiguration", only_relays)
    async with coturn("a secret", tmp_path) as port:
        servers = [{"urls": f"turn:127.0.0.1:{port}?transport=udp"}]
        settings = {"ice_servers": servers, "uses_ice_servers": False, "turn_secret": "a secret"}
        async with serving(**settings) as served, Client(served.url, grey_frames()) as client:
            await masks_with(client)
            ice = client._link._peer.sctp.transport.transport._connection
            assert {c.type for c in ice.local_candidates} == {"relay"}
            assert ice._nominated[1].local_candidate.type == "relay"


async def test_a_client_without_a_relay_comes_nowhere_where_it_needs_one(
    monkeypatch: pytest.MonkeyPatch,
):
    only_relays = partial(RTCConfiguration, iceTransportPolicy=RTCIceTransportPolicy.RELAY)
    monkeypatch.setattr(link, "RTCConfiguration", only_relays)
    monkeypatch.setattr(link, "HELLO_S", 0.5)
    # Of a service that knows more kinds than this client.
    pigeon = [IceServer.model_construct(urls="carrier-pigeon:127.0.0.1")]
    async with serving(ice_servers=pigeon, uses_ice_servers=False) as served:
        with pytest.raises(ConnectError, match="no media path to it was found"):
            await Client(served.url, grey_frames()).__aenter__()
