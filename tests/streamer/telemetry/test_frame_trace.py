import numpy as np

from sam2_rt.tracking.frame import Frame
from streamer.session.journey import Span, Stage
from streamer.session.viewer import Arrival
from streamer.telemetry.frame_trace import FrameTrace, FrameTraces

PLANES = tuple(np.zeros(size, np.uint8) for size in ((4, 6), (2, 3), (2, 3)))
QUEUE, TRACK = Span(Stage.QUEUE, 1.0, 1.5), Span(Stage.TRACK, 1.5, 2.0)


class Tracer:
    def __init__(self, sample: float) -> None:
        self.sample = sample
        self.emitted: list[FrameTrace] = []

    def emit(self, trace: FrameTrace) -> None:
        self.emitted.append(trace)

    @property
    def timestamps(self) -> list[int]:
        return [trace.in_rtp for trace in self.emitted]


def arrival(pts: int) -> Arrival:
    return Arrival(Frame(pts, PLANES), 500 + pts, 0.0)


def test_a_frame_is_handed_on_with_its_stages_a_second_after_its_step():
    tracer = Tracer(sample=1.0)
    traces = FrameTraces("abc", tracer)
    traces.begin(arrival(90), num_tracks=2)
    traces.add(90, QUEUE)
    traces.flush()
    traces.add(90, TRACK)
    assert tracer.emitted == []
    traces.flush()
    (trace,) = tracer.emitted
    assert (trace.session_id, trace.in_rtp, trace.num_tracks) == ("abc", 590, 2)
    assert (trace.width, trace.height, trace.spans) == (6, 4, [QUEUE, TRACK])
    traces.add(90, TRACK)
    traces.close()
    assert len(tracer.emitted) == 1


def test_as_many_frames_are_followed_as_are_wanted():
    tracer = Tracer(sample=0.25)
    draws = iter([0.1, 0.3, 0.25, 0.0])
    traces = FrameTraces("abc", tracer, lambda: next(draws))
    for pts in range(4):
        traces.begin(arrival(pts), num_tracks=0)
        traces.add(pts, QUEUE)
    traces.close()
    assert tracer.timestamps == [500, 503]


def test_no_more_are_held_than_a_few():
    tracer = Tracer(sample=1.0)
    traces = FrameTraces("abc", tracer)
    for pts in range(100):
        traces.begin(arrival(pts), num_tracks=0)
    assert tracer.timestamps == list(range(500, 596))
    traces.close()
    assert tracer.timestamps == list(range(500, 600))
