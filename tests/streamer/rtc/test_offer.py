import random

import pytest
from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack

from streamer.media.peer import Peer
from streamer.rtc.addresses import use_addresses
from streamer.rtc.offer import OfferError, check


@pytest.fixture
async def offer() -> str:
    use_addresses(["127.0.0.1"], with_loopback=False)
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(VideoStreamTrack())
    connection.createDataChannel("control")
    await connection.setLocalDescription(await connection.createOffer())
    sdp = str(connection.localDescription.sdp)
    await connection.close()
    return sdp


async def test_a_good_offer_passes(offer: str):
    check(offer)


@pytest.mark.parametrize(
    "text", ["m=video\r\n", "m=video 9 X 96\r\na=rtpmap:97 VP8/90000\r\na=fmtp:1 x"]
)
def test_what_is_no_description_is_refused(text: str):
    with pytest.raises(OfferError):
        check(text)


async def test_a_bundle_without_its_section_is_refused(offer: str):
    with pytest.raises(OfferError, match="BUNDLE names"):
        check(offer.replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0 7"))


async def test_two_sections_of_one_name_are_refused(offer: str):
    with pytest.raises(OfferError, match="two media sections"):
        check(offer.replace("a=mid:1", "a=mid:0"))


async def test_media_of_an_unknown_kind_are_refused(offer: str):
    with pytest.raises(OfferError, match="message"):
        check(offer.replace("m=application", "m=message"))


async def test_damaged_offers_are_answered_or_refused_but_never_worse(offer: str):
    lines = offer.splitlines()
    choose = random.Random(8)
    num_refused = 0
    for row in range(len(lines)):
        line = lines[row]
        cut = choose.randrange(len(line))
        damaged = line[:cut] + choose.choice(["", "x", "-1", " ", ":"]) + line[cut + 2 :]
        for replaced in ([], [damaged]):
            peer = Peer([])
            try:
                await peer.answer("\r\n".join([*lines[:row], *replaced, *lines[row + 1 :], ""]))
            except OfferError:
                num_refused += 1
            await peer.close()
    assert num_refused > 10
