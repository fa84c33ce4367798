"""`sam2-rt scenes`: made-up clips as a picture to look at, or timed."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Protocol

import typer
from PIL import Image

if TYPE_CHECKING:
    from sam2_rt.data.sample import Sample
    from sam2_rt.data.scenes.photos import SkippedPicture
    from sam2_rt.data.synthetic import SceneConfig

Folders = list[Path] | None


class Maker(Protocol):
    """Of painted scenes or of solid bodies."""

    @property
    def skipped(self) -> "tuple[SkippedPicture, ...]":
        """Pictures that could not be used."""

    def make(self, seed: int, num_frames: int) -> "Sample":
        """The clip of a seed."""


def scenes(  # noqa: PLR0913, PLR0917 typer reads options from parameters
    photos: Annotated[Folders, typer.Option(help="Photographs; may be given again.")] = None,
    masks: Annotated[Folders, typer.Option(help="Of images/ and masks/; likewise.")] = None,
    cutouts: Annotated[Folders, typer.Option(help="RGBA PNGs; likewise.")] = None,
    out: Annotated[Path, typer.Option(help="The contact sheet, a PNG.")] = Path("out/scenes.png"),
    clips: Annotated[int, typer.Option(min=1, help="How many are made.")] = 8,
    frames: Annotated[int, typer.Option(min=1, help="Of each; 1: still pictures.")] = 8,
    size: Annotated[int, typer.Option(min=32, help="Side of a frame, pixels.")] = 256,
    difficulty: Annotated[float, typer.Option(min=0, max=1)] = 1.0,
    seed: Annotated[int, typer.Option(min=0, help="Of the first clip; the next has the next.")] = 0,
    bodies: Annotated[bool, typer.Option("--bodies", help="In 3D, of photos.")] = False,  # noqa: FBT002
    bench: Annotated[bool, typer.Option("--bench", help="Only time it.")] = False,  # noqa: FBT002
) -> None:
    """Make clips with exact masks, a row each, outlined; or tell how long a frame takes."""
    try:
        from sam2_rt.data.synthetic import SceneConfig  # noqa: PLC0415 imports OpenCV
    except ImportError as error:
        raise typer.BadParameter(f"needs the extra [train]: {error}") from error
    config = SceneConfig(
        size, frames, tuple(photos or ()), tuple(masks or ()), tuple(cutouts or ()), difficulty
    )
    maker = _open(config, is_3d=bodies)
    seeds = range(seed, seed + clips)
    if bench:
        _time(maker, seeds, frames)
    else:
        _draw(maker, seeds, frames, out)
    for picture in maker.skipped:
        typer.echo(f"skipped {picture.path}: {picture.reason}", err=True)


def _open(config: "SceneConfig", *, is_3d: bool) -> Maker:
    from sam2_rt.data.bodies import BodyMaker  # noqa: PLC0415 imports OpenCV
    from sam2_rt.data.synthetic import SceneMaker  # noqa: PLC0415 likewise
    from sam2_rt.data.worlds.library import NoRenderer  # noqa: PLC0415 likewise

    try:
        return BodyMaker(config.size, config.photo_folders) if is_3d else SceneMaker(config)
    except (FileNotFoundError, NoRenderer) as error:
        raise typer.BadParameter(str(error)) from error


def _time(maker: Maker, seeds: range, num_frames: int) -> None:
    """Once to fill the banks, then again with other seeds."""
    clips = len(seeds)
    for name, first in (("first", seeds.start), ("then", seeds.stop)):
        started = time.process_time()
        for number in range(clips):
            maker.make(first + number, num_frames)
        milliseconds = (time.process_time() - started) * 1000 / (clips * num_frames)
        typer.echo(f"{name} {clips} clips: {milliseconds:.2f} ms a frame of one core")


def _draw(maker: Maker, seeds: range, num_frames: int, out: Path) -> None:
    from sam2_rt.data.contact_sheet import draw_contact_sheet  # noqa: PLC0415 likewise

    out.parent.mkdir(parents=True, exist_ok=True)
    sheet = draw_contact_sheet(maker.make(seed, num_frames) for seed in seeds)
    Image.fromarray(sheet).save(out)
    typer.echo(f"{out}: {len(seeds)} clips, {sheet.shape[1]} x {sheet.shape[0]} pixels")
