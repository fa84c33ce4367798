"""A client's candidates may name any address: where packets go, and where none do."""

import ipaddress
import re
import socket
from collections.abc import Iterator

import pytest
from fake_viewer import eventually
from loopback import OtherSide
from served import serving

from streamer.config import Settings
from streamer.media.media_settings import prepare_rtc
from streamer.rtc import egress
from streamer.rtc.egress import is_blocked
from streamer.rtc.fragment import parse, usable
from streamer.rtc.sdp import without_unwanted


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    egress.block(())


@pytest.mark.parametrize("address", [
    "127.0.0.1", "169.254.169.254", "0.0.0.0", "100.100.100.200", "224.0.0.251", "255.255.255.255",
    "::1", "::", "fe80::1", "fe80::1%eth0", "ff02::1", "fd00:ec2::254",
    "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe",
])  # fmt: skip
def test_no_client_is_where_a_service_of_the_network_must_not_send(address: str):
    egress.block(egress.NEVER_CLIENTS)
    assert is_blocked(address)


@pytest.mark.parametrize(
    "address", ["203.0.113.7", "192.168.1.5", "10.0.0.5", "2001:db8::1", "x.local"]
)
def test_clients_of_the_internet_and_of_the_house_are_not_blocked(address: str):
    egress.block(egress.NEVER_CLIENTS)
    assert not is_blocked(address)


def test_a_service_of_the_network_is_careful_by_itself_and_one_of_loopback_serves_it():
    prepare_rtc(Settings(host="0.0.0.0", allow_anonymous=True))
    assert is_blocked("127.0.0.1")
    prepare_rtc(Settings())
    assert not is_blocked("127.0.0.1")
    prepare_rtc(Settings(blocked_networks=["10.0.0.0/8", "fd00::/8"]))
    assert (is_blocked("10.1.2.3"), is_blocked("fd12::1"), is_blocked("127.0.0.1")) == (
        True,
        True,
        False,
    )


def test_blocked_candidates_leave_the_offer_and_the_fragment():
    egress.block([ipaddress.ip_network("169.254.0.0/16")])
    near = "candidate:1 1 udp 2130706431 169.254.169.254 53 typ host"
    far = "candidate:2 1 udp 2130706431 203.0.113.7 5000 typ host"
    offer = f"v=0\r\nm=video 9 x\r\na={near}\r\na={far}\r\na=end-of-candidates\r\n"
    assert without_unwanted(offer) == offer.replace(f"a={near}\r\n", "")
    said = parse(f"a=mid:0\r\na={near}\r\na={far}\r\n")
    assert [candidate.ip for candidate in usable(said, "0")] == ["203.0.113.7"]


@pytest.mark.parametrize("blocked", [(), ("127.0.0.0/8",)], ids=["open", "blocked"])
async def test_no_packet_goes_to_a_blocked_address_and_the_viewer_comes_all_the_same(
    blocked: tuple[str, ...],
):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as victim:
        victim.bind(("127.0.0.1", 0))
        victim.setblocking(False)
        port = victim.getsockname()[1]
        viewer = OtherSide()
        async with serving(blocked_networks=blocked) as served:
            try:
                offer = await viewer.offer()
                named = f"a=candidate:9 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
                offer = re.sub(r"(a=candidate:.*\r\n)+", named, offer)
                answer = await served.service.answer(offer)
                await viewer.accept(answer.sdp)
                await eventually(lambda: len(viewer.masks) >= 2)
            finally:
                await viewer.close()
        assert heard(victim) is not bool(blocked)


def heard(victim: socket.socket) -> bool:
    try:
        return bool(victim.recv(2048))
    except BlockingIOError:
        return False
