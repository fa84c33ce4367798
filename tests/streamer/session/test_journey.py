from itertools import pairwise

import numpy as np
import pytest

from sam2_rt.tracking.frame import Frame
from streamer.rtc.packet_times import Packets
from streamer.session.journey import Journeys, Span, Stage, StepTimes
from streamer.session.viewer import Arrival

PLANES = tuple(np.zeros(size, np.uint8) for size in ((4, 4), (2, 2), (2, 2)))
PACKETS = Packets(first_s=1.0, complete_s=1.125)
TIMES = StepTimes(begun_s=1.5, encoded_s=1.75, ended_s=2.0)


class Clock:
    now_s = 2.0

    def __call__(self) -> float:
        return self.now_s


def arrival(pts: int, packets: Packets | None = PACKETS) -> Arrival:
    return Arrival(Frame(pts, PLANES), 500 + pts, 1.25, packets)


def test_the_stages_of_a_frame_follow_each_other_from_its_first_packet():
    clock = Clock()
    journeys = Journeys(clock)
    spans = list(journeys.step(arrival(90), TIMES))
    clock.now_s = 2.5
    spans.append(journeys.compose(90))
    clock.now_s = 3.0
    spans.append(journeys.send(90))
    assert [span.stage for span in spans] == list(Stage)[:-1]
    assert all(a.ended_s == b.begun_s for a, b in pairwise(spans))
    assert (spans[0].begun_s, spans[-1].ended_s) == (1.0, 3.0)
    assert journeys.find(90).begun_s == 1.0


def test_masks_leave_beside_the_picture():
    clock = Clock()
    journeys = Journeys(clock)
    list(journeys.step(arrival(90), TIMES))
    clock.now_s = 2.25
    assert journeys.send_masks(90) == Span(Stage.MASKS, 2.0, 2.25)


def test_a_frame_without_packets_begins_with_its_picture():
    journeys = Journeys(Clock())
    spans = list(journeys.step(arrival(90, packets=None), TIMES))
    assert [span.stage for span in spans] == [Stage.QUEUE, Stage.ENCODE, Stage.TRACK]
    assert journeys.find(90).begun_s == 1.25


def test_a_frame_that_was_not_encoded_has_no_such_stage():
    times = StepTimes(begun_s=1.5, encoded_s=1.5, ended_s=2.0)
    spans = list(Journeys(Clock()).step(arrival(90, packets=None), times))
    assert [(span.stage, span.duration_s) for span in spans] == [
        (Stage.QUEUE, 0.25),
        (Stage.TRACK, 0.5),
    ]


def test_a_frame_that_was_never_stepped_or_is_too_long_ago_has_no_stage():
    journeys = Journeys(Clock())
    for pts in range(20):
        list(journeys.step(arrival(pts), TIMES))
    assert journeys.send_masks(3) is None
    assert journeys.compose(99) is None
    assert journeys.send(19) is None, "its picture was not composed"
    assert journeys.send_masks(19) is not None


@pytest.mark.parametrize(("ended_s", "duration_s"), [(1.5, 0.5), (0.75, 0.0)])
def test_no_stage_takes_less_than_no_time(ended_s: float, duration_s: float):
    assert Span(Stage.QUEUE, 1.0, ended_s).duration_s == duration_s
