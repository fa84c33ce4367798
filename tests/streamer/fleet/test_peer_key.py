import pytest

from streamer.fleet.peer_key import SIGNED_S, PeerKey

KEY = PeerKey("a secret of at least thirty-two characters")
OTHER = PeerKey("another secret of at least thirty-two letters")
HERE, THERE = "http://10.0.0.1:8080", "http://10.0.0.2:8080"


def test_a_session_is_named_after_its_pod():
    session_id = KEY.name_session(HERE)
    assert KEY.owner_of(session_id) == KEY.tag(HERE) != KEY.tag(THERE)
    assert KEY.name_session(HERE) != session_id


def test_a_name_shows_no_address():
    assert "10" not in KEY.tag(HERE) + KEY.tag(THERE)
    assert KEY.tag(HERE) != OTHER.tag(HERE)


@pytest.mark.parametrize("change", [
    lambda name: name.replace(KEY.tag(HERE), KEY.tag(THERE)),
    lambda name: name[:-1] + ("A" if name[-1] != "A" else "B"),
    lambda name: name.rpartition(".")[0],
    lambda name: f"{KEY.tag(THERE)}.{name}",
    lambda _: "",
    lambda _: "..",
    lambda _: "é.é.é",
    lambda _: OTHER.name_session(HERE),
])  # fmt: skip
def test_a_name_that_no_pod_made_has_no_owner(change):
    assert KEY.owner_of(change(KEY.name_session(HERE))) is None


def test_a_request_is_signed_for_what_it_asks_and_for_a_while():
    header = KEY.sign("PATCH", "/whip/x?a=b", 1000.7)
    assert KEY.is_signed(header, "PATCH", "/whip/x?a=b", 1001)
    assert KEY.is_signed(header, "PATCH", "/whip/x?a=b", 1000 - SIGNED_S)
    assert not KEY.is_signed(header, "DELETE", "/whip/x?a=b", 1001)
    assert not KEY.is_signed(header, "PATCH", "/whip/y?a=b", 1001)
    assert not KEY.is_signed(header, "PATCH", "/whip/x?a=b", 1001 + SIGNED_S)
    assert not OTHER.is_signed(header, "PATCH", "/whip/x?a=b", 1001)


@pytest.mark.parametrize(
    "header", [None, "", ".", "1000", "1000.é", "²3.x", "9" * 5000 + ".x", "-1.x"]
)
def test_what_is_no_signature_signs_nothing(header: str | None):
    assert not KEY.is_signed(header, "GET", "/", 1000)
