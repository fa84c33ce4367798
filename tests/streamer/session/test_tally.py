import numpy as np
import pytest

from fake_engine import NO_LOGITS
from sam2_rt.engine import StepResult, TrackMask, TrackState
from sam2_rt.tracking.frame import Frame
from streamer.rtc.packet_times import Packets
from streamer.session.journey import Journeys, StepTimes, TimedStep
from streamer.session.tally import Tally
from streamer.session.viewer import Arrival
from streamer.telemetry.metrics import Metrics

PLANES = tuple(np.zeros(size, np.uint8) for size in ((4, 4), (2, 2), (2, 2)))


def arrival(pts: int = 0) -> Arrival:
    return Arrival(Frame(pts, PLANES), 500 + pts, 1.25, Packets(1.0, 1.125))


def result(encoder_calls: int, *states: TrackState, encoded_s: float = 1.75) -> TimedStep:
    mask = None
    masks = tuple(TrackMask(i + 1, s, 1.0, 1.0, mask, NO_LOGITS) for i, s in enumerate(states))
    made = StepResult(encoder_calls - 1, 0, masks, (), (), (), encoder_calls)
    return TimedStep(made, StepTimes(begun_s=1.5, encoded_s=encoded_s, ended_s=2.0))


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"streamer_{name}", labels)


def test_a_step_counts_for_the_viewer_and_for_the_service():
    metrics = Metrics()
    tally = Tally(metrics)
    tally.receive()
    tally.step(arrival(), result(1, TrackState.VISIBLE, TrackState.LOST), 0.020)
    tally.drop("slot")
    report = tally.report(elapsed_s=0.5)
    assert (report.received, report.processed, report.fps) == (1, 1, 2.0)
    assert (report.dropped.slot, report.tracks, report.encoder_calls) == (1, 2, 1)
    assert report.step_ms.p95 == pytest.approx(20.0)
    assert value(metrics, "frames_processed_total") == 1
    assert value(metrics, "frames_dropped_total", reason="slot") == 1
    assert value(metrics, "encoder_calls_total") == 1
    assert value(metrics, "step_seconds_sum") == pytest.approx(0.020)


def test_what_never_came_out_of_the_decoder_is_counted_once():
    metrics = Metrics()
    tally = Tally(metrics)
    for so_far in (0, 3, 3, 5):
        tally.lose(so_far)
    assert value(metrics, "frames_dropped_total", reason="undecoded") == 5


def test_a_report_before_the_first_step_has_no_percentiles():
    report = Tally(Metrics()).report(elapsed_s=1.0)
    assert (report.step_ms.p50, report.fps) == (None, 0.0)


def test_tracks_of_all_sessions_add_up_and_leave_with_their_session():
    metrics = Metrics()
    first, second = Tally(metrics), Tally(metrics)
    first.step(arrival(), result(1, TrackState.VISIBLE, TrackState.VISIBLE), 0.01)
    second.step(arrival(), result(1, TrackState.VISIBLE), 0.01)
    first.step(arrival(), result(2, TrackState.VISIBLE, TrackState.OCCLUDED), 0.01)
    assert value(metrics, "tracks", state="visible") == 2
    assert value(metrics, "tracks", state="occluded") == 1
    first.close()
    second.close()
    assert value(metrics, "tracks", state="visible") == 0
    assert value(metrics, "tracks", state="occluded") == 0


def test_a_viewer_is_told_where_the_time_went():
    clock = iter([2.5, 2.625, 3.0])
    metrics = Metrics()
    tally = Tally(metrics, Journeys(lambda: next(clock)))
    tally.step(arrival(90), result(1), 0.75)
    tally.compose(90)
    tally.send_masks(90, 100)
    tally.send(90)
    report = tally.report(elapsed_s=1.0)
    stages = {stage: spent.p50 for stage, spent in report.stages_ms}
    in_order = {"receive": 125, "decode": 125, "queue": 250, "encode": 250, "track": 250}
    assert stages == {**in_order, "compose": 500, "send": 500, "masks": 625}
    assert report.end_to_end_ms.picture.p95 == sum(in_order.values()) + 1000
    assert report.end_to_end_ms.masks.p95 == sum(in_order.values()) + 625
    for stage, spent_ms in stages.items():
        assert value(metrics, "stage_seconds_sum", stage=stage) == pytest.approx(spent_ms / 1000)
    assert value(metrics, "end_to_end_seconds_sum", output="picture") == pytest.approx(2.0)
    assert value(metrics, "mask_age_seconds_sum") == pytest.approx(2.625 - 1.25)


def test_frames_that_were_not_encoded_do_not_make_the_encoder_look_fast():
    tally = Tally(metrics := Metrics())
    tally.step(arrival(90), result(0, encoded_s=1.5), 0.75)
    assert tally.report(elapsed_s=1.0).stages_ms.encode.p50 is None
    tally.step(arrival(91), result(1), 0.75)
    for pts in range(92, 96):
        tally.step(arrival(pts), result(1, encoded_s=1.5), 0.75)
    report = tally.report(elapsed_s=1.0)
    assert (report.stages_ms.encode.p50, report.stages_ms.track.p50) == (250, 500)
    assert value(metrics, "stage_seconds_count", stage="encode") == 1


def test_a_viewer_is_told_of_the_last_seconds():
    now_s = 10.0
    tally = Tally(Metrics(), clock=lambda: now_s)
    tally.step(arrival(90), result(1), 0.75)
    tally.send_masks(90, 100)
    now_s += 60
    report = tally.report(elapsed_s=60)
    assert report.step_ms.p50 is report.stages_ms.track.p50 is None
    assert report.end_to_end_ms.masks.p50 is None
    tally.step(arrival(91), result(2), 0.02)
    assert tally.report(elapsed_s=1.0).step_ms.p95 == 20


def test_a_viewer_who_takes_no_pictures_is_told_of_none():
    tally = Tally(Metrics())
    tally.step(arrival(90), result(1), 0.75)
    tally.send(90)
    report = tally.report(elapsed_s=1.0)
    assert report.stages_ms.compose.p50 is report.stages_ms.send.p50 is None
    assert report.end_to_end_ms.picture.p95 is None
