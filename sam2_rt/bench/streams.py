"""Streams: N live ones in one batch, beside N engines and N of each peer's that take turns."""

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from rich.progress import track
from torch import Tensor

from sam2_rt.bench.clip import clip_planes
from sam2_rt.bench.peers import Begin, PeerTracker
from sam2_rt.bench.stages import Timer
from sam2_rt.bench.steps import clicks_of
from sam2_rt.bench.wanted import Peer, Wanted
from sam2_rt.engine import Engine, EngineInfo, StepRequest, StepResult, TrackerConfig
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame, to_input
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.track_state import PresenceLimits

ALWAYS_SOUGHT = PresenceLimits(drop_after_frames=1_000_000)


Item = TypeVar("Item")
Way = Callable[[Sequence[Frame]], None]
"""One frame of every stream, by some means."""


@dataclass(frozen=True, slots=True)
class Streams:
    """Ticks with full banks: one frame of every stream each, all ways in turn."""

    batched_s: tuple[float, ...]
    in_turn_s: tuple[float, ...]
    """The same frames, one stream after the other."""
    num_streams: int
    peers_s: Mapping[Peer, tuple[float, ...]] = field(default_factory=dict)
    """The same frames by peers, one stream after the other."""

    @property
    def batched_fps(self) -> float:
        """Frames a second over all streams."""
        return self._fps(self.batched_s)

    @property
    def in_turn_fps(self) -> float:
        """Likewise."""
        return self._fps(self.in_turn_s)

    @property
    def peers_fps(self) -> dict[Peer, float]:
        """Likewise."""
        return {peer: self._fps(seconds) for peer, seconds in self.peers_s.items()}

    @property
    def ratio(self) -> float:
        """Of throughputs."""
        return self.batched_fps / self.in_turn_fps

    @property
    def peer_ratio(self) -> float | None:
        """Of throughputs, to the best peer's; None: there is none."""
        best = max(self.peers_fps.values(), default=None)
        return None if best is None else self.batched_fps / best

    @property
    def p50_ms(self) -> float:
        """Of a batched tick, which is the step latency of each of its streams."""
        return float(np.percentile(self.batched_s, 50)) * 1e3

    @property
    def p99_ms(self) -> float:
        """Likewise."""
        return float(np.percentile(self.batched_s, 99)) * 1e3

    def _fps(self, seconds: Sequence[float]) -> float:
        return self.num_streams / statistics.median(seconds)


def time_streams(
    calls: Calls, info: EngineInfo, wanted: Wanted, peers: Mapping[Peer, Begin]
) -> Streams:
    """Streams show the same clip, each from another frame on; every stream has as many tracks.

    What a peer is given is made ready before it is timed; ours makes it within its step.
    """
    count = wanted.streams
    config = TrackerConfig(max_tracks=wanted.tracks, presence=ALWAYS_SOUGHT)
    together = Engine(calls, info, config, pool_tracks=count * wanted.tracks)
    alone = [Engine(calls, info, config, pool_tracks=wanted.tracks) for _ in range(count)]
    clicks = clicks_of(wanted.tracks)
    theirs = {peer: [begin(clicks) for _ in range(count)] for peer, begin in peers.items()}
    now = Timer(calls.model.no_mem_embed.device, wanted.counts_processor).now
    ways = [_batch(together, count, wanted.tracks), _turns(alone, wanted.tracks)]
    taken: list[list[float]] = [[] for _ in (*ways, *theirs)]
    ticks = _ticks(count, wanted.frames_before + wanted.frames)
    for number, frames in enumerate(track(ticks, "streams", transient=True)):
        pixels = _pixels(calls, frames) if theirs else []
        steps = [partial(way, frames) for way in ways]
        steps += [partial(_step_all, trackers, pixels) for trackers in theirs.values()]
        # Each begins as often as another.
        for step, seconds in _rotated([*zip(steps, taken, strict=True)], number):
            start = now()
            step()
            if number >= wanted.frames_before:
                seconds.append(now() - start)
    batched, in_turn, *others = map(tuple, taken)
    return Streams(batched, in_turn, count, dict(zip(theirs, others, strict=True)))


def _batch(engine: Engine, count: int, tracks: int) -> Way:
    """All streams by one engine, in one step."""
    streams = [engine.open() for _ in range(count)]

    def step(frames: Sequence[Frame]) -> None:
        said = _prompts(tracks) if frames[0].pts == 0 else ()
        requests = zip(streams, frames, strict=True)
        _check(engine.step([StepRequest(s, f, said) for s, f in requests]))

    return step


def _turns(engines: Sequence[Engine], tracks: int) -> Way:
    """Each stream by its own engine, one after the other."""
    streams = [engine.open() for engine in engines]

    def step(frames: Sequence[Frame]) -> None:
        said = _prompts(tracks) if frames[0].pts == 0 else ()
        for engine, stream, frame in zip(engines, streams, frames, strict=True):
            _check(engine.step([StepRequest(stream, frame, said)]))

    return step


def _step_all(trackers: Sequence[PeerTracker], pixels: Sequence[Tensor]) -> None:
    for tracker, one in zip(trackers, pixels, strict=True):
        tracker.step(one)


def _pixels(calls: Calls, frames: Sequence[Frame]) -> list[Tensor]:
    size, device = calls.model.config.image_size, calls.model.no_mem_embed.device
    return [to_input(frame, size, device, torch.float32) for frame in frames]


def _rotated(items: list[Item], by: int) -> list[Item]:
    by %= len(items)
    return items[by:] + items[:by]


def _ticks(streams: int, count: int) -> Sequence[list[Frame]]:
    """Of each tick, the frames of all streams."""
    clip = clip_planes(count)
    return [[Frame(t, clip[(t + 3 * s) % count]) for s in range(streams)] for t in range(count)]


def _prompts(tracks: int) -> tuple[Prompt, ...]:
    clicks = enumerate(clicks_of(tracks), start=1)
    return tuple(Prompt(i, points=(Point(*click),)) for i, click in clicks)


def _check(answers: Sequence[StepResult | Exception]) -> None:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
