"""All Prometheus series, in one table: name, unit, meaning. No label names a session."""

from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4

# From a step of nano on a GPU to one of base-plus on two CPU cores.
_STEP_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_AGE_SECONDS: Final = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """The series of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"streamer_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"streamer_{name}", meaning, labels, registry=registry)

        def histogram(name: str, meaning: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"streamer_{name}", meaning, buckets=buckets, registry=registry)

        self.ready = gauge("ready", "1 when the engine is loaded and sessions are taken.")
        self.places = gauge("places", "Sessions that the service takes at once.")
        self.sessions = gauge("sessions", "Sessions that are open.")
        self.sessions_ended = counter(
            "sessions_ended_total", "Sessions that ended, by how.", "outcome"
        )
        self.watchers = gauge("watchers", "Connections that watch the video of a session.")
        self.watched_frames = counter(
            "watched_frames_total", "Frames encoded for those who watch, once for all of them."
        )
        self.offers_refused = counter("offers_refused_total", "Offers refused, by why.", "reason")
        self.tokens_refused = counter("tokens_refused_total", "Requests without a good token.")
        self.resumes = counter("resumes_total", "Resume tokens in offers, by outcome.", "outcome")
        self.parked = gauge("parked", "Viewers that are away and whose tracks are kept.")
        self.streams_resumed = counter(
            "streams_resumed_total", "Sessions that went on, by what their tracks came from.", "how"
        )
        self.session_errors = counter("session_errors_total", "Our own faults in sessions.")
        self.frames_received = counter("frames_received_total", "Frames that arrived, decoded.")
        self.frames_processed = counter("frames_processed_total", "Frames that were stepped.")
        self.frames_dropped = counter(
            "frames_dropped_total", "Frames that went no further, by stage.", "reason"
        )
        self.frame_size_changes = counter(
            "frame_size_changes_total", "Frames of another size than the one before."
        )
        self.step_seconds = histogram(
            "step_seconds", "From the request of a step to its answer.", _STEP_SECONDS
        )
        self.mask_age_seconds = histogram(
            "mask_age_seconds", "From a frame's arrival to the sending of its masks.", _AGE_SECONDS
        )
        self.prompts = counter("prompts_total", "Prompts and removals, by outcome.", "outcome")
        self.messages_refused = counter(
            "messages_refused_total", "Control messages answered with an error.", "code"
        )
        self.tracks = gauge("tracks", "Tracks in the last frames of the sessions.", "state")
        self.encoder_calls = counter("encoder_calls_total", "Calls of the image encoder.")
        self.mask_messages = counter("mask_messages_total", "Mask messages sent.")
        self.mask_bytes = counter("mask_bytes_total", "Bytes of the mask messages sent.")
        self.loop_lag_seconds = gauge(
            "loop_lag_seconds", "Longest delay of a timer of the event loop in the last second."
        )

    def exposition(self) -> bytes:
        """All series in the text format of CONTENT_TYPE."""
        return generate_latest(self.registry)
