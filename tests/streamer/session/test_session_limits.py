from itertools import pairwise

import pytest

from sam2_rt.tracking.prompt import Point, Prompt
from streamer.protocol import ProtocolError
from streamer.session.prompt_queue import Asked, GivenUp
from streamer.session.session_limits import Allowance, FrameRate, TrackRoom


def taken(max_fps: float | None, sent_fps: float, seconds: float = 10) -> list[float]:
    rate = FrameRate(max_fps)
    times = [index / sent_fps for index in range(int(seconds * sent_fps))]
    return [at_s for at_s in times if rate.takes(at_s)]


@pytest.mark.parametrize(("limit", "sent"), [(10, 30), (15, 30), (20, 30), (25, 30), (7, 60)])
def test_as_many_frames_are_taken_as_the_limit_says_and_evenly(limit: float, sent: float):
    times = taken(limit, sent)
    assert 0.9 * 10 * limit <= len(times) <= 10 * limit + 1
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) - min(gaps) <= 2 / sent + 1e-9


def test_a_slower_stream_and_one_without_a_limit_are_taken_whole():
    assert len(taken(30, 30)) == len(taken(31, 30)) == len(taken(None, 30)) == 300


def test_a_pause_earns_no_burst():
    rate = FrameRate(10)
    assert rate.takes(0.0)
    burst = [rate.takes(60 + index / 100) for index in range(20)]
    assert sum(burst) <= 3


def test_an_allowance_comes_back_with_time():
    now_s = 0.0
    allowance = Allowance(2.0, lambda: now_s)
    allowance.spend(2, 1)
    with pytest.raises(ProtocolError, match="more than 2 prompts a second") as refusal:
        allowance.spend(1, 7)
    assert (refusal.value.code, refusal.value.seq) == ("too_many_prompts", 7)
    now_s = 0.5
    allowance.spend(1, 1)
    now_s = 100.0
    with pytest.raises(ProtocolError):
        allowance.spend(3, 1)  # what was not used is not kept
    allowance.spend(2, 1)


def test_less_than_one_a_second_is_one_now_and_then():
    now_s = 0.0
    allowance = Allowance(0.5, lambda: now_s)
    allowance.spend(1, 1)
    now_s = 1.0
    with pytest.raises(ProtocolError):
        allowance.spend(1, 1)
    now_s = 2.0
    allowance.spend(1, 1)


def test_a_removal_makes_room_in_the_same_step():
    room = TrackRoom(1)
    ask = {i: Asked(i, Prompt(i, points=(Point(0.5, 0.5, True),)), None) for i in (1, 2)}
    room.see([1])
    assert room.admit([], [ask[2], ask[1]]) == ([ask[1]], [ask[2]])
    assert room.admit([GivenUp(None, 1)], [ask[2]]) == ([ask[2]], [])
