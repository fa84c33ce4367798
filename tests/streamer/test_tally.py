import pytest

from fake_engine import NO_LOGITS
from sam2_rt.engine import StepResult, TrackMask, TrackState
from streamer.metrics import Metrics
from streamer.tally import Tally


def result(encoder_calls: int, *states: TrackState) -> StepResult:
    mask = None
    masks = tuple(TrackMask(i + 1, s, 1.0, 1.0, mask, NO_LOGITS) for i, s in enumerate(states))
    return StepResult(encoder_calls - 1, 0, masks, (), (), (), encoder_calls)


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"streamer_{name}", labels)


def test_a_step_counts_for_the_viewer_and_for_the_service():
    metrics = Metrics()
    tally = Tally(metrics)
    tally.receive()
    tally.step(result(1, TrackState.VISIBLE, TrackState.LOST), 0.020)
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
    first.step(result(1, TrackState.VISIBLE, TrackState.VISIBLE), 0.01)
    second.step(result(1, TrackState.VISIBLE), 0.01)
    first.step(result(2, TrackState.VISIBLE, TrackState.OCCLUDED), 0.01)
    assert value(metrics, "tracks", state="visible") == 2
    assert value(metrics, "tracks", state="occluded") == 1
    first.close()
    second.close()
    assert value(metrics, "tracks", state="visible") == 0
    assert value(metrics, "tracks", state="occluded") == 0
