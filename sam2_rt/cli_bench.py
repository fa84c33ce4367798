"""`sam2-rt bench`: the options; sam2_rt/bench/ has the work and imports torch."""

from typing import Annotated

import typer

from sam2_rt.bench.start import Start, StartFailed, time_starts
from sam2_rt.bench.wanted import Dtype, Only, Peer, Wanted

Model = Annotated[str, typer.Option(help="A name of `sam2-rt models`.")]
ImageSize = Annotated[int | None, typer.Option(help="Side of the input, pixels.")]
Tracks = Annotated[int, typer.Option(min=1, max=16, help="Of each stream.")]
Streams = Annotated[
    int, typer.Option(min=1, max=64, help="More than one: in a batch, beside taking turns.")
]
Frames = Annotated[int, typer.Option(min=1, help="Steps that are timed.")]
Threads = Annotated[int, typer.Option(min=1)]
OurDtype = Annotated[Dtype, typer.Option(help="Of our arithmetic.")]
PeerDtype = Annotated[Dtype, typer.Option(help="Of the peer's arithmetic.")]
Peers = Annotated[
    list[Peer] | None,
    typer.Option(help="Time the same step by it, in turn; may be given twice."),
]
CompiledRows = Annotated[
    int, typer.Option(min=0, help="Largest batch of whole steps that is compiled.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1...")]
StartOnly = Annotated[
    bool, typer.Option("--start", help="Only time two starts of the engine, until it is warm.")
]
AttentionOnly = Annotated[
    bool, typer.Option("--attention", help="Only time torch's kernels for memory attention.")
]
ColourOnly = Annotated[
    bool, typer.Option("--colour", help="Only time ways from a video frame to the model's input.")
]
Profile = Annotated[
    bool, typer.Option("--profile", help="Also tell which operations a step's time goes to.")
]
Limit = Annotated[
    bool, typer.Option("--limit", help="Also tell how near each stage is to the device's rate.")
]
ProcessorTime = Annotated[
    bool,
    typer.Option(
        "--processor-time",
        help="Count this process's seconds of all threads: for a machine that others use.",
    ),
]


def bench(  # noqa: PLR0913, PLR0917 typer reads options from parameters
    model: Model = "nano",
    image_size: ImageSize = None,
    tracks: Tracks = 1,
    streams: Streams = 1,
    frames: Frames = 10,
    threads: Threads = 2,
    dtype: OurDtype = "float32",
    peer: Peers = None,
    peer_dtype: PeerDtype = "float32",
    start: StartOnly = False,  # noqa: FBT002 an option
    attention: AttentionOnly = False,  # noqa: FBT002 an option
    colour: ColourOnly = False,  # noqa: FBT002 an option
    compiled_rows: CompiledRows = 0,
    device: Device = "cpu",
    profile: Profile = False,  # noqa: FBT002 an option
    limit: Limit = False,  # noqa: FBT002 an option
    processor_time: ProcessorTime = False,  # noqa: FBT002 an option
) -> None:
    """Time each stage and the whole step with a full bank; weights are random unless cached."""
    if start:
        if streams > 1 or peer:
            raise typer.BadParameter("--start goes with neither --streams nor --peer")
        _time_starts(Start(model, image_size, threads, dtype, compiled_rows, device))
        return
    _measure(
        Wanted(
            model=model,
            image_size=image_size,
            tracks=tracks,
            frames=frames,
            threads=threads,
            dtype=dtype,
            peers=tuple(dict.fromkeys(peer or ())),
            peer_dtype=peer_dtype,
            streams=streams,
            compiled_rows=compiled_rows,
            device=device,
            only=Only.ATTENTION if attention else Only.COLOUR if colour else None,
            is_profiled=profile,
            is_limited=limit,
            counts_processor=processor_time,
        )
    )


def _measure(wanted: Wanted) -> None:
    from sam2_rt.bench.measure import measure  # noqa: PLC0415 imports torch
    from sam2_rt.model.zoo import UnknownModel  # noqa: PLC0415 likewise

    try:
        measure(wanted)
    except (UnknownModel, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


def _time_starts(start: Start) -> None:
    try:
        time_starts(start)
    except StartFailed as error:
        raise typer.BadParameter(str(error)) from error
