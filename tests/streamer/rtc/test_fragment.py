import pytest

from streamer.rtc.fragment import Fragment, FragmentError, parse, usable

HOST = "candidate:1 1 UDP 2130706431 192.0.2.7 61764 typ host"
# As RFC 9725 shows it: one section, its candidates, and the end.
WHOLE = f"""a=ice-ufrag:EsAw\r
a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r
m=audio 9 UDP/TLS/RTP/SAVPF 0\r
a=mid:0\r
a={HOST}\r
a=candidate:2 1 udp 1694498815 203.0.113.9 5000 typ srflx raddr 192.0.2.7 rport 61764\r
a=end-of-candidates\r
"""


def places(fragment: Fragment, mid: str = "0") -> list[tuple[str, int, str]]:
    return [(c.ip, c.port, c.sdpMid) for c in usable(fragment, mid)]


def test_a_fragment_is_read_as_the_rfc_writes_it():
    fragment = parse(WHOLE)
    assert (fragment.ufrags, fragment.mids, fragment.is_last) == ({"EsAw"}, {"0"}, True)
    assert places(fragment) == [("192.0.2.7", 61764, "0"), ("203.0.113.9", 5000, "0")]


def test_a_candidate_without_a_section_goes_to_the_first():
    fragment = parse(f"a={HOST}\n")
    assert places(fragment, "video") == [("192.0.2.7", 61764, "video")]
    assert not fragment.is_last


def test_each_section_has_its_own_candidates_whatever_their_order():
    other = HOST.replace("61764", "7")
    fragment = parse(f"m=video 9 X 0\na={HOST}\na=mid:a\nm=audio 9 X 0\na=mid:b\na={other}\n")
    assert places(fragment) == [("192.0.2.7", 61764, "a"), ("192.0.2.7", 7, "b")]


@pytest.mark.parametrize(
    "left_out",
    [
        HOST.replace("192.0.2.7", "9f1d7a9c-1a2b.local"),
        HOST.replace("192.0.2.7", "a.example.org"),
        HOST.replace(" 1 UDP", " 2 UDP"),
    ],
)
def test_names_and_rtcp_are_left_out(left_out: str):
    assert places(parse(f"a={left_out}\na={HOST}\n")) == [("192.0.2.7", 61764, "0")]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\r\n",
        "hello",
        '{"candidate": ""}',
        "a=",
        "m=video 9 X 0\r\n",
        "a=candidate:1 1 UDP 5 192.0.2.7 61764\r\n",
        "a=candidate:1 1 UDP much 192.0.2.7 61764 typ host\r\n",
        "a=candidate:1 1 UDP 5 192.0.2.7 61764 typ host raddr 1.2.3.4 rport many\r\n",
    ],
)
def test_what_is_no_fragment_is_refused(text: str):
    with pytest.raises(FragmentError):
        parse(text)
