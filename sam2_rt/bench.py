"""`sam2-rt bench`: milliseconds a stage and a whole step, beside a peer in the same process."""

import json
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from sam2_rt.bench_profile import show_profile
from sam2_rt.bench_streams import Streams, time_streams
from sam2_rt.data.ball_clip import make_clip
from sam2_rt.engine import EngineInfo
from sam2_rt.model import zoo
from sam2_rt.model.config import NUM_RECENT
from sam2_rt.model.sam2 import SAM2, Memories
from sam2_rt.placement import calls_of, device_of
from sam2_rt.tracking.calls import Calls
from sam2_rt.tracking.frame import Frame, to_input
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.tracker import Tracker, TrackerConfig

if TYPE_CHECKING:
    from sam2_rt.peer_transformers import PeerTracker

FULL_BANK = NUM_RECENT + 1  # frames after which a track reads all the memories that it may
REPEATS = 5


class Peer(StrEnum):
    """Another implementation of the same step."""

    TRANSFORMERS = "transformers"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be measured."""

    model: str
    image_size: int | None
    """None: the model's own."""
    tracks: int
    frames: int
    """Steps that are timed, after those that fill the bank."""
    threads: int
    dtype: Literal["float32", "bfloat16"]
    """Of ours; a peer stays float32."""
    peer: Peer | None
    streams: int = 1
    """More: all of them in one batch, beside as many engines that take turns."""
    compiled_rows: int = 0
    """Largest batch of whole steps that is compiled; stages are timed as they are."""
    device: str = "cpu"
    is_profiled: bool = False
    """Where the time of a step goes is told too, by torch's operations."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Whole steps with a full bank, ours and the peer's in turn."""

    ours_ms: float
    """Median."""
    peer_ms: float | None = None
    mask_iou: float | None = None
    """Least over frames and tracks, with the peer's masks; of those that either found."""

    @property
    def ratio(self) -> float | None:
        """How many of our steps fit into one of the peer's."""
        return self.peer_ms / self.ours_ms if self.peer_ms is not None else None


def measure(wanted: Wanted) -> None:
    """Times each stage and the whole step, and prints a table, a JSON line and a Markdown row."""
    torch.set_num_threads(wanted.threads)
    is_here = zoo.cached(wanted.model) is not None
    device = device_of(wanted.device)
    sam2 = (
        zoo.load(wanted.model, device=str(device), image_size=wanted.image_size, folds=False)
        if is_here
        else _enlivened(zoo.build(wanted.model, wanted.image_size).eval()).to(device)
    )
    clicks = [((i + 0.5) / wanted.tracks, 0.5) for i in range(wanted.tracks)]
    other = _peer(sam2, clicks) if wanted.peer else None
    zoo.cast(zoo.fold(sam2), torch.bfloat16 if wanted.dtype == "bfloat16" else torch.float32)
    with torch.inference_mode():
        stages = time_stages(sam2, wanted.tracks)
        calls = calls_of(sam2, wanted.compiled_rows, TrackerConfig().max_conditioning)
        calls.warm_up()
        steps = time_steps(calls, clicks, wanted.frames, other)
    size = sam2.config.image_size
    _show(wanted, size, stages, steps)
    if wanted.is_profiled:
        show_profile(calls, clicks)
    if wanted.streams > 1:
        shape = wanted.streams, wanted.tracks, wanted.frames
        _show_streams(wanted, size, time_streams(calls, _info(wanted, sam2), *shape))


def time_stages(model: SAM2, tracks: int) -> dict[str, float]:
    """Median milliseconds of each of the model's calls, for a batch of tracks."""
    size, device = model.config.image_size, model.no_mem_embed.device
    pixels = torch.randn(1, 3, size, size).to(device, model.dtype)
    embedding = model.encode_image(pixels)
    one, full = (_memories(model, tracks, count) for count in (1, FULL_BANK))
    feature = model.condition_on_memory(embedding.feature, one)
    decoded = model.decode_masks(feature, embedding.high_resolution, None, is_ambiguous=True)
    calls: dict[str, Callable[[], object]] = {
        "encoder": lambda: model.encode_image(pixels),
        "memory attention, 1 memory": lambda: model.condition_on_memory(embedding.feature, one),
        f"memory attention, {FULL_BANK} memories": lambda: model.condition_on_memory(
            embedding.feature, full
        ),
        "decoder": lambda: model.decode_masks(
            feature, embedding.high_resolution, None, is_ambiguous=True
        ),
        "memory encoder": lambda: model.encode_memory(
            embedding.feature, decoded, is_prompted=False
        ),
    }
    return {name: _median_ms(call, device) for name, call in calls.items()}


def time_steps(
    calls: Calls, clicks: list[tuple[float, float]], frames: int, other: "PeerTracker | None"
) -> Steps:
    """Whole steps with a full bank on a made-up clip; clicks are (x, y) in 0..1 of frame 0."""
    size, device = calls.model.config.image_size, calls.model.no_mem_embed.device
    tracker = Tracker(calls)
    prompts = [Prompt(i, points=(Point(*click),)) for i, click in enumerate(clicks, start=1)]
    ours, theirs, ious = [], [], []
    num_frames = FULL_BANK + frames
    for picture in track(make_clip(0, num_frames), "steps", num_frames, transient=True):
        frame = Frame(picture.index, (picture.rgb,))
        pixels = to_input(frame, size, device, torch.float32)
        start = _now(device)
        predictions = tracker.step(frame, prompts if picture.index == 0 else ())
        middle = _now(device)
        masks = other.step(pixels) if other else None
        end = _now(device)
        if picture.index >= FULL_BANK:
            ours.append(middle - start)
            theirs.append(end - middle)
        if masks is not None:
            found = torch.stack([p.mask_logits for p in predictions])
            ious += _ious(found, masks)
    return Steps(
        1e3 * statistics.median(ours),
        1e3 * statistics.median(theirs) if other else None,
        min(ious, default=None),
    )


