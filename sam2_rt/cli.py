"""`sam2-rt`: the tracker and its models on the command line.

Torch takes seconds to import, so commands import what they need when they run.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column, Table

from sam2_rt import host
from sam2_rt.cli_bench import bench
from sam2_rt.cli_data import scenes
from sam2_rt.cli_eval import app as eval_app
from sam2_rt.cli_train import FORWARDED, train

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sam2_rt.data.clip import Clip, ClipFrame
    from sam2_rt.data.prompt_list import PromptList
    from sam2_rt.engine import Engine, StepResult

CLOCK_HZ: Final = 90_000

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
models_app = typer.Typer(invoke_without_command=True, help="List the models, or fetch one.")
app.add_typer(models_app, name="models")


@app.callback()
def main() -> None:
    """Click an object in a video and keep its mask: SAM 2 for streams."""
    host.prepare()


@models_app.callback()
def models(context: typer.Context) -> None:
    """List the models: parameters, source, and whether the weights are on this machine."""
    if context.invoked_subcommand is not None:
        return
    from sam2_rt.model import zoo  # noqa: PLC0415 - imports torch
    from sam2_rt.model.download import DownloadError  # noqa: PLC0415 - beside zoo

    columns = ("parameters", Column("source", overflow="fold"), "cached")
    table = Table(Column("name", no_wrap=True), *columns)
    for name, entry in zoo.MODELS.items():
        try:
            path = zoo.cached(name)
        except DownloadError as error:
            _fail(str(error))
        here = f"yes, {path.stat().st_size / 1e6:.0f} MB" if path else "no"
        if entry.source is None and path is None:
            here = "not trained yet"
        source = entry.source.repository if entry.source else "bundled"
        table.add_row(name, f"{zoo.num_parameters(name) / 1e6:.1f} M", source, here)
    Console().print(table)


@models_app.command()
def fetch(name: Annotated[str, typer.Argument(help="A name of `sam2-rt models`.")]) -> None:
    """Download a model's weights, and load them once to see that they are whole."""
    from sam2_rt.model import zoo  # noqa: PLC0415 - imports torch
    from sam2_rt.model.checkpoint import CheckpointError  # noqa: PLC0415 - imports torch
    from sam2_rt.model.download import DownloadError  # noqa: PLC0415 - beside zoo

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, TransferSpeedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)

        def show(done_bytes: int, total_bytes: int | None) -> None:
            bar.update(task, completed=done_bytes, total=total_bytes)

        try:
            path = zoo.fetch(name, show)
        except (zoo.UnknownModel, zoo.NotFetched, CheckpointError, DownloadError) as error:
            bar.remove_task(task)
            _fail(str(error))
    Console().print(f"{name} is at {path}", soft_wrap=True, highlight=False)


@app.command()
def track(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    source: Annotated[Path, typer.Argument(help="A video file, or a folder of frames.")],
    prompts: Annotated[Path, typer.Option(help="JSON list of prompts, in pixels.")],
    out: Annotated[Path, typer.Option(help="Folder for the masks and summary.json.")],
    model: Annotated[str, typer.Option(help="A name of `sam2-rt models`.")] = "nano",
    image_size: Annotated[int | None, typer.Option(help="Side of the model's input.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights in place of the zoo's.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1...")] = "auto",
) -> None:
    """Track prompted objects through a recorded video, one palette PNG a frame."""
    from sam2_rt.data.clip import open_clip  # noqa: PLC0415 - imports numpy and av
    from sam2_rt.data.prompt_list import read_prompts  # noqa: PLC0415 - likewise
    from sam2_rt.engine import Engine, EngineConfig, TrackerConfig  # noqa: PLC0415 - imports torch

    if out.resolve() == source.resolve():
        _fail(f"{out} holds the frames to read: name another folder for the masks")
    # ValueError is the parent of what clips, prompts, the zoo and checkpoints raise for bad input,
    # OSError of what the disk and a bad HF_ENDPOINT do.
    try:
        clip = open_clip(source)
        prompt_list = read_prompts(prompts, clip.size)
        _prepare(out, clip, prompt_list)
        config = EngineConfig(
            model=model,
            image_size=image_size,
            checkpoint=checkpoint,
            device=device,
            tracker=TrackerConfig(max_tracks=len(prompt_list.track_ids)),
        )
        engine = Engine.load(config)
    except (ValueError, OSError) as error:
        _fail(str(error))
    if not engine.info.is_trained:
        _warn(f"{model} is untrained: its weights are random, and so are the masks")
    problems = _run(clip, prompt_list, engine, out)
    if problems:
        _fail("; ".join(problems))
    Console().print(f"masks and summary.json are in {out}", soft_wrap=True, highlight=False)


