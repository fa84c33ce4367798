"""The commands of `sam2-rt eval`, also `python -m sam2_rt.eval`.

Torch takes seconds to import, so commands import what they need when they run.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from sam2_rt import host

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

Model = Annotated[str, typer.Option(help="A name of `sam2-rt models`.")]
Checkpoint = Annotated[Path | None, typer.Option(help="Weights in place of the zoo's.")]
Size = Annotated[int | None, typer.Option(help="Side of the model's input, pixels.")]
Threads = Annotated[int, typer.Option(min=1, help="CPU threads.")]
Data = Annotated[Path, typer.Option(help="A folder of annotated videos.")]
Limit = Annotated[int | None, typer.Option(min=3, help="Frames of each video.")]
Exclude = Annotated[list[str] | None, typer.Option(help="A video to leave out; repeatable.")]


class PromptKind(StrEnum):
    """What is said of an object in its first frame."""

    MASK = "mask"
    BOX = "box"
    CLICK = "click"
    CLICKS3 = "clicks3"
    CLICKS5 = "clicks5"


@app.callback()
def main() -> None:
    """Score a checkpoint: videos, clicks, pictures, streams and made-up scenes."""
    host.prepare()


@app.command()
def vos(  # noqa: PLR0913, PLR0917 - the options of a command are its parameters
    data: Data,
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    prompt: Annotated[PromptKind, typer.Option(help="What is said first.")] = PromptKind.MASK,
    limit: Limit = None,
    exclude: Exclude = None,
    baselines: Annotated[bool, typer.Option(help="Copy and flow too.")] = False,  # noqa: FBT002 - typer
    threads: Threads = 1,
) -> None:
    """Semi-supervised VOS: each object is told of once and followed to the end; J, F and J&F."""
    from sam2_rt.eval import suites, tables  # noqa: PLC0415 - imports torch
    from sam2_rt.eval.subject import Subject  # noqa: PLC0415 - likewise
    from sam2_rt.eval.vos import Told  # noqa: PLC0415 - likewise

    subject = Subject(model, checkpoint, size, threads)
    try:
        videos = suites.Videos.open(data, limit, exclude or ())
        begin = suites.begin_model(subject.load(), may_overlap=videos.may_overlap)
        results = [suites.run_vos(subject.name, begin, videos, Told(prompt))]
        if baselines:
            results += [
                suites.run_vos(name, other, videos) for name, other in suites.BASELINES.items()
            ]
    except (ValueError, OSError) as error:
        _fail(str(error))
    Console().print(tables.vos_table(results, f"first {prompt}"))


@app.command()
def image(
    data: Annotated[Path, typer.Option(help="A folder with images/ and masks/.")],
    model: Model = "nano",
    checkpoint: Checkpoint = None,
    size: Size = None,
    threads: Threads = 1,
) -> None:
    """Prompt to mask in pictures: IoU after 1 click, after 5, and for a box."""
    from sam2_rt.eval import suites, tables  # noqa: PLC0415 - imports torch
    from sam2_rt.eval.image import Pictures  # noqa: PLC0415 - likewise
    from sam2_rt.eval.subject import Subject  # noqa: PLC0415 - likewise

    subject = Subject(model, checkpoint, size, threads)
    try:
        pictures = Pictures.open(data)
        begin = suites.begin_model(subject.load(), may_overlap=True)
        result = suites.run_image(begin, pictures)
    except (ValueError, OSError) as error:
        _fail(str(error))
    Console().print(tables.image_table(result))


def _fail(message: str) -> NoReturn:
    Console(stderr=True).print(message, style="red", soft_wrap=True, highlight=False, markup=False)
    raise typer.Exit(1)
