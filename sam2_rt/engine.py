"""Engine: one model on one device; steps trackers of many streams, answers in plain values."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from sam2_rt.answers import Begun, answers
from sam2_rt.fault import EngineLost, StreamLost, TickLost
from sam2_rt.model import zoo
from sam2_rt.placement import RECORDED_ROWS, calls_of, check_alive, device_of, dtype_of, pool_of
from sam2_rt.steps import (
    Adopted,
    EngineInfo,
    StepRequest,
    StepResult,
    TrackMask,
    UnknownStream,
)
from sam2_rt.stopwatch import Stopwatch
from sam2_rt.tick import Turn, each, tick
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Applied, Point, Prompt, Refused
from sam2_rt.tracking.track_state import EventKind, PresenceLimits, TrackEvent, TrackState
from sam2_rt.tracking.tracker import Tracker, TrackerConfig

__all__ = [
    "Adopted",
    "Applied",
    "Engine",
    "EngineConfig",
    "EngineInfo",
    "EngineLost",
    "EventKind",
    "PresenceLimits",
    "Refused",
    "StepRequest",
    "StepResult",
    "StreamLost",
    "TickLost",
    "TrackEvent",
    "TrackMask",
    "TrackState",
    "TrackerConfig",
    "UnknownStream",
]


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Which model runs where, and the bounds of each stream."""

    model: str = "nano"
    image_size: int | None = None
    """Side of the model's input in pixels; None: the model's own."""
    checkpoint: Path | None = None
    """Weights to load instead of the model's own."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`...; auto takes a GPU when there is one."""
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the weights and the arithmetic. auto: exact on a CPU, bfloat16 on a GPU, as published."""
    threads: int | None = None
    """CPU threads of torch; None: torch's own choice."""
    tracker: TrackerConfig = field(default_factory=TrackerConfig)
    pool_tracks: int | None = None
    """Tracks of all streams that the device has room for; None: by its free memory, DEFAULT_TRACKS
    on a CPU."""
    compiled_rows: int = 0
    """Largest batch of frames or tracks that is compiled, a power of two; 0: nothing is.

    Needs a C++ compiler; the first start takes minutes, the next ones read a cache on disk."""
    recorded_rows: int = RECORDED_ROWS
    """Where nothing is compiled, a GPU records the model for batches up to this; 0: it does not."""


class Engine:
    """Steps the trackers of many streams. All calls come from one thread."""

    def __init__(
        self, calls: Calls, info: EngineInfo, tracker: TrackerConfig, pool_tracks: int | None = None
    ) -> None:
        self.calls = calls
        self.info = info
        self.pool = pool_of(calls.model, tracker, pool_tracks)
        self._tracker_config = tracker
        self._streams: dict[int, Tracker] = {}
        self._parked: dict[int, Tracker] = {}  # not stepped for now; the longest parked first
        self._next_stream_id = 0

    @classmethod
    def load(cls, config: EngineConfig) -> "Engine":
        """Builds, fills and warms up the model; seconds to minutes, by its size.

        Raises ValueError for a device or size, zoo.UnknownModel, zoo.NotFetched or
        checkpoint.CheckpointError.
        """
        if config.threads is not None:
            torch.set_num_threads(config.threads)
        device = device_of(config.device)
        dtype = dtype_of(config.dtype, device)
        model = zoo.load(
            config.model,
            config.checkpoint,
            device=str(device),
            dtype=dtype,
            image_size=config.image_size,
        )
        info = EngineInfo(
            model=config.model,
            image_size=model.config.image_size,
            device=str(device),
            dtype=str(dtype).removeprefix("torch."),
            is_trained=zoo.is_trained(config.model, config.checkpoint),
            max_tracks=config.tracker.max_tracks,
        )
        rows = config.compiled_rows, config.tracker.max_conditioning, config.recorded_rows
        calls = calls_of(model, *rows)
        engine = cls(calls, info, config.tracker, config.pool_tracks)
        engine.warm_up()
        return engine

    def warm_up(self) -> None:
        """Compiles if it should; runs a prompted and a propagated frame: no viewer waits for it."""
        self.calls.warm_up()
        stream_id = self.open()
        grey = np.full((32, 32), 128, np.uint8)
        planes = (grey, grey[:16, :16], grey[:16, :16])
        prompt = Prompt(1, points=(Point(0.5, 0.5),))
        for pts, prompts in enumerate([(prompt,), ()]):
            for fault in self.step([StepRequest(stream_id, Frame(pts, planes), prompts)]):
                if isinstance(fault, Exception):
                    raise fault
        self.close(stream_id)

    def open(self) -> int:
        """Begins a stream; returns its id."""
        stream_id = self._next_stream_id
        self._next_stream_id += 1
        self._streams[stream_id] = Tracker(self.calls, self._tracker_config, self.pool)
        return stream_id

    def close(self, stream_id: int) -> None:
        """Ends a stream and gives its memory back; closing twice is no error."""
        tracker = self._streams.pop(stream_id, None) or self._parked.pop(stream_id, None)
        if tracker is not None:
            tracker.close()

    def park(self, stream_id: int) -> tuple[int, ...]:
        """Keeps the tracks of a stream that rests, with their memory, and none of its frames.

        Returns their ids; without any the stream is closed. It leaves unasked, the longest parked
        first, when another stream needs its room. Raises KeyError for a stream that is not open.
        """
        tracker = self._streams.pop(stream_id)
        if tracker.tracks:
            tracker.forget_frames()
            self._parked[stream_id] = tracker
        return tuple(sorted(tracker.tracks))

    def adopt(self, stream_id: int) -> Adopted | None:
        """Lets a parked stream go on under its id; None when it had to leave."""
        tracker = self._parked.pop(stream_id, None)
        if tracker is None:
            return None
        self._streams[stream_id] = tracker
        return Adopted(tuple(sorted(tracker.tracks)), tracker.encoder_calls)

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        """One frame of each stream, all as one batch; one answer a request, in order.

        An exception is the answer to its own request and touches no other stream: TickLost when
        the stream only lost this frame, UnknownStream, or a fault of its own. No stream has two
        requests. Raises EngineLost when the device does not answer any more.
        """
        begun = each(self._begin, requests)
        self._make_room([one.turn for one in begun if isinstance(one, Begun)])
        turns = [one.turn for one in begun if isinstance(one, Begun)]
        device = self.calls.model.no_mem_embed.device
        watch = Stopwatch(device)
        ticked = iter(tick(self.calls, turns, watch.stop))
        predictions = [next(ticked) if isinstance(one, Begun) else one for one in begun]
        if any(isinstance(one, Exception) for one in predictions):
            check_alive(device)
        found = answers(begun, predictions, watch.seconds())
        if any(isinstance(one, Exception) for one in found):  # what failed late on the device
            check_alive(device)
        return found

    def _make_room(self, turns: Sequence[Turn]) -> None:
        """Parked streams give way to tracks that begin."""
        num_new = sum(turn.tracker.num_beginning(turn.prompts) for turn in turns)
        while self._parked and self.pool.num_free < num_new:
            self.close(next(iter(self._parked)))

    def _begin(self, request: StepRequest) -> Begun:
        tracker = self._streams.get(request.stream_id)
        if tracker is None:
            raise UnknownStream(request.stream_id)
        removals = tuple(tracker.remove(track_id) for track_id in request.removals)
        turn = Turn(tracker, request.frame, request.prompts, request.is_again)
        return Begun(turn, removals)
