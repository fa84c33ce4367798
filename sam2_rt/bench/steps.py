"""Steps: whole ones with a full bank, ours and the peers' in turn."""

import statistics
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from rich.progress import track
from torch import Tensor

from sam2_rt.bench.clip import clip
from sam2_rt.bench.peers import Click, PeerTracker
from sam2_rt.bench.stages import Timer
from sam2_rt.bench.wanted import Peer, Wanted
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import to_input
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.tracker import Tracker


@dataclass(frozen=True, slots=True)
class PeerSteps:
    """A peer's, on the same frames."""

    ms: float
    """Median."""
    ratio: float
    """How many of our steps fit into one of the peer's."""
    mask_iou: float | None
    """Least over frames and tracks, of masks that either found; None: neither found any."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Ours, and what came of the peers."""

    ours_ms: float
    """Median."""
    peers: Mapping[Peer, PeerSteps]

    @property
    def ratio(self) -> float | None:
        """To the fastest peer; None: there is none."""
        return min((peer.ratio for peer in self.peers.values()), default=None)


def clicks_of(tracks: int) -> list[Click]:
    """One a track, side by side."""
    return [((i + 0.5) / tracks, 0.5) for i in range(tracks)]


def time_steps(calls: Calls, wanted: Wanted, peers: Mapping[Peer, PeerTracker]) -> Steps:
    """Whole steps on a made-up clip; peers were begun with clicks_of() the same tracks."""
    size, device = calls.model.config.image_size, calls.model.no_mem_embed.device
    tracker, now = Tracker(calls), Timer(device, wanted.counts_processor).now
    clicks = clicks_of(wanted.tracks)
    prompts = [Prompt(i, points=(Point(*click),)) for i, click in enumerate(clicks, start=1)]
    ours: list[float] = []
    theirs: dict[Peer, list[float]] = {peer: [] for peer in peers}
    found: dict[Peer, list[float]] = {peer: [] for peer in peers}
    num_frames = wanted.frames_before + wanted.frames
    for frame in track(clip(num_frames), "steps", transient=True):
        pixels = to_input(frame, size, device, torch.float32)
        start = now()
        predictions = tracker.step(frame, prompts if frame.pts == 0 else ())
        ours.append(now() - start)
        logits = torch.stack([p.mask_logits for p in predictions])
        for peer, other in peers.items():
            start = now()
            masks = other.step(pixels)
            theirs[peer].append(now() - start)
            found[peer] += ious(logits, masks)
    return _summed(wanted, ours, theirs, found)


def _summed(
    wanted: Wanted,
    ours: list[float],
    theirs: Mapping[Peer, list[float]],
    found: Mapping[Peer, list[float]],
) -> Steps:
    first = wanted.frames_before
    ours_ms = 1e3 * statistics.median(ours[first:])
    peers = {}
    for peer, seconds in theirs.items():
        ms = 1e3 * statistics.median(seconds[first:])
        peers[peer] = PeerSteps(ms, ms / ours_ms, min(found[peer], default=None))
    return Steps(ours_ms, peers)


def ious(a: Tensor, b: Tensor) -> list[float]:
    """Logits [T, H, W] each; of two empty masks nothing is said."""
    a, b = a.flatten(1) > 0, b.flatten(1) > 0
    union = (a | b).sum(1)
    iou: list[float] = ((a & b).sum(1) / union)[union > 0].tolist()
    return iou
