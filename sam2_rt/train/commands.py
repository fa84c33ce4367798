"""The command line of training: options in, a Recipe and Sources out, and the run."""

import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.sample import NothingUsable
from sam2_rt.data.worlds.library import NoRenderer
from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import CheckpointError
from sam2_rt.train.feed import FeedError
from sam2_rt.train.learner import Diverged, StateError
from sam2_rt.train.recipe import (
    CUTS,
    FEW_ROWS,
    FINE_LR,
    FINE_STAGES,
    LAST_SHARE,
    LR,
    MANY_ROWS,
    MAX_WARMUP,
    NANO_STAGES,
    Recipe,
    Stage,
)
from sam2_rt.train.run import Run
from sam2_rt.train.sources import Sources

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

UNUSABLE = (
    ValueError,
    FileNotFoundError,
    NothingUsable,
    NoRenderer,
    zoo.NotFetched,
    CheckpointError,
    StateError,
)
"""What its user can mend; told in one line."""

_STAGE = re.compile(r"(\d+)x(\d+)x(\d+)(?:@([0-9.e-]+))?")
_SHARE = re.compile(r"\d+(\.\d*)?")
_HELP_STAGES = "FRAMESxCLIPSxSTEPS[@LR], comma between: 1x16x2000,8x3x500@5e-4"

_MODEL = typer.Option(help="A name of `sam2-rt models`; nano, or that of --init.")
_INIT = typer.Option(help="Weights to begin from: a file, or a name, for its own.")
_DATA = typer.Option(help="Annotated videos: DAVIS, MOSE, YouTube-VOS, SA-V.")
_MASKS = typer.Option(help="Folder with images/ and masks/ of photographs.")
_STILLS = typer.Option(min=0, max=1, help="Share of steps on stills, between clips.")
_COMPILE = typer.Option("--compile", help="Compile the model's parts: for GPUs.")
_LR_SHARE = typer.Option(help="PART=SHARE of the rate, as memory_attention=0.1; 0 freezes.")
_KEEP = typer.Option("--keep-weights", help="Also those of each validation.")
_PHOTOS = typer.Option(help="Photographs, for backgrounds and textures.")