@torch.no_grad()
def _enlivened(model: SAM2) -> SAM2:
    """Random weights at which masks are neither empty nor full: there is something to compare."""
    torch.manual_seed(0)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            fan_in = parameter[0].numel() if len(parameter) > 1 else 4
            parameter.normal_(std=fan_in**-0.5)
    model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias").add_(10)
    return model


def _memories(model: SAM2, tracks: int, count: int) -> Memories:
    config, device = model.config, model.no_mem_embed.device
    ages = torch.arange(count, device=device).expand(tracks, -1)
    shape = tracks, count, config.memory_dim, config.grid, config.grid
    features = torch.randn(shape, device=device).bfloat16()
    pointers = torch.randn(tracks, count, config.dim, device=device)
    return Memories(features, ages, pointers, ages, None, None)


def _peer(model: SAM2, clicks: list[tuple[float, float]]) -> "PeerTracker":
    # The peer is a test dependency.
    from sam2_rt.peer_transformers import PeerTracker, build_peer  # noqa: PLC0415

    size = model.config.image_size
    peer = build_peer(model.config, model.state_dict())
    torch.nn.Module.to(peer, model.no_mem_embed.device)  # its own wrapper has no types
    return PeerTracker(peer, [(x * size, y * size) for x, y in clicks])


def _median_ms(call: Callable[[], object], device: torch.device) -> float:
    call()
    seconds = []
    for _ in range(REPEATS):
        start = _now(device)
        call()
        seconds.append(_now(device) - start)
    return 1e3 * statistics.median(seconds)


def _now(device: torch.device) -> float:
    """When the device has done all that it was given, seconds."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _ious(a: Tensor, b: Tensor) -> list[float]:
    """Logits [T, H, W] each; of two empty masks nothing is said."""
    a, b = a.flatten(1) > 0, b.flatten(1) > 0
    union = (a | b).sum(1)
    iou: list[float] = ((a & b).sum(1) / union)[union > 0].tolist()
    return iou


def _show(wanted: Wanted, image_size: int, stages: dict[str, float], steps: Steps) -> None:
    console = Console()
    table = Table("stage", "ms", title=f"{wanted.model} at {image_size}, {wanted.tracks} tracks")
    for name, milliseconds in stages.items():
        table.add_row(name, f"{milliseconds:.1f}")
    table.add_row("whole step", f"{steps.ours_ms:.1f}")
    if steps.peer_ms is not None:
        table.add_row(f"whole step, {wanted.peer}", f"{steps.peer_ms:.1f}")
        table.add_row("ratio", f"{steps.ratio:.2f}")
        iou = "no masks" if steps.mask_iou is None else f"{steps.mask_iou:.4f}"
        table.add_row("least mask IoU", iou)
    console.print(table)
    here = {"date": time.strftime("%Y-%m-%d"), "commit": _commit(), "torch": torch.__version__}
    row = asdict(wanted) | {"image_size": image_size, "stages_ms": stages} | asdict(steps)
    console.print(json.dumps(here | row | {"ratio": steps.ratio}), soft_wrap=True)
    cells = (
        *here.values(),
        f"{wanted.model} at {image_size}",
        wanted.tracks,
        wanted.threads,
        wanted.dtype,
        *(f"{milliseconds:.0f}" for milliseconds in (*stages.values(), steps.ours_ms)),
        *(f"{value:.2f}" for value in (steps.peer_ms, steps.ratio, steps.mask_iou) if value),
    )
    console.print(f"| {' | '.join(map(str, cells))} |", soft_wrap=True)


def _info(wanted: Wanted, model: SAM2) -> EngineInfo:
    is_trained = zoo.cached(wanted.model) is not None
    size = model.config.image_size
    return EngineInfo(wanted.model, size, wanted.device, wanted.dtype, is_trained, wanted.tracks)


def _show_streams(wanted: Wanted, image_size: int, streams: Streams) -> None:
    console = Console()
    title = f"{wanted.model} at {image_size}, {wanted.streams} streams x {wanted.tracks} tracks"
    table = Table("", "frames/s", title=title)
    table.add_row("in one batch", f"{streams.batched_fps:.1f}")
    table.add_row("in turn", f"{streams.in_turn_fps:.1f}")
    table.add_row("ratio", f"{streams.ratio:.2f}")
    table.add_row("a tick, p50 / p99", f"{streams.p50_ms:.0f} / {streams.p99_ms:.0f} ms")
    console.print(table)
    here = {"date": time.strftime("%Y-%m-%d"), "commit": _commit(), "torch": torch.__version__}
    numbers = {
        name: getattr(streams, name)
        for name in ("batched_fps", "in_turn_fps", "ratio", "p50_ms", "p99_ms")
    }
    row = here | asdict(wanted) | {"image_size": image_size} | numbers
    console.print(json.dumps(row), soft_wrap=True)
    cells = (
        *here.values(),
        f"{wanted.model} at {image_size}",
        f"{wanted.streams} x {wanted.tracks}",
        wanted.threads,
        wanted.dtype,
        *(f"{value:.2f}" for value in numbers.values()),
    )
    console.print(f"| {' | '.join(map(str, cells))} |", soft_wrap=True)


def _commit() -> str:
    command = ("git", "rev-parse", "--short", "HEAD")
    here = Path(__file__).parent  # the commit of this code, not of where it is run
    try:
        answer = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)  # noqa: S603 constant
    except OSError:  # no git on this machine
        return "unknown"
    return answer.stdout.strip() or "unknown"
