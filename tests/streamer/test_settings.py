import pytest
from pydantic import ValidationError

from streamer.config import IceServer, Settings


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
