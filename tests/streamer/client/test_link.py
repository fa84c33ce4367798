import pytest
from served import serving

from streamer.client import link
from streamer.client.arrivals import Arrivals
from streamer.client.link import Link
from streamer.client.signalling import Signalling


async def test_a_peer_that_cannot_be_made_leaves_no_http_connection_behind(
    monkeypatch: pytest.MonkeyPatch,
):
    def fail(_configuration: object) -> None:
        raise OSError("no entropy")

    monkeypatch.setattr(link, "RTCPeerConnection", fail)
    async with serving() as served:
        signalling = Signalling(served.url)
        with pytest.raises(OSError, match="no entropy"):
            await Link.reach(signalling, Arrivals(), None)
        assert signalling._http.is_closed
        assert served.service.num_open == 0
