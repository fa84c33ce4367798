"""`sam2-rt bench`: the options; sam2_rt/bench/ has the work and imports torch."""

from typing import Annotated

import typer

from sam2_rt.bench.start import Start, StartFailed, time_starts
from sam2_rt.bench.wanted import Dtype, Peer, Wanted


def bench(  # noqa: PLR0913, PLR0917 typer reads options from parameters
    model: Annotated[str, typer.Option(help="A name of `sam2-rt models`.")] = "nano",
    image_size: Annotated[int | None, typer.Option(help="Side of the input, pixels.")] = None,
    tracks: Annotated[int, typer.Option(min=1, max=16, help="Of each stream.")] = 1,
    streams: Annotated[
        int, typer.Option(min=1, max=64, help="More than one: in a batch, beside taking turns.")
    ] = 1,
    frames: Annotated[int, typer.Option(min=1, help="Steps that are timed.")] = 10,
    threads: Annotated[int, typer.Option(min=1)] = 2,
    dtype: Annotated[Dtype, typer.Option(help="Of our arithmetic.")] = "float32",
    peer: Annotated[
        list[Peer] | None,
        typer.Option(help="Time the same step by it, in turn; may be given twice."),
    ] = None,
    peer_dtype: Annotated[Dtype, typer.Option(help="Of the peer's arithmetic.")] = "float32",
    start: Annotated[  # noqa: FBT002 an option
        bool, typer.Option("--start", help="Only time two starts of the engine, until it is warm.")
    ] = False,
    compiled_rows: Annotated[
        int, typer.Option(min=0, help="Largest batch of whole steps that is compiled.")
    ] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1...")] = "cpu",
    profile: Annotated[  # noqa: FBT002 an option
        bool, typer.Option("--profile", help="Also tell which operations a step's time goes to.")
    ] = False,
    limit: Annotated[  # noqa: FBT002 an option
        bool, typer.Option("--limit", help="Also tell how near each stage is to the device's rate.")
    ] = False,
    processor_time: Annotated[  # noqa: FBT002 an option
        bool,
        typer.Option(
            "--processor-time",
            help="Count this process's seconds of all threads: for a machine that others use.",
        ),
    ] = False,
) -> None:
    """Time each stage and the whole step with a full bank; weights are random unless cached."""
    if start:
        if streams > 1 or peer:
            raise typer.BadParameter("--start goes with neither --streams nor --peer")
        _time_starts(Start(model, image_size, threads, dtype, compiled_rows, device))
        return
    from sam2_rt.bench.measure import measure  # noqa: PLC0415 imports torch
    from sam2_rt.model.zoo import UnknownModel  # noqa: PLC0415 likewise

    try:
        measure(
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
                is_profiled=profile,
                is_limited=limit,
                counts_processor=processor_time,
            )
        )
    except (UnknownModel, ValueError) as error:
        raise typer.BadParameter(str(error)) from error


def _time_starts(start: Start) -> None:
    try:
        time_starts(start)
    except StartFailed as error:
        raise typer.BadParameter(str(error)) from error
