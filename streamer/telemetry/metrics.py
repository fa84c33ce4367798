"""All Prometheus series, in one table: name, unit, meaning. No label names a session.

Each series is there from the start with 0, so that its first event is an increase: every value of a
label is known, and what is not counts as `other`.
"""

import os
from typing import Final, Literal, get_args

from prometheus_client import (
    CollectorRegistry,
    Gauge,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector

from sam2_rt.engine import TrackState
from streamer.message import ErrorCode
from streamer.session.admission import FullKind
from streamer.session.handover import How
from streamer.session.journey import Stage, Way
from streamer.session.prompt_queue import PromptKind
from streamer.session.viewer import Outcome
from streamer.telemetry.metrics_maker import Maker

__all__ = ["CONTENT_TYPE", "MULTIPROCESS", "Direction", "FrameDrop", "Gauge", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
MULTIPROCESS: Final = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's own variable: the folder in which several processes count together."""

OfferRefusal = (
    FullKind
    | Literal[
        "wrong_type",
        "too_large",
        "malformed",
        "unusable",
        "no_candidates",
        "timeout",
        "time_up",
        "other",
    ]
)
FrameDrop = Literal["slot", "stale", "too_large", "rate", "lost", "encode", "masks", "undecoded"]
PromptOutcome = Literal[
    "applied", "frame_lost", "bad_prompt", "too_many_tracks", "unknown_track", "nothing_to_undo"
]
ViewerState = Literal["active", "draining", "waiting"]
PassedOn = Literal["answered", "gone", "late"]
Direction = Literal["in", "out"]
Codec = Literal["H264", "VP8"]

# From a step of nano on a GPU to one of base-plus on two CPU cores.
_STEP_SECONDS: Final = (0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
_AGE_SECONDS: Final = (0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.5, 1.0, 2.0, 5.0)
# A stage may be a thousandth of the way, and may be all of it.
_STAGE_SECONDS: Final = (0.0005, 0.001, 0.002, *_AGE_SECONDS)
_DELAY_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
_BATCH_FRAMES: Final = (1, 2, 3, 4, 6, 8, 12, 16, 32, 64)
_RTT_SECONDS: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)


class Metrics:
    """The series of one service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        make = Maker(registry)
        self._add_service(make)
        self._add_frames(make)
        self._add_sessions(make)
        self._add_links(make)

    def _add_service(self, make: Maker) -> None:
        """The process and who comes in."""
        counter, gauge = make.counter, make.gauge
        self.ready = gauge(
            "ready", "1 when the engine is loaded and sessions are taken.", "livemin"
        )
        self.warm_up_seconds = gauge(
            "warm_up_seconds",
            "What loading, compiling and warming up took; 0 until then.",
            "livemax",
        )
        self.heartbeat_age_seconds = gauge(
            "engine_heartbeat_age_seconds",
            "Since the engine's last sign of life: the length of its step; 0 unless it is loaded.",
            "livemax",
        )
        self.engines_lost = counter(
            "engines_lost_total", "Engines whose process died; another was loaded."
        )
        self.loop_lag_seconds = gauge(
            "loop_lag_seconds",
            "Longest delay of a timer of the event loop in the last second.",
            "livemax",
        )
        self.loop_delay_seconds = make.histogram(
            "loop_delay_seconds", "Delays of a timer of the event loop.", _DELAY_SECONDS
        )
        self.places = gauge("places", "Sessions that the service takes at once.")
        self.sessions = gauge("sessions", "Sessions that are open.")
        self.viewers = make.gauges(
            "viewers",
            "Sessions that are open, active or draining, and viewers who were told to come again.",
            state=get_args(ViewerState),
        )
        self.offers_accepted = counter(
            "offers_accepted_total", "Offers that were answered, of viewers and of those who watch."
        )
        self.offers_refused = make.counters(
            "offers_refused_total", "Offers refused, by why.", reason=_values(OfferRefusal)
        )
        self.offers_passed_on = counter("offers_passed_on_total", "Offers that another pod took.")
        self.requests_passed_on = make.counters(
            "requests_passed_on_total",
            "Requests for sessions of other pods, by outcome.",
            outcome=get_args(PassedOn),
        )
        self.tokens_refused = counter("tokens_refused_total", "Requests without a good token.")

    def _add_frames(self, make: Maker) -> None:
        """What becomes of frames."""
        counter = make.counter
        self.frames_received = counter("frames_received_total", "Frames that arrived, decoded.")
        self.frames_processed = counter("frames_processed_total", "Frames that were stepped.")
        self.frames_dropped = make.counters(
            "frames_dropped_total",
            "Frames that went no further, by stage.",
            reason=get_args(FrameDrop),
        )
        self.frame_size_changes = counter(
            "frame_size_changes_total", "Frames of another size than the one before."
        )
        self.step_seconds = make.histogram(
            "step_seconds", "From the request of a step to its answer.", _STEP_SECONDS
        )
        self.batch_frames = make.histogram(
            "batch_frames",
            "Frames, of all streams, that the engine stepped at once.",
            _BATCH_FRAMES,
        )
        self.stage_seconds = make.histograms(
            "stage_seconds", "Time of a frame by stage.", _STAGE_SECONDS, stage=Stage
        )
        self.end_to_end_seconds = make.histograms(
            "end_to_end_seconds",
            "From a frame's first packet, by its RTP timestamp, to what left for it.",
            _AGE_SECONDS,
            output=Way,
        )
        self.mask_age_seconds = make.histogram(
            "mask_age_seconds", "From a frame's decoding to the sending of its masks.", _AGE_SECONDS
        )
        self.encoder_calls = counter("encoder_calls_total", "Calls of the image encoder.")
        self.mask_messages = counter("mask_messages_total", "Mask messages sent.")
        self.mask_bytes = counter("mask_bytes_total", "Bytes of the mask messages sent.")
        self.watched_frames = counter(
            "watched_frames_total", "Frames encoded for those who watch, once for all of them."
        )

    def _add_sessions(self, make: Maker) -> None:
        """What sessions are told, and how they end."""
        self.sessions_ended = make.counters(
            "sessions_ended_total", "Sessions that ended, by how.", outcome=Outcome
        )
        self.session_errors = make.counter("session_errors_total", "Our own faults in sessions.")
        self.watchers = make.gauge("watchers", "Connections that watch the video of a session.")
        self.resumes = make.counters(
            "resumes_total",
            "Resume tokens in offers, by outcome.",
            outcome=("taken", "refused"),
        )
        self.parked = make.gauge("parked", "Viewers that are away and whose tracks are kept.")
        self.streams_resumed = make.counters(
            "streams_resumed_total",
            "Sessions that went on, by what their tracks came from.",
            how=get_args(How),
        )
        self.prompts = make.counters(
            "prompts_total",
            "Prompts and removals, by kind and outcome.",
            kind=get_args(PromptKind),
            outcome=get_args(PromptOutcome),
        )
        self.messages_refused = make.counters(
            "messages_refused_total",
            "Control messages answered with an error.",
            code=get_args(ErrorCode),
        )
        self.tracks = make.gauges(
            "tracks", "Tracks in the last frames of the sessions.", state=TrackState
        )

    def _add_links(self, make: Maker) -> None:
        """What aiortc knows of the viewers' connections."""
        directions = get_args(Direction)
        self.videos = make.gauges(
            "videos",
            "Video streams of the viewers, by codec.",
            direction=directions,
            codec=get_args(Codec),
        )
        self.link_bytes = make.counters(
            "link_bytes_total",
            "Bytes of the viewers' connections: media, messages and their reports.",
            direction=directions,
        )
        self.packets = make.counters(
            "rtp_packets_total", "RTP packets of video.", direction=directions
        )
        self.packets_lost = make.counters(
            "rtp_packets_lost_total",
            "RTP packets of video that did not come; retransmission may have repaired it.",
            direction=directions,
        )
        self.key_frames_asked = make.counter(
            "key_frames_asked_total", "Key frames asked of viewers after what was not repaired."
        )
        self.rtt_seconds = make.histogram(
            "rtt_seconds", "Round trip to a viewer who takes video, each second.", _RTT_SECONDS
        )

    def exposition(self) -> bytes:
        """All series in the text format of CONTENT_TYPE; those of all media workers together."""
        if MULTIPROCESS not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


def _values(union: object) -> tuple[str, ...]:
    """Of a union of Literals."""
    return tuple(value for part in get_args(union) for value in get_args(part) or (part,))