@app.command()
def train(  # noqa: PLR0913, PLR0917 typer reads options from parameters
    out: Annotated[Path, typer.Option(help="Folder of the run; a run in it goes on.")],
    model: Annotated[str | None, _MODEL] = None,
    init: Annotated[str | None, _INIT] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the input, pixels.")] = None,
    stages: Annotated[str | None, typer.Option(help=_HELP_STAGES)] = None,
    scenes: Annotated[float, typer.Option(min=0, help="Share of made-up 2D scenes.")] = 1.0,
    plain: Annotated[float, typer.Option(min=0, help="Share of those without pictures.")] = 0.0,
    bodies: Annotated[float, typer.Option(min=0, help="Share of made-up 3D bodies.")] = 0.0,
    real: Annotated[float, typer.Option(min=0, help="Share of annotated videos.")] = 0.0,
    data: Annotated[list[Path] | None, _DATA] = None,
    photos: Annotated[list[Path] | None, _PHOTOS] = None,
    masks: Annotated[list[Path] | None, _MASKS] = None,
    cutouts: Annotated[list[Path] | None, typer.Option(help="Pictures with alpha.")] = None,
    difficulty: Annotated[float, typer.Option(min=0, max=1, help="Of made-up scenes.")] = 1.0,
    stills: Annotated[float, _STILLS] = 0.3,
    trunk_lr: Annotated[float, typer.Option(min=0, help="Trunk's share of the rate.")] = 1.0,
    layer_decay: Annotated[float, typer.Option(min=0.1, max=1)] = 1.0,
    lr_share: Annotated[list[str] | None, _LR_SHARE] = None,
    dtype: Annotated[Literal["float32", "bfloat16"], typer.Option()] = "bfloat16",
    device: Annotated[str, typer.Option()] = "cpu",
    compiles: Annotated[bool, _COMPILE] = False,  # noqa: FBT002 an option
    threads: Annotated[int | None, typer.Option(min=1)] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make samples.")] = 1,
    reuse: Annotated[int, typer.Option(min=1, help="Times that a sample is drawn.")] = 4,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps.")] = 500,
    keep_weights: Annotated[bool, _KEEP] = False,  # noqa: FBT002 an option
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Train nano from nothing, or fine-tune any checkpoint; stop and go on at any time."""
    try:
        name, path = begun_from(model, init)
        recipe = Recipe(
            name,
            path,
            image_size,
            stages=_stages(stages, is_fine=path is not None or name != "nano"),
            seed=seed,
            stills=stills,
            trunk_lr_share=trunk_lr,
            layer_decay=layer_decay,
            lr_shares=parse_shares(lr_share or ()),
            dtype=dtype,
            device=_device(device),
            compiles=compiles,
            threads=threads,
            workers=workers,
            reuse=reuse,
            cuts=0.0 if real > 0 else CUTS,
            validate_every=validate_every,
            keeps_weights=keep_weights,
        )
        size, shares = image_size or _size_of(name), (scenes, plain, bodies, real)
        folders = (_paths(data), _paths(photos), _paths(masks), _paths(cutouts))
        sources = Sources(size, *shares, *folders, difficulty, recipe.longest_clip)
        run = Run(recipe, out, sources, _left_out(sources))
    except UNUSABLE as error:
        raise typer.BadParameter(str(error)) from error
    _go(run)


def _left_out(sources: Sources) -> tuple[Skipped, ...]:
    """Videos that cannot be used: named, and counted."""
    skipped = sources.skipped()
    for one in skipped:
        typer.echo(f"skipped {one.name}: {one.reason}", err=True)
    if skipped:
        typer.echo(f"{len(skipped)} videos skipped", err=True)
    return skipped


def begun_from(model: str | None, init: str | None) -> tuple[str, Path | None]:
    """The model's name and the file of its first weights; None: random ones, or the zoo's own.

    Raises UnknownModel; NotFetched for a name whose weights are not here.
    """
    if init is None or init not in zoo.MODELS:
        return model or "nano", None if init is None else Path(init)
    path = zoo.cached(init)
    if path is None:
        raise zoo.NotFetched(f"{init} is not on this machine: `sam2-rt models fetch {init}` first")
    return model or init, path


def _stages(text: str | None, *, is_fine: bool) -> tuple[Stage, ...]:
    """Where weights are given, a rate that does not wipe them out."""
    if text is not None:
        return parse_stages(text, FINE_LR if is_fine else LR)
    return FINE_STAGES if is_fine else NANO_STAGES


def _device(name: str) -> str:
    kind, _, number = name.partition(":")
    count = torch.cuda.device_count() if kind == "cuda" else int(kind == "cpu")
    if not (number or "0").isdecimal() or int(number or 0) >= count:
        raise ValueError(f"no device {name} here: PyTorch {torch.__version__} sees {count} {kind}")
    return name


def _size_of(model: str) -> int:
    return zoo.find(model).config.image_size


def _paths(given: list[Path] | None) -> tuple[Path, ...]:
    return tuple(given or ())


def _go(run: Run) -> None:
    if run.learner.step > 0:
        typer.echo(f"goes on from step {run.learner.step} of {run.files.state}", err=True)
    for change in run.changes:
        typer.echo(f"changed since then: {change}", err=True)
    console = Console()
    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    try:
        with _stoppable(run), Progress(*columns, console=console) as progress:
            run.go(progress)
    except (FeedError, Diverged) as error:
        console.print(f"{error}; see {run.files.log}")
        raise typer.Exit(1) from error
    if run.skipped:
        times = run.skipped.total()
        console.print(f"{times} times something was skipped: {run.files.skipped} names it")
    if not run.is_done:
        console.print(f"stopped at step {run.learner.step}; the same command goes on")
        return
    console.print(f"{run.files.weights} is trained; {run.files.plot} shows how")


@contextmanager
def _stoppable(run: Run) -> Iterator[None]:
    """Ctrl-C and SIGTERM let a step be ended and saved; a second one ends the run at once."""

    def stop(number: int, _: object) -> None:
        run.stop()
        signal.signal(number, before[signal.Signals(number)])

    both = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, stop) for number in both}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def parse_shares(texts: Iterable[str]) -> tuple[tuple[str, float], ...]:
    """`memory_attention=0.1` -> parts and their shares. Raises ValueError for what is none."""
    shares = []
    for text in texts:
        part, _, number = text.partition("=")
        if not part or not _SHARE.fullmatch(number):
            raise ValueError(f"{text!r} is no share: write PART=SHARE, as memory_attention=0.1")
        shares.append((part, float(number)))
    return tuple(shares)


def parse_stages(text: str, default_lr: float = LR) -> tuple[Stage, ...]:
    """`1x16x2000,8x3x500@5e-4` -> stages, of which the last falls to a rate of nearly nothing.

    Raises ValueError naming the part that is none.
    """
    stages = []
    for part in text.split(","):
        match = _STAGE.fullmatch(part.strip())
        if match is None or 0 in map(int, match.groups()[:3]):
            raise ValueError(f"{part!r} is no stage: write {_HELP_STAGES}")
        frames, clips, steps = map(int, match.groups()[:3])
        rows = MANY_ROWS if frames <= 2 else FEW_ROWS
        lr, warmup = float(match[4] or default_lr), min(MAX_WARMUP, steps // 10)
        stages.append(Stage(frames, clips, steps, rows, lr, warmup=warmup))
    return (*stages[:-1], replace(stages[-1], final_share=LAST_SHARE))