def _prepare(out: Path, clip: "Clip", prompts: "PromptList") -> None:
    """Makes the folder for the masks, and refuses one where they would replace or join others."""
    if out.resolve() in {folder.resolve() for folder in prompts.mask_folders}:
        _fail(f"{out} holds masks of the prompts: name another folder for those to write")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        _fail(f"{out} cannot be made a folder: {error.strerror}")
    if not os.access(out, os.W_OK | os.X_OK):
        _fail(f"{out} cannot be written to")
    others = sorted(file.name for file in out.glob("*.png") if not clip.has(file.stem))
    if others:
        _fail(f"{out} holds other pictures ({others[0]}): name another folder for the masks")


def _run(clip: "Clip", prompts: "PromptList", engine: "Engine", out: Path) -> list[str]:
    """Writes the mask of each frame as it comes, then the summary; returns what went wrong."""
    from sam2_rt.data.clip import ClipError, write_palette_png  # noqa: PLC0415 - see track()

    rows: list[dict[str, Any]] = []
    problems: list[str] = []
    encoder_calls = 0
    started = time.perf_counter()
    try:
        for frame, result in _steps(clip, prompts, engine):
            write_palette_png(out / f"{frame.name}.png", _labels(result, frame.rgb.shape[:2]))
            rows.append(_row(frame, result))
            encoder_calls = result.encoder_calls
    except ClipError as error:  # a frame that is broken: those before it are done
        problems.append(str(error))
    if not problems and clip.num_frames is not None and len(rows) < clip.num_frames:
        problems.append(f"the file promises {clip.num_frames} frames, {len(rows)} could be read")
    elapsed_s = time.perf_counter() - started
    summary = {
        "model": engine.info.model,
        "is_trained": engine.info.is_trained,
        "image_size": engine.info.image_size,
        "device": engine.info.device,
        "num_frames": len(rows),
        "fps": round(len(rows) / elapsed_s, 2),
        "encoder_calls": encoder_calls,
        "frames": rows,
    }
    (out / "summary.json").write_text(json.dumps(summary, indent=1))
    beyond = prompts.beyond(len(rows))
    if beyond:
        problems.append(f"prompts for frames {beyond}, but there were only {len(rows)} frames")
    return problems


def _steps(
    clip: "Clip", prompts: "PromptList", engine: "Engine"
) -> Iterator[tuple["ClipFrame", "StepResult"]]:
    """One step a frame, under a progress bar. Raises whatever the engine answered with."""
    from sam2_rt.engine import StepRequest  # noqa: PLC0415 - imports torch
    from sam2_rt.tracking.frame import Frame  # noqa: PLC0415 - imports torch

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    rate = TextColumn("{task.fields[fps]:.1f} fps")
    stream_id = engine.open()
    with Progress(*columns, rate, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task("tracking", total=clip.num_frames, fps=0.0)
        for frame in clip:
            pts = round(frame.index * CLOCK_HZ / clip.fps)
            here = prompts.by_frame.get(frame.index, ())
            (answer,) = engine.step([StepRequest(stream_id, Frame(pts, (frame.rgb,)), here)])
            if isinstance(answer, Exception):
                raise answer
            yield frame, answer
            bar.update(task, advance=1, fps=bar.tasks[task].speed or 0.0)
    engine.close(stream_id)


def _labels(result: "StepResult", shape: tuple[int, ...]) -> "NDArray[np.uint8]":
    """[H, W]: the track of each pixel; where masks overlap, the one that is surest to be there."""
    import numpy as np  # noqa: PLC0415 - see the module

    labels = np.zeros(shape, np.uint8)
    for mask in sorted(result.masks, key=lambda mask: mask.object_score):
        labels[mask.mask] = mask.track_id
    return labels


def _row(frame: "ClipFrame", result: "StepResult") -> dict[str, Any]:
    """What the summary says of a frame."""
    tracks = [
        {
            "track_id": mask.track_id,
            "state": mask.state.value,
            "object_score": round(mask.object_score, 4),
            "iou": round(mask.iou, 4),
        }
        for mask in result.masks
    ]
    return {"frame": frame.index, "name": frame.name, "tracks": tracks}


def _warn(message: str) -> None:
    Console(stderr=True).print(message, style="yellow", soft_wrap=True, highlight=False)


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(message, style="red", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1)


app.command()(bench)
app.command()(scenes)
app.command(context_settings=FORWARDED)(train)
app.add_typer(eval_app, name="eval", help="Score any checkpoint on annotated videos and pictures.")
