"""Report: what was measured, as a table, a JSON line and a Markdown row for RESULTS.md."""

import json
import subprocess
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from sam2_rt.bench.colour import HEIGHT, WIDTH, Way
from sam2_rt.bench.limit import Limit
from sam2_rt.bench.steps import Steps
from sam2_rt.bench.streams import Streams
from sam2_rt.bench.wanted import Wanted


def show_steps(
    wanted: Wanted, image_size: int, stages_ms: Mapping[str, float], steps: Steps
) -> None:
    """Milliseconds of stages and whole steps."""
    title = f"{wanted.model} at {image_size}, {wanted.tracks} tracks"
    table = Table("stage", "ms", title=title)
    for name, milliseconds in stages_ms.items():
        table.add_row(name, f"{milliseconds:.1f}")
    table.add_row("whole step", f"{steps.ours_ms:.1f}")
    for peer, one in steps.peers.items():
        table.add_row(f"whole step, {peer}", f"{one.ms:.1f}")
        table.add_row("ratio", f"{one.ratio:.2f}")
        table.add_row("least mask IoU", _iou(one.mask_iou))
    Console().print(table)
    peers = {peer: asdict(one) for peer, one in steps.peers.items()}
    row = {"stages_ms": stages_ms, "ours_ms": steps.ours_ms, "ratio": steps.ratio, "peers": peers}
    _print_json(wanted, image_size, row)
    cells = [f"{milliseconds:.0f}" for milliseconds in (*stages_ms.values(), steps.ours_ms)]
    for one in steps.peers.values():
        cells += [f"{one.ms:.0f}", f"{one.ratio:.2f}", _iou(one.mask_iou)]
    _print_row(wanted, f"{wanted.model} at {image_size}", str(wanted.tracks), cells)


def show_streams(wanted: Wanted, image_size: int, streams: Streams) -> None:
    """Frames a second of many streams."""
    title = f"{wanted.model} at {image_size}, {wanted.streams} streams x {wanted.tracks} tracks"
    table = Table("", "frames/s", title=title)
    table.add_row("in one batch", f"{streams.batched_fps:.1f}")
    table.add_row("in turn", f"{streams.in_turn_fps:.1f}")
    table.add_row("ratio", f"{streams.ratio:.2f}")
    for peer, fps in streams.peers_fps.items():
        table.add_row(f"{peer}, in turn", f"{fps:.2f}")
    if streams.peer_ratio is not None:
        table.add_row("ratio to the best peer", f"{streams.peer_ratio:.2f}")
    table.add_row("a tick, p50 / p99", f"{streams.p50_ms:.0f} / {streams.p99_ms:.0f} ms")
    Console().print(table)
    names = ("batched_fps", "in_turn_fps", "ratio", "p50_ms", "p99_ms", "peers_fps", "peer_ratio")
    numbers = {name: getattr(streams, name) for name in names}
    _print_json(wanted, image_size, numbers)
    values = [*list(numbers.values())[:5], *streams.peers_fps.values()]
    values += [streams.peer_ratio] if streams.peer_ratio else []
    shape = f"{wanted.streams} x {wanted.tracks}"
    _print_row(wanted, f"{wanted.model} at {image_size}", shape, [f"{v:.2f}" for v in values])


def show_limits(wanted: Wanted, image_size: int, limits: Mapping[str, Limit]) -> None:
    """How near each stage is to a large product of matrices on this device."""
    title = f"{wanted.model} at {image_size}, {wanted.tracks} tracks, {wanted.dtype}"
    table = Table("stage", "GFLOP", "ms", "GFLOP/s", "of the limit", title=title)
    for name, one in limits.items():
        rate = one.gflop / one.ms * 1e3
        cells = f"{one.gflop:.2f}", f"{one.ms:.1f}", f"{rate:.0f}", f"{one.share:.0%}"
        table.add_row(name, *cells)
    Console().print(table)
    row = {"limits": {name: one._asdict() for name, one in limits.items()}}
    _print_json(wanted, image_size, row)
    cells_of_row = [f"{one.gflop:.1f} / {one.share:.0%}" for one in limits.values()]
    _print_row(wanted, f"{wanted.model} at {image_size}", str(wanted.tracks), cells_of_row)


def show_attention(
    wanted: Wanted, image_size: int, times: Mapping[str, Mapping[str, float | None]]
) -> None:
    """Milliseconds of the kernels of attention."""
    kernels = next(iter(times.values()))
    title = f"{wanted.model} at {image_size}, {wanted.tracks} tracks, {wanted.dtype}, ms a layer"
    table = Table("attention over", *kernels, title=title)
    rows = {name: [_ms(ms) for ms in row.values()] for name, row in times.items()}
    for name, cells in rows.items():
        table.add_row(name, *cells)
    Console().print(table)
    _print_json(wanted, image_size, {"attention_ms": times})
    cells_of_row = [" / ".join(cells) for cells in rows.values()]
    _print_row(wanted, f"{wanted.model} at {image_size}", str(wanted.tracks), cells_of_row)


def show_colour(wanted: Wanted, image_size: int, ways: Mapping[str, Way]) -> None:
    """Milliseconds from a frame of video to the model's input."""
    table = Table("way", "ms", "error, bytes", title=f"{WIDTH} x {HEIGHT} to {image_size}")
    for name, way in ways.items():
        table.add_row(name, f"{way.ms:.2f}", f"{way.error:.2f}")
    Console().print(table)
    row = {"colour": {name: way._asdict() for name, way in ways.items()}}
    _print_json(wanted, image_size, row)
    cells = [f"{way.ms:.2f}" for way in ways.values()]
    _print_row(wanted, f"{WIDTH} x {HEIGHT} to {image_size}", "1", cells)


def circumstances() -> dict[str, str]:
    """When, and of which code."""
    return {"date": time.strftime("%Y-%m-%d"), "commit": commit(), "torch": torch.__version__}


def commit() -> str:
    """Of this code, not of where it is run."""
    command = ("git", "rev-parse", "--short", "HEAD")
    here = Path(__file__).parent
    try:
        answer = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False)  # noqa: S603 constant
    except OSError:  # no git on this machine
        return "unknown"
    return answer.stdout.strip() or "unknown"


def _iou(iou: float | None) -> str:
    return "no masks" if iou is None else f"{iou:.4f}"


def _ms(ms: float | None) -> str:
    return "-" if ms is None else f"{ms:.2f}"


def _print_json(wanted: Wanted, image_size: int, row: Mapping[str, object]) -> None:
    whole = circumstances() | asdict(wanted) | {"image_size": image_size} | dict(row)
    Console().print(json.dumps(whole), soft_wrap=True)


def _print_row(wanted: Wanted, model: str, shape: str, cells: Iterable[str]) -> None:
    first = (*circumstances().values(), model, shape, str(wanted.threads), wanted.dtype)
    Console().print(f"| {' | '.join((*first, *cells))} |", soft_wrap=True)
