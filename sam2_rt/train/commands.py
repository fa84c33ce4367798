"""The command line of training: options in, a Recipe and Sources out, and the run."""

import re
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sam2_rt.data.mixture import NothingUsable
from sam2_rt.data.worlds.library import NoRenderer
from sam2_rt.model import zoo
from sam2_rt.model.checkpoint import CheckpointError
from sam2_rt.train.learner import StateError
from sam2_rt.train.recipe import LR, NANO_STAGES, Recipe, Stage
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
_HELP_STAGES = "FRAMESxCLIPSxSTEPS[@LR], comma between: 1x16x2000,8x3x500@5e-4"


@app.command()
def train(  # noqa: PLR0913, PLR0917 typer reads options from parameters
    out: Annotated[Path, typer.Option(help="Folder of the run; a run in it goes on.")],
    model: Annotated[str, typer.Option(help="A name of `sam2-rt models`.")] = "nano",
    init: Annotated[Path | None, typer.Option(help="Weights to begin from.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the input, pixels.")] = None,
    stages: Annotated[str | None, typer.Option(help=_HELP_STAGES)] = None,
    scenes: Annotated[float, typer.Option(min=0, help="Share of made-up 2D scenes.")] = 1.0,
    bodies: Annotated[float, typer.Option(min=0, help="Share of made-up 3D bodies.")] = 0.0,
    real: Annotated[float, typer.Option(min=0, help="Share of annotated videos.")] = 0.0,
    data: Annotated[
        list[Path] | None, typer.Option(help="Annotated videos: DAVIS, MOSE, YouTube-VOS, SA-V.")
    ] = None,
    photos: Annotated[
        list[Path] | None, typer.Option(help="Photographs, for backgrounds and textures.")
    ] = None,
    masks: Annotated[
        list[Path] | None, typer.Option(help="Folder with images/ and masks/ of photographs.")
    ] = None,
    cutouts: Annotated[list[Path] | None, typer.Option(help="Pictures with alpha.")] = None,
    difficulty: Annotated[float, typer.Option(min=0, max=1, help="Of made-up scenes.")] = 1.0,
    stills: Annotated[
        float, typer.Option(min=0, max=1, help="Share of steps on stills, between clips.")
    ] = 0.3,
    trunk_lr: Annotated[float, typer.Option(min=0, help="Trunk's share of the rate.")] = 1.0,
    layer_decay: Annotated[float, typer.Option(min=0.1, max=1)] = 1.0,
    dtype: Annotated[Literal["float32", "bfloat16"], typer.Option()] = "bfloat16",
    device: Annotated[str, typer.Option()] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1)] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make samples.")] = 1,
    reuse: Annotated[int, typer.Option(min=1, help="Times that a sample is drawn.")] = 4,
    validate_every: Annotated[int, typer.Option(min=1, help="Steps.")] = 500,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Train nano from nothing, or fine-tune any checkpoint; stop and go on at any time."""
    try:
        recipe = Recipe(
            model,
            init,
            image_size,
            stages=NANO_STAGES if stages is None else parse_stages(stages),
            seed=seed,
            stills=stills,
            trunk_lr_share=trunk_lr,
            layer_decay=layer_decay,
            dtype=dtype,
            device=device,
            threads=threads,
            workers=workers,
            reuse=reuse,
            validate_every=validate_every,
        )
        size = image_size or zoo.find(model).config.image_size
        folders = (_paths(data), _paths(photos), _paths(masks), _paths(cutouts))
        sources = Sources(size, scenes, bodies, real, *folders, difficulty)
        for skipped in sources.skipped():
            typer.echo(f"skipped {skipped.name}: {skipped.reason}", err=True)
        _go(Run(recipe, out, sources))
    except UNUSABLE as error:
        raise typer.BadParameter(str(error)) from error


def _paths(given: list[Path] | None) -> tuple[Path, ...]:
    return tuple(given or ())


def _go(run: Run) -> None:
    console = Console()
    columns = (
        MofNCompleteColumn(),
        BarColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    try:
        with Progress(*columns, console=console) as progress:
            run.go(progress)
    except KeyboardInterrupt:
        run.save()
        console.print(f"stopped at step {run.learner.step}; the same command goes on")
        return
    console.print(f"{run.files.weights} is trained; {run.files.plot} shows how")


def parse_stages(text: str) -> tuple[Stage, ...]:
    """`1x16x2000,8x3x500@5e-4` -> stages. Raises ValueError naming the part that is none."""
    stages = []
    for part in text.split(","):
        match = _STAGE.fullmatch(part.strip())
        if match is None or 0 in map(int, match.groups()[:3]):
            raise ValueError(f"{part!r} is no stage: write {_HELP_STAGES}")
        frames, clips, steps = map(int, match.groups()[:3])
        stages.append(Stage(frames, clips, steps, lr=float(match[4] or LR)))
    return tuple(stages)
