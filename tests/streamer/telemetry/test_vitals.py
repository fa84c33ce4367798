from types import SimpleNamespace

import pytest

from streamer.telemetry.metrics import Metrics
from streamer.telemetry.vitals import Vitals
from streamer.worker import WorkerState


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Serving:
    def __init__(self, state: WorkerState = WorkerState.READY, silent_s: float = 0.0) -> None:
        self.worker = SimpleNamespace(state=state, silent_s=silent_s, warm_up_s=2.5)
        self.is_draining = self.is_stopping = False
        self.num_open = 3


def shown(vitals: Vitals, name: str, **labels: str) -> float:
    metrics = Metrics()
    vitals.show(metrics)
    return metrics.registry.get_sample_value(f"streamer_{name}", labels)


@pytest.mark.parametrize(
    ("state", "silent_s", "words"),
    [
        (WorkerState.READY, 59.0, None),
        (WorkerState.READY, 61.0, "the engine has been silent for 61 s"),
        (WorkerState.LOADING, 0.0, None),
        (WorkerState.DEAD, 0.0, "the engine's thread died"),
    ],
)
def test_it_lives_while_its_engine_gives_signs_of_life(
    state: WorkerState, silent_s: float, words: str | None
):
    assert Vitals(Serving(state, silent_s), stall_s=60).why_dead == words


def test_it_is_ready_when_it_is_warm_and_stays():
    serving = Serving(WorkerState.LOADING)
    vitals = Vitals(serving, stall_s=60)
    assert vitals.why_unready == "loading"
    serving.worker.state = WorkerState.READY
    assert vitals.why_unready is None
    assert shown(vitals, "ready") == 1
    serving.is_draining = True
    assert vitals.why_unready == "draining"
    assert shown(vitals, "ready") == 0
    serving.is_stopping = True
    assert vitals.why_unready == "stopping"


def test_a_viewer_who_was_turned_away_waits_until_it_asks_again():
    clock = Clock()
    vitals = Vitals(Serving(), stall_s=60, clock=clock)
    assert vitals.waiting == 0
    vitals.turn_away(retry_after_s=5)
    clock.now_s += 4
    vitals.turn_away(retry_after_s=2)
    assert vitals.waiting == shown(vitals, "viewers", state="waiting") == 2
    clock.now_s += 2.5
    assert vitals.waiting == 1
    clock.now_s += 1
    assert vitals.waiting == 0


def test_those_who_wait_are_counted_up_to_a_bound():
    vitals = Vitals(Serving(), stall_s=60, clock=Clock())
    for _ in range(3000):
        vitals.turn_away(retry_after_s=5)
    assert vitals.waiting == 1024


def test_sessions_are_active_until_they_drain():
    serving = Serving()
    vitals = Vitals(serving, stall_s=60)
    assert shown(vitals, "viewers", state="active") == shown(vitals, "sessions") == 3
    assert shown(vitals, "viewers", state="draining") == 0
    serving.is_draining = True
    assert shown(vitals, "viewers", state="active") == 0
    assert shown(vitals, "viewers", state="draining") == shown(vitals, "sessions") == 3


def test_what_warming_up_took_and_how_long_the_engine_is_at_a_step_are_shown():
    vitals = Vitals(Serving(silent_s=0.25), stall_s=60)
    assert shown(vitals, "warm_up_seconds") == 2.5
    assert shown(vitals, "engine_heartbeat_age_seconds") == 0.25
