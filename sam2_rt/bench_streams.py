"""`sam2-rt bench --streams N`: N live streams in one batch, beside N engines that take turns."""

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.progress import track

from sam2_rt.data.ball_clip import make_clip
from sam2_rt.engine import Engine, EngineInfo, StepRequest, StepResult, TrackerConfig
from sam2_rt.model.config import NUM_RECENT
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.track_state import PresenceLimits

ALWAYS_SOUGHT = PresenceLimits(drop_after_frames=1_000_000)


@dataclass(frozen=True, slots=True)
class Streams:
    """Ticks with full banks: one frame of every stream each, both ways in turn."""

    batched_s: tuple[float, ...]
    in_turn_s: tuple[float, ...]
    """The same frames, one stream after the other."""
    num_streams: int

    @property
    def batched_fps(self) -> float:
        """Frames a second over all streams."""
        return self.num_streams / statistics.median(self.batched_s)

    @property
    def in_turn_fps(self) -> float:
        """Likewise."""
        return self.num_streams / statistics.median(self.in_turn_s)

    @property
    def ratio(self) -> float:
        """Of throughputs."""
        return self.batched_fps / self.in_turn_fps

    @property
    def p50_ms(self) -> float:
        """Of a batched tick, which is the step latency of each of its streams."""
        return float(np.percentile(self.batched_s, 50)) * 1e3

    @property
    def p99_ms(self) -> float:
        """Likewise."""
        return float(np.percentile(self.batched_s, 99)) * 1e3


def time_streams(calls: Calls, info: EngineInfo, streams: int, tracks: int, ticks: int) -> Streams:
    """Streams show the same clip, each from another frame on; every stream has so many tracks."""
    config = TrackerConfig(max_tracks=tracks, presence=ALWAYS_SOUGHT)
    together = Engine(calls, info, config, pool_tracks=streams * tracks)
    alone = [Engine(calls, info, config, pool_tracks=tracks) for _ in range(streams)]
    shared = [together.open() for _ in alone]
    own = [engine.open() for engine in alone]
    batched: list[float] = []
    in_turn: list[float] = []
    for frames in track(_ticks(streams, NUM_RECENT + 1 + ticks), "streams", transient=True):
        prompts = _prompts(tracks) if frames[0].pts == 0 else ()

        def tick_together(frames: list[Frame] = frames, said: tuple[Prompt, ...] = prompts) -> None:
            requests = zip(shared, frames, strict=True)
            _check(together.step([StepRequest(s, f, said) for s, f in requests]))

        def tick_in_turn(frames: list[Frame] = frames, said: tuple[Prompt, ...] = prompts) -> None:
            for engine, stream, frame in zip(alone, own, frames, strict=True):
                _check(engine.step([StepRequest(stream, frame, said)]))

        ways = [(tick_together, batched), (tick_in_turn, in_turn)]
        for way, seconds in ways if frames[0].pts % 2 else reversed(ways):
            start = time.perf_counter()
            way()
            if frames[0].pts > NUM_RECENT:
                seconds.append(time.perf_counter() - start)
    return Streams(tuple(batched), tuple(in_turn), streams)


def _ticks(streams: int, count: int) -> Sequence[list[Frame]]:
    """Of each tick, the frames of all streams."""
    clip = [picture.rgb for picture in make_clip(0, count)]
    return [[Frame(t, (clip[(t + 3 * s) % count],)) for s in range(streams)] for t in range(count)]


def _prompts(tracks: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(i, points=(Point((i - 0.5) / tracks, 0.5),)) for i in range(1, tracks + 1))


def _check(answers: Sequence[StepResult | Exception]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
