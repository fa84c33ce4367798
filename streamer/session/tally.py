"""Tally: what one session counts, for its viewer's stats and for the service's metrics at once."""

import time
from collections import Counter
from collections.abc import Callable, Iterable

from sam2_rt.engine import TrackState
from streamer.session.journey import Journeys, Span, Stage, TimedStep, Way
from streamer.session.recent import Recent
from streamer.session.stats import Dropped, EndToEndMs, StagesMs, StatsMessage
from streamer.session.viewer import Arrival
from streamer.telemetry.frame_trace import FrameTraces
from streamer.telemetry.metrics import FrameDrop, Metrics


class Tally:
    """Counts of one session since it began."""

    def __init__(
        self,
        metrics: Metrics,
        journeys: Journeys | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """clock: by which the viewer's percentiles are of the last seconds."""
        self.received = 0
        self.processed = 0
        self.dropped: Counter[str] = Counter()
        self._metrics = metrics
        self._journeys = journeys or Journeys()
        self._encoder_calls = 0
        self._calls_before = 0
        """Of the stream, before this session went on with it."""
        self._states: Counter[TrackState] = Counter()
        """Tracks of the last frame, by state."""
        self._steps = Recent(clock)
        self._stages = {stage: Recent(clock) for stage in Stage}
        self._ways = {way: Recent(clock) for way in Way}
        self._reported = 0
        """`processed` at the last report."""
        self.traces: FrameTraces | None = None
        """Follows some of the frames; None: nobody wants to know."""

    def go_on(self, encoder_calls: int) -> None:
        """The stream was another session's, with so many calls: those are counted already."""
        self._encoder_calls = self._calls_before = encoder_calls

    def receive(self) -> None:
        """A frame arrived."""
        self.received += 1
        self._metrics.frames_received.inc()

    def drop(self, reason: FrameDrop) -> None:
        """A frame went no further."""
        self.dropped[reason] += 1
        self._metrics.frames_dropped.labels(reason).inc()

    def lose(self, num_undecoded: int) -> None:
        """Frames that never came out of the decoder, in all so far."""
        since = num_undecoded - self.dropped["undecoded"]
        self.dropped["undecoded"] = num_undecoded
        self._metrics.frames_dropped.labels("undecoded").inc(since)

    def step(self, arrival: Arrival, step: TimedStep, duration_s: float) -> None:
        """A frame was processed, duration_s after the request."""
        result = step.result
        self.processed += 1
        self._metrics.frames_processed.inc()
        self._steps.add(duration_s)
        self._metrics.step_seconds.observe(duration_s)
        self._metrics.encoder_calls.inc(max(0, result.encoder_calls - self._encoder_calls))
        self._encoder_calls = result.encoder_calls
        self._show_states(mask.state for mask in result.masks)
        if self.traces is not None:
            self.traces.begin(arrival, len(result.masks))
        for span in self._journeys.step(arrival, step.times):
            self._pass(arrival.frame.pts, span)

    def compose(self, pts: int) -> None:
        """The picture of a frame was left for the video encoder."""
        self._pass(pts, self._journeys.compose(pts))

    def send(self, pts: int) -> None:
        """The last packet of a frame's picture left."""
        span = self._journeys.send(pts)
        self._pass(pts, span)
        self._arrive(Way.PICTURE, pts, span)

    def send_masks(self, pts: int, num_bytes: int) -> None:
        """The mask message of a frame left."""
        self._metrics.mask_messages.inc()
        self._metrics.mask_bytes.inc(num_bytes)
        span = self._journeys.send_masks(pts)
        self._pass(pts, span)
        self._arrive(Way.MASKS, pts, span)

    def close(self) -> None:
        """The session has ended: its tracks are no longer there."""
        self._show_states(())
        if self.traces is not None:
            self.traces.close()

    def totals(self) -> dict[str, int]:
        """What became of the frames, for the log."""
        dropped = self.dropped.total()
        return {"received": self.received, "processed": self.processed, "dropped": dropped}

    def report(self, elapsed_s: float) -> StatsMessage:
        """The counts for the viewer, elapsed_s after the last report."""
        if self.traces is not None:
            self.traces.flush()
        processed = self.processed - self._reported
        self._reported = self.processed
        return StatsMessage(
            received=self.received,
            processed=self.processed,
            dropped=Dropped(
                slot=self.dropped["slot"],
                stale=self.dropped["stale"],
                too_large=self.dropped["too_large"],
                rate=self.dropped["rate"],
                lost=self.dropped["lost"],
                encode=self.dropped["encode"],
                masks=self.dropped["masks"],
            ),
            fps=round(processed / elapsed_s, 2),
            step_ms=self._steps.percentiles(),
            stages_ms=StagesMs(
                **{stage.value: recent.percentiles() for stage, recent in self._stages.items()}
            ),
            end_to_end_ms=EndToEndMs(
                **{way.value: recent.percentiles() for way, recent in self._ways.items()}
            ),
            encoder_calls=self._encoder_calls - self._calls_before,
            tracks=self._states.total(),
        )

    def _pass(self, pts: int, span: Span | None) -> None:
        """A frame has a stage behind it."""
        if span is None:
            return
        self._stages[span.stage].add(span.duration_s)
        self._metrics.stage_seconds.labels(span.stage.value).observe(span.duration_s)
        if self.traces is not None:
            self.traces.add(pts, span)

    def _arrive(self, way: Way, pts: int, last: Span | None) -> None:
        """A frame's answer has left at the end of the span."""
        journey = self._journeys.find(pts)
        if journey is None or last is None:
            return
        whole_s = max(0.0, last.ended_s - journey.begun_s)
        self._ways[way].add(whole_s)
        self._metrics.end_to_end_seconds.labels(way.value).observe(whole_s)
        if way is Way.MASKS:
            age_s = max(0.0, last.ended_s - journey.arrival.at_s)
            self._metrics.mask_age_seconds.observe(age_s)

    def _show_states(self, states: Iterable[TrackState]) -> None:
        now = Counter(states)
        for state in now.keys() | self._states.keys():
            self._metrics.tracks.labels(state.value).inc(now[state] - self._states[state])
        self._states = now
