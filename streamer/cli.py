"""`streamer serve` and `streamer demo`: the service on the command line."""

import os
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from sam2_rt import host
from streamer.config import Settings
from streamer.telemetry import logs

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def main() -> None:
    """Click an object in a live video and keep its mask: SAM 2 over WebRTC."""


@app.command()
def serve(  # noqa: PLR0913, PLR0917 (the options of a command are its parameters)
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="0 takes any free one.")] = None,
    model: Annotated[str | None, typer.Option(help="A name of `sam2-rt models`.")] = None,
    image_size: Annotated[int | None, typer.Option(help="Side of the model's input.")] = None,
    checkpoint: Annotated[Path | None, typer.Option(help="Weights in place of the zoo's.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1...")] = None,
    threads: Annotated[int | None, typer.Option(help="For the model on a CPU.")] = None,
    max_sessions: Annotated[int | None, typer.Option(help="Viewers at once.")] = None,
) -> None:
    """Serve the page, the signalling and the tracker. Each option is also STREAMER_<NAME>."""
    given = {name: value for name, value in locals().items() if value is not None}
    # streamer.server's CLOSE, which would end a process that does not listen to it yet.
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    console = Console()
    try:
        settings = Settings(**given)
    except ValueError as error:  # a value (pydantic's) or the JSON of a variable
        Console(stderr=True).print(f"[red]{error}", highlight=False)
        raise typer.Exit(2) from error
    logs.start(settings.log_level, settings.log_format, console)
    try:
        code = _run(settings, console)
    except SystemExit as end:  # uvicorn's, when it cannot start
        code = int(end.code or 0)
    sys.stdout.flush()
    # The engine may still be loading on its thread: torn down in the middle of it, torch aborts.
    os._exit(code)


@app.command()
def demo(
    video: Annotated[
        Path | None, typer.Option(help="A video or a folder of frames; else a procedural clip.")
    ] = None,
    click: Annotated[
        str | None, typer.Option(metavar="X,Y", help="Pixels of the video; else its centre.")
    ] = None,
    model: Annotated[str, typer.Option(help="A name of `sam2-rt models`.")] = "nano",
    image_size: Annotated[int | None, typer.Option(help="Side of the model's input.")] = None,
    out: Annotated[Path, typer.Option(help="Folder for demo.mp4, masks and summary.json.")] = Path(
        "out"
    ),
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Of the clip.")] = None,
) -> None:
    """Stream a clip through a service of its own and show what came back."""
    from streamer.demo.demo import DemoOptions, parse_click, run_demo  # noqa: PLC0415 (heavy)

    try:
        place = None if click is None else parse_click(click)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--click") from error
    options = DemoOptions(video, place, model, image_size, out, seconds)
    sys.exit(run_demo(options, Console()))


def _run(settings: Settings, console: Console) -> int:
    host.prepare()
    # Torch takes seconds to import: `streamer --help` does without.
    from sam2_rt.engine import (  # noqa: PLC0415
        Engine,
        EngineConfig,
        PresenceLimits,
        TrackerConfig,
    )
    from sam2_rt.remote.engine_process import EngineProcess  # noqa: PLC0415
    from streamer.media_workers import MediaWorkers  # noqa: PLC0415
    from streamer.server import Server  # noqa: PLC0415
    from streamer.telemetry.announcer import Announcer  # noqa: PLC0415

    config = EngineConfig(
        model=settings.model,
        image_size=settings.image_size,
        checkpoint=settings.checkpoint,
        device=settings.device,
        dtype=settings.dtype,
        threads=settings.threads or max(1, host.num_cores() - 1),
        compiled_rows=settings.compiled_rows,
        recorded_rows=settings.max_batch,
        pool_tracks=settings.pool_tracks,
        tracker=TrackerConfig(
            max_tracks=settings.max_tracks,
            max_conditioning=settings.max_conditioning,
            kept_frames=settings.kept_frames,
            presence=PresenceLimits(
                settings.visible_above,
                settings.hidden_below,
                settings.lost_after_frames,
                settings.drop_after_frames,
            ),
        ),
    )

    told = Announcer(settings, console)
    load = partial(Engine.load, config)
    if settings.media_workers == 0:
        return Server(settings, load, told.tell_address, told.tell_model).run_to_end()
    if settings.media_workers > 1:
        return MediaWorkers(settings, load, told.tell_address, told.tell_model).run_to_end()
    with EngineProcess(load, settings.max_frame_pixels, settings.max_batch) as engine:
        server = Server(settings, engine.connect, told.tell_address, told.tell_model)
        return server.run_to_end()
