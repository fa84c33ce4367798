import pytest

from streamer.message import ProtocolError
from streamer.session.detection import DetectionMessage
from streamer.session.session_limits import TrackRoom


@pytest.mark.parametrize(
    ("box", "size", "expected"),
    [
        ((0.5, 0.5, 0.2, 0.4), None, (0.4, 0.3, 0.6, 0.7)),
        ((320, 180, 64, 36), (640, 360), (0.45, 0.45, 0.55, 0.55)),
        ((0.0, 1.0, 0.5, 0.5), None, (0.0, 0.75, 0.25, 1.0)),
    ],
)
def test_a_centre_and_a_size_become_corners_within_the_picture(box, size, expected):
    prompt = DetectionMessage(seq=1, box=box, size=size).to_prompt(5)
    assert prompt.box == pytest.approx(expected)
    assert prompt.track_id == 5


@pytest.mark.parametrize("box", [(2.0, 0.5, 0.1, 0.1), (0.5, 0.5, 0.0, 0.1), (0.5, 0.5, -1.0, 1.0)])
def test_a_box_beside_the_picture_or_without_area_is_a_bad_prompt(box):
    with pytest.raises(ProtocolError) as refusal:
        DetectionMessage(seq=9, box=box).to_prompt(1)
    assert (refusal.value.code, refusal.value.seq) == ("bad_prompt", 9)


def test_new_tracks_get_ids_that_nobody_has():
    room = TrackRoom(4)
    room.see([1, 1002])
    assert [room.name(), room.name()] == [1001, 1003]
