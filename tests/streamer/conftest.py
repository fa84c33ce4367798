"""All media of these tests stays on loopback."""

import pytest


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_MEDIA_ADDRESSES", '["127.0.0.1"]')
