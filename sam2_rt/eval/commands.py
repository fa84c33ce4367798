"""The commands of `sam2-rt eval`, also `python -m sam2_rt.eval`.

Torch takes seconds to import, so commands import what they need when they run.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console

from sam2_rt import host

if TYPE_CHECKING:
    from sam2_rt.eval.report import Report

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

OUT = Path("out/eval")

Model = Annotated[str, typer.Option(help="A name of `sam2-rt models`.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Weights in place of the zoo's.")]
Size = Annotated[int | None, typer.Option(help="Side of the model's input, pixels.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1...")]
Data = Annotated[Path, typer.Option(help="A folder of annotated videos.")]
Limit = Annotated[int | None, typer.Option(min=3, help="Frames of each video.")]
Split = Annotated[str | None, typer.Option(help="As val of DAVIS; without it, all videos.")]
Exclude = Annotated[list[str] | None, typer.Option(help="A video to leave out; repeatable.")]
Out = Annotated[Path, typer.Option(help="Folder for sheets, plots and results.jsonl.")]
Recorded = Annotated[bool, typer.Option("--record", help="Add a row to eval/RESULTS.md.")]
Baselines = Annotated[bool, typer.Option("--baselines", help="Copy and flow beside it.")]
Clips = Annotated[int, typer.Option(min=1, help="Made-up clips.")]
Difficulty = Annotated[
    float, typer.Option(min=0, max=1, help="Of made-up clips; 1: fast, small and many things.")
]
ClipFrames = Annotated[int, typer.Option(min=3, help="Frames of a made-up clip.")]
ClipSize = Annotated[int, typer.Option(min=32, help="Side of a made-up frame, pixels.")]


class PromptKind(StrEnum):
    """What is said of an object in its first frame."""

    MASK = "mask"
    BOX = "box"
    CLICK = "click"
    CLICKS3 = "clicks3"
    CLICKS5 = "clicks5"


class Asked(NamedTuple):
    """The options that all commands share."""

    model: str
    checkpoint: Path | None
    size: int | None
    threads: int
    device: str
    out: Path
    is_recorded: bool


@app.callback()
def main() -> None:
    """Score a checkpoint on videos, pictures, streams and made-up scenes."""
    host.prepare()


@app.command()
def vos(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    data: Data,
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    prompt: Annotated[PromptKind, typer.Option(help="Of each object's first frame.")] = (
        PromptKind.MASK
    ),
    limit: Limit = None,
    exclude: Exclude = None,
    split: Split = None,
    baselines: Baselines = False,  # noqa: FBT002 - a flag
    threads: Threads = 1,
    device: Device = "cpu",
    out: Out = OUT,
    record: Recorded = False,  # noqa: FBT002 - a flag
) -> None:
    """Semi-supervised VOS: objects are told of once and followed to the end; J, F and J&F."""
    with _report(Asked(model, checkpoint, size, threads, device, out, record)) as report:
        from sam2_rt.eval import runs  # noqa: PLC0415 - imports torch
        from sam2_rt.eval.sources import Folder  # noqa: PLC0415 - likewise
        from sam2_rt.eval.vos import Told  # noqa: PLC0415 - likewise

        source = Folder.open(data, limit, exclude or (), split)
        runs.vos(report, source, Told(prompt), with_baselines=baselines)


@app.command()
def arithmetic(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    data: Data,
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    limit: Limit = None,
    exclude: Exclude = None,
    split: Split = None,
    threads: Threads = 1,
    device: Device = "cpu",
    out: Out = OUT,
    record: Recorded = False,  # noqa: FBT002 - a flag
) -> None:
    """How far masks in bfloat16 agree with those in float32, and what that costs in J&F."""
    with _report(Asked(model, checkpoint, size, threads, device, out, record)) as report:
        from sam2_rt.eval import runs  # noqa: PLC0415 - imports torch
        from sam2_rt.eval.sources import Folder  # noqa: PLC0415 - likewise

        runs.arithmetic(report, Folder.open(data, limit, exclude or (), split))


@app.command()
def image(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    data: Annotated[
        Path | None,
        typer.Option(help="A folder with images/ and masks/; without it, made-up stills."),
    ] = None,
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    clips: Annotated[int, typer.Option(min=1, help="Made-up stills.")] = 200,
    clip_size: ClipSize = 256,
    threads: Threads = 1,
    device: Device = "cpu",
    out: Out = OUT,
    record: Recorded = False,  # noqa: FBT002 - a flag
) -> None:
    """Prompts to masks in single pictures: IoU after 1 click, after 5, and for a box."""
    with _report(Asked(model, checkpoint, size, threads, device, out, record)) as report:
        from sam2_rt.eval import runs  # noqa: PLC0415 - imports torch

        runs.image(report, data, runs.Scenes(clips, 1, clip_size))


@app.command()
def interactive(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    data: Data,
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    frames: Annotated[int, typer.Option(min=1, max=8, help="That the user clicks in.")] = 8,
    both_ways: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--both-ways", help="Offline also with clicks that reach back.")
    ] = False,
    limit: Limit = None,
    exclude: Exclude = None,
    split: Split = None,
    threads: Threads = 1,
    device: Device = "cpu",
    out: Out = OUT,
    record: Recorded = False,  # noqa: FBT002 - a flag
) -> None:
    """A user who corrects 1 to 8 frames, 3 clicks each: offline (the worst) and online."""
    with _report(Asked(model, checkpoint, size, threads, device, out, record)) as report:
        from sam2_rt.eval import runs  # noqa: PLC0415 - imports torch
        from sam2_rt.eval.sources import Folder  # noqa: PLC0415 - likewise

        folder = Folder.open(data, limit, exclude or (), split)
        runs.interactive(report, folder, frames, both_ways=both_ways)


@app.command()
def streaming(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    data: Data,
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    limit: Limit = None,
    exclude: Exclude = None,
    split: Split = None,
    clips: Clips = 24,
    clip_frames: ClipFrames = 24,
    clip_size: ClipSize = 256,
    seed: Annotated[int, typer.Option(help="Of the frames that are lost.")] = 0,
    baselines: Baselines = False,  # noqa: FBT002 - a flag
    threads: Threads = 1,
    device: Device = "cpu",
    out: Out = OUT,
    record: Recorded = False,  # noqa: FBT002 - a flag
) -> None:
    """Frames that are lost or rare, and objects that go away: false masks and reacquisition."""
    with _report(Asked(model, checkpoint, size, threads, device, out, record)) as report:
        from sam2_rt.eval import runs  # noqa: PLC0415 - imports torch
        from sam2_rt.eval.sources import Folder  # noqa: PLC0415 - likewise

        scenes = runs.Scenes(clips, clip_frames, clip_size)
        folder = Folder.open(data, limit, exclude or (), split)
        runs.streaming(report, folder, scenes, seed, with_baselines=baselines)


@app.command()
def scenes(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    clips: Clips = 24,
    clip_frames: ClipFrames = 24,
    clip_size: ClipSize = 256,
    difficulty: Difficulty = 0.5,
    baselines: Baselines = False,  # noqa: FBT002 - a flag
    threads: Threads = 1,
    device: Device = "cpu",
    out: Out = OUT,
    record: Recorded = False,  # noqa: FBT002 - a flag
) -> None:
    """VOS on made-up clips that no training has seen, with what happens while objects are away."""
    with _report(Asked(model, checkpoint, size, threads, device, out, record)) as report:
        from sam2_rt.eval import runs  # noqa: PLC0415 - imports torch

        wanted = runs.Scenes(clips, clip_frames, clip_size, difficulty)
        runs.made_up(report, wanted, with_baselines=baselines)


@app.command()
def portraits(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    clips: Annotated[list[Path], typer.Argument(help="Videos, or folders of them or of frames.")],
    click: Annotated[
        list[str] | None, typer.Option(help="NAME=X,Y in 0..1; else the middle. Repeatable.")
    ] = None,
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Frames of each clip.")] = 240,
    threads: Threads = 1,
    device: Device = "cpu",
    out: Out = OUT,
) -> None:
    """One click on each clip; overlays of what follows on one sheet, to be looked at."""
    asked = Asked(model, checkpoint, size, threads, device, out, is_recorded=False)
    with _report(asked) as report:
        from sam2_rt.eval import runs  # noqa: PLC0415 - imports torch
        from sam2_rt.eval.portraits import Wanted, parse_clicks  # noqa: PLC0415 - likewise

        runs.portraits(report, Wanted(tuple(clips), parse_clicks(click or ()), limit))


@contextmanager
def _report(asked: Asked) -> Iterator["Report"]:
    """Where results go. What the data, the zoo or the disk are at fault for is told in one line."""
    from sam2_rt.eval.report import Report  # noqa: PLC0415 - imports torch
    from sam2_rt.eval.subject import Subject  # noqa: PLC0415 - likewise

    subject = Subject(asked.model, asked.checkpoint, asked.size, asked.threads, asked.device)
    try:
        yield Report(subject, asked.out, asked.is_recorded)
    except (ValueError, OSError) as error:
        console = Console(stderr=True)
        console.print(str(error), style="red", soft_wrap=True, highlight=False, markup=False)
        raise typer.Exit(1) from error
