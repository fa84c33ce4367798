import json

import numpy as np
import pytest

from sam2_rt import rle
from sam2_rt.tracking.prompt import Point
from streamer import protocol
from streamer.protocol import ProtocolError


def said(**message: object) -> str:
    return json.dumps(message)


def test_a_prompt_with_points_and_box_is_read():
    text = said(
        type="prompt",
        seq=4,
        track_id=2,
        rtp_timestamp=4_294_967_295,
        points=[[0.5, 1, 1], [0, 0.25, 0]],
        box=[0, 0.1, 0.5, 1],
        clear=True,
    )
    message = protocol.parse_client(text)
    assert isinstance(message, protocol.PromptMessage)
    prompt = message.to_prompt(pts=9)
    assert prompt.points == (Point(0.5, 1.0), Point(0.0, 0.25, is_positive=False))
    assert (prompt.track_id, prompt.pts, prompt.box) == (2, 9, (0.0, 0.1, 0.5, 1.0))
    assert prompt.clear


def test_an_undo_names_its_track():
    message = protocol.parse_client(said(type="undo", seq=4, track_id=2))
    assert message == protocol.UndoMessage(seq=4, track_id=2)


def test_a_mask_prompt_carries_coco_run_lengths():
    mask = np.zeros((6, 8), np.bool_)
    mask[2:4, 3:6] = True
    text = said(type="prompt", seq=0, track_id=1, mask=rle.to_json(mask))
    message = protocol.parse_client(text)
    assert isinstance(message, protocol.PromptMessage)
    assert np.array_equal(message.to_prompt().mask, mask)


@pytest.mark.parametrize(
    ("text", "code", "seq"),
    [
        ("{", "bad_json", None),
        ("", "bad_json", None),
        ("[" * 60_000, "bad_json", None),
        (b"\x00\x01", "bad_message", None),
        ("[]", "bad_message", None),
        ("null", "bad_message", None),
        (said(type="shout", seq=3), "bad_message", 3),
        (said(seq=3), "bad_message", 3),
        (said(type="ping"), "bad_message", None),
        (said(type="ping", seq=-1), "bad_message", None),
        (said(type="ping", seq=2**32 - 1), "bad_message", None),
        (said(type="ping", seq="1"), "bad_message", None),
        (said(type="ping", seq=1, more=2), "bad_message", 1),
        (said(type="configure", seq=8, output="mirror"), "bad_message", 8),
        (said(type="prompt", seq=5, track_id="1"), "bad_message", 5),
        (said(type="prompt", seq=5, track_id=1, points=[[0.1, 0.1]]), "bad_message", 5),
        (said(type="prompt", seq=5, track_id=1, points=[[0.1, 0.1, 2]]), "bad_message", 5),
        (said(type="prompt", seq=5, track_id=1, points=[[float("nan"), 0, 1]]), "bad_message", 5),
        (said(type="prompt", seq=5, track_id=1, rtp_timestamp=2**32), "bad_message", 5),
        ('{"type": "x", "seq": ' + "1" * 4000 + "}", "bad_message", None),
        (said(type="prompt", seq=6, track_id=0, points=[[0.5, 0.5, 1]]), "bad_message", 6),
        (said(type="prompt", seq=6, track_id=65_536, points=[[0.5, 0.5, 1]]), "bad_message", 6),
        (said(type="remove", seq=7, track_id=0), "bad_message", 7),
        (said(type="remove", seq=7, track_id=65_536), "bad_message", 7),
        (said(type="undo", track_id=1), "bad_message", None),
        (said(type="undo", seq=7, track_id=0), "bad_message", 7),
        (said(type="undo", seq=7, track_id=1, rtp_timestamp=4), "bad_message", 7),
        (said(type="ping", seq=1, x="y" * 70_000), "too_large", None),
        ("é" * 40_000, "too_large", None),
    ],
)
def test_what_cannot_be_read_has_a_code_and_its_seq(text: str | bytes, code: str, seq: int | None):
    with pytest.raises(ProtocolError) as caught:
        protocol.parse_client(text)
    assert (caught.value.code, caught.value.seq) == (code, seq)


@pytest.mark.parametrize(
    "long", [said(type="y" * 9000), said(type="ping", seq=1, **{"z" * 9000: 1})]
)
def test_an_error_quotes_no_more_than_a_little_of_what_was_said(long: str):
    with pytest.raises(ProtocolError) as caught:
        protocol.parse_client(long)
    assert len(str(caught.value)) == 200


@pytest.mark.parametrize(
    "parts",
    [
        {},
        {"points": [[1.1, 0.5, 1]]},
        {"points": [[0.5, -0.1, 1]]},
        {"points": [[0.5, 0.5, 1]] * 33},
        {"box": [0.5, 0.5, 0.5, 0.9]},
        {"box": [0.9, 0, 0.1, 1]},
        {"mask": {"size": [2, 2], "counts": "~~"}},
        {"mask": {"size": [2, 2], "counts": "9"}},
        {"mask": {"size": [-2, -2], "counts": "4"}},
        {"mask": {"size": [100_000, 100_000], "counts": "4"}},
        {"mask": {"size": [2, 2], "counts": "4"}, "points": [[0.5, 0.5, 1]]},
    ],
)
def test_a_prompt_out_of_range_is_a_bad_prompt(parts: dict[str, object]):
    message = protocol.parse_client(said(**{"type": "prompt", "seq": 6, "track_id": 1} | parts))
    assert isinstance(message, protocol.PromptMessage)
    with pytest.raises(ProtocolError) as caught:
        message.to_prompt()
    assert (caught.value.code, caught.value.seq) == ("bad_prompt", 6)


@pytest.mark.parametrize(
    "message",
    [
        protocol.PongMessage(seq=4),
        protocol.AckMessage(seq=1),
        protocol.AckMessage(
            seq=None,
            track_id=3,
            frame=protocol.FrameName(index=5, rtp_timestamp=6),
            applied_to="newest",
        ),
        protocol.ErrorMessage(code="busy", message="later"),
        protocol.HelloMessage(
            session="s",
            model=protocol.ModelDescription(
                name="nano", image_size=256, device="cpu", is_trained=False
            ),
            limits=protocol.Limits(max_tracks=4),
        ),
    ],
)
def test_a_server_message_survives_the_wire(message: protocol.ServerMessage):
    assert protocol.parse_server(message.model_dump_json()) == message


def test_a_message_of_exactly_the_limit_is_read():
    padding = " " * (protocol.MAX_MESSAGE_BYTES - len(said(type="ping", seq=1)))
    assert protocol.parse_client(said(type="ping", seq=1) + padding) == protocol.PingMessage(seq=1)


@pytest.mark.parametrize(
    ("later", "earlier", "ticks"),
    [(10, 4, 6), (4, 10, -6), (5, 2**32 - 5, 10), (2**32 - 5, 5, -10), (2**31, 0, -(2**31))],
)
def test_rtp_timestamps_wrap(later: int, earlier: int, ticks: int):
    assert protocol.rtp_difference(later, earlier) == ticks
