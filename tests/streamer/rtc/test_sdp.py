from aiortc import RTCConfiguration, RTCPeerConnection, VideoStreamTrack
from aiortc.sdp import SessionDescription

from streamer.rtc.sdp import with_bitrate_hints, with_public_address, without_unwanted

CANDIDATES = (
    "a=candidate:1 1 udp 2113937151 0d3c4e1a-72f1.local 51234 typ host\r\n",
    "a=candidate:2 1 udp 2113937151 192.0.2.7 51235 typ host\r\n",
    "a=end-of-candidates\r\n",
)


def test_only_candidates_with_mdns_names_are_left_out():
    offer = "v=0\r\ns=my.local name\r\n" + "".join(CANDIDATES)
    assert without_unwanted(offer) == "v=0\r\ns=my.local name\r\n" + "".join(CANDIDATES[1:])


async def test_hints_stand_at_every_video_codec_and_nowhere_else():
    connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    connection.addTrack(VideoStreamTrack())
    description = await connection.createOffer()
    await connection.close()
    hinted = with_bitrate_hints(description.sdp, 2_500_000, 500_000, 4_000_000)
    (media,) = SessionDescription.parse(hinted).media
    for codec in media.rtp.codecs:
        rates = [
            codec.parameters.get(f"x-google-{name}-bitrate") for name in ("start", "min", "max")
        ]
        expected = [None] * 3 if codec.name == "rtx" else ["2500", "500", "4000"]
        assert rates == expected
    before = SessionDescription.parse(description.sdp).media[0].rtp.codecs
    for old, new in zip(before, media.rtp.codecs, strict=True):
        assert old.parameters.items() <= new.parameters.items()


def test_a_description_without_video_stays_as_it_is():
    audio = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 x=1\r\n"
    assert with_bitrate_hints(audio, 1, 2, 3) == audio


def test_an_offer_that_is_left_without_candidates_does_not_say_that_they_are_all():
    hidden = "a=candidate:1 1 udp 1 3f.local 5000 typ host\r\na=end-of-candidates\r\n"
    real = "a=candidate:2 1 udp 1 127.0.0.1 5001 typ host\r\n"
    assert without_unwanted(hidden) == ""
    assert without_unwanted(real + hidden) == real + "a=end-of-candidates\r\n"
    two = f"m=video\r\n{hidden}m=application\r\n{real}{hidden}"
    assert without_unwanted(two) == (f"m=video\r\nm=application\r\n{real}a=end-of-candidates\r\n")


def test_host_candidates_say_the_public_address_and_others_stay():
    lines = (
        "v=0",
        "o=- 1 2 IN IP4 0.0.0.0",
        "m=video 40000 UDP/TLS/RTP/SAVPF 96",
        "c=IN IP4 10.0.0.5",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:a 1 udp 2130706431 10.0.0.5 40000 typ host",
        "a=candidate:b 1 udp 2130706431 fd00::5 40001 typ host",
        "a=candidate:c 1 udp 1694498815 198.51.100.4 5 typ srflx raddr 10.0.0.5 rport 40000",
    )
    answer = "".join(f"{line}\r\n" for line in lines)
    seen = with_public_address(answer, "203.0.113.7").splitlines()
    assert seen[3] == "c=IN IP4 203.0.113.7"
    assert seen[5] == "a=candidate:a 1 udp 2130706431 203.0.113.7 40000 typ host"
    assert [seen[row] for row in (1, 4, 6, 7)] == [lines[row] for row in (1, 4, 6, 7)]
    sixth = with_public_address(answer, "2001:db8::7").splitlines()
    assert sixth[6] == "a=candidate:b 1 udp 2130706431 2001:db8::7 40001 typ host"
    assert sixth[5] == lines[5]
