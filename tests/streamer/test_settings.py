import pytest
from aiortc.rtcicetransport import parse_stun_turn_uri
from pydantic import ValidationError

from streamer.config import Settings
from streamer.ice_server import IceServer


def test_the_environment_sets_and_the_caller_overrides(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STREAMER_PORT", "9000")
    monkeypatch.setenv("STREAMER_MODEL", "sam2.1-hiera-tiny")
    monkeypatch.setenv("STREAMER_ICE_SERVERS", '[{"urls": "stun:127.0.0.1:3478"}]')
    settings = Settings(port=9001)
    assert (settings.port, settings.model) == (9001, "sam2.1-hiera-tiny")
    assert settings.ice_servers == (IceServer(urls="stun:127.0.0.1:3478"),)


def test_no_ice_server_is_used_unless_one_is_set():
    assert Settings().ice_servers == ()


@pytest.mark.parametrize(
    "url",
    [
        "stun:stun.example.org",
        "stuns:10.0.0.1:5349",
        "turn:relay_1.example.org:3478?transport=tcp",
        "turns:relay.example.org?transport=tcp",
    ],
)
def test_an_ice_server_is_one_that_aiortc_can_read(url: str):
    (server,) = Settings(ice_servers=[{"urls": url}]).ice_servers
    assert parse_stun_turn_uri(server.urls)["host"] in url


@pytest.mark.parametrize(
    "url",
    [
        "stun://stun.example.org:3478",
        "stun.example.org:3478",
        "carrier-pigeon:10.0.0.1",
        "stun:",
        "stun:stun.example.org:70000",
        "stun:stun.example.org:0",
        "stun:stun.example.org?transport=udp",
        "turn:relay.example.org?transport=sctp",
        "turn:me:secret@relay.example.org",
        "turn:relay.example.org ",
    ],
)
def test_an_ice_server_that_is_none_is_refused_at_the_start_by_the_setting_s_name(url: str):
    with pytest.raises(ValidationError) as refused:
        Settings(ice_servers=[{"urls": "stun:10.0.0.1"}, {"urls": url}])
    assert "ice_servers.1.urls" in str(refused.value)
    assert "not like stun:example.org:3478" in str(refused.value)
    assert "secret" not in str(refused.value), "what was put there is not told"


def test_an_ice_server_that_aiortc_cannot_read_is_for_browsers_alone():
    servers = [{"urls": "turn:[2001:db8::1]:3478"}]
    (told,) = Settings(ice_servers=servers, uses_ice_servers=False).ice_servers
    assert told.is_turn
    with pytest.raises(ValidationError, match=r"ice_servers: .* STREAMER_USES_ICE_SERVERS"):
        Settings(ice_servers=servers)


@pytest.mark.parametrize(
    "wrong",
    [
        {"port": 70_000},
        {"max_sessions": 0},
        {"idle_timeout_s": 0},
        {"media_addresses": ("localhost",)},
        {"media_ports": (50_001, 50_000)},
        {"media_ports": (0, 50_000)},
        {"media_public_address": "example.org"},
    ],
)
def test_a_value_out_of_range_is_refused(wrong: dict[str, object]):
    with pytest.raises(ValidationError):
        Settings(**wrong)
