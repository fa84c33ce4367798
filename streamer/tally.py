"""Tally: what one session counts, for its viewer's stats and for the service's metrics at once."""

from collections import Counter, deque
from collections.abc import Iterable
from typing import Literal

from sam2_rt.engine import StepResult, TrackState
from streamer.metrics import Metrics
from streamer.protocol import Dropped, StatsMessage, StepMs

DropReason = Literal["slot", "stale", "too_large", "lost", "encode", "masks"]

_KEPT_STEPS = 120
"""Whose durations the viewer's percentiles are of: some seconds."""


class Tally:
    """Counts of one session since it began."""

    def __init__(self, metrics: Metrics) -> None:
        self.received = 0
        self.processed = 0
        self.dropped: Counter[str] = Counter()
        self._metrics = metrics
        self._encoder_calls = 0
        self._calls_before = 0
        """Of the stream, before this session went on with it."""
        self._states: Counter[TrackState] = Counter()
        """Tracks of the last frame, by state."""
        self._step_s: deque[float] = deque(maxlen=_KEPT_STEPS)
        self._reported = 0
        """`processed` at the last report."""

    def go_on(self, encoder_calls: int) -> None:
        """The stream was another session's, with so many calls: those are counted already."""
        self._encoder_calls = self._calls_before = encoder_calls

    def receive(self) -> None:
        """A frame arrived."""
        self.received += 1
        self._metrics.frames_received.inc()

    def drop(self, reason: DropReason) -> None:
        """A frame went no further."""
        self.dropped[reason] += 1
        self._metrics.frames_dropped.labels(reason).inc()

    def lose(self, num_undecoded: int) -> None:
        """Frames that never came out of the decoder, in all so far."""
        since = num_undecoded - self.dropped["undecoded"]
        self.dropped["undecoded"] = num_undecoded
        self._metrics.frames_dropped.labels("undecoded").inc(since)

    def step(self, result: StepResult, duration_s: float) -> None:
        """A frame was processed."""
        self.processed += 1
        self._metrics.frames_processed.inc()
        self._step_s.append(duration_s)
        self._metrics.step_seconds.observe(duration_s)
        self._metrics.encoder_calls.inc(max(0, result.encoder_calls - self._encoder_calls))
        self._encoder_calls = result.encoder_calls
        self._show_states(mask.state for mask in result.masks)

    def send_masks(self, num_bytes: int, age_s: float) -> None:
        """A mask message left."""
        self._metrics.mask_messages.inc()
        self._metrics.mask_bytes.inc(num_bytes)
        self._metrics.mask_age_seconds.observe(age_s)

    def close(self) -> None:
        """The session has ended: its tracks are no longer there."""
        self._show_states(())

    def report(self, elapsed_s: float) -> StatsMessage:
        """The counts for the viewer, elapsed_s after the last report."""
        processed = self.processed - self._reported
        self._reported = self.processed
        return StatsMessage(
            received=self.received,
            processed=self.processed,
            dropped=Dropped(
                slot=self.dropped["slot"],
                stale=self.dropped["stale"],
                too_large=self.dropped["too_large"],
                lost=self.dropped["lost"],
                encode=self.dropped["encode"],
                masks=self.dropped["masks"],
            ),
            fps=round(processed / elapsed_s, 2),
            step_ms=StepMs(p50=self._step_ms(0.5), p95=self._step_ms(0.95)),
            encoder_calls=self._encoder_calls - self._calls_before,
            tracks=self._states.total(),
        )

    def _step_ms(self, quantile: float) -> float | None:
        if not self._step_s:
            return None
        durations = sorted(self._step_s)
        return round(1000 * durations[min(int(quantile * len(durations)), len(durations) - 1)], 2)

    def _show_states(self, states: Iterable[TrackState]) -> None:
        now = Counter(states)
        for state in now.keys() | self._states.keys():
            self._metrics.tracks.labels(state.value).inc(now[state] - self._states[state])
        self._states = now
