"""Opens a folder of annotated videos, whichever of the known layouts it has."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from sam2_rt.data.labelled_video import Dataset, LabelledVideo, Skipped
from sam2_rt.data.png_video import open_png_video
from sam2_rt.data.sav_video import open_sav_video

LAYOUTS: Final = """\
  shared       NAME/frames/*.jpg, NAME/masks/*.png
  DAVIS        JPEGImages/480p/NAME/*.jpg, Annotations/480p/NAME/*.png [ImageSets/*/SPLIT.txt]
  MOSE         [train|valid|test/]JPEGImages/NAME/*.jpg, Annotations/NAME/*.png
  YouTube-VOS  the same with a meta.json beside them
  SA-V         [FOLDER/]NAME.mp4, NAME_manual.json or NAME_auto.json"""
_RESOLUTIONS: Final = ("480p", "Full-Resolution")
_DAVIS_LISTS: Final = ("2017", "2016", "480p", "1080p")
_SPLITS: Final = ("train", "valid", "test")

Opened = Iterable[LabelledVideo | Skipped]


class UnknownLayout(ValueError):
    """A folder that is laid out like none of the known datasets."""

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(f"{folder} {what}. Known layouts:\n{LAYOUTS}")


def open_dataset(folder: Path, split: str | None = None) -> Dataset:
    """The videos of a folder, or of one split of it; videos that cannot be used are named.

    A split is a list of names (DAVIS) or a folder (MOSE, YouTube-VOS); None is all there is.
    Raises UnknownLayout for a folder or split that is missing, empty or laid out in another way.
    """
    if not folder.is_dir():
        raise UnknownLayout(folder, "is no folder")
    resolution = next((r for r in _RESOLUTIONS if (folder / "JPEGImages" / r).is_dir()), None)
    if resolution is not None:
        return _collect("DAVIS", _open_davis(folder, resolution, split))
    splits = [folder / name for name in _SPLITS if (folder / name / "JPEGImages").is_dir()]
    if (folder / "JPEGImages").is_dir() or splits:
        return _open_by_names(folder, splits, split)
    if split is not None:
        raise UnknownLayout(folder, f"has no split {split}")
    shared = [folder] if (folder / "frames").is_dir() else _folders(folder)
    if any((video / "frames").is_dir() for video in shared):
        opened = [open_png_video(v.name, v / "frames", v / "masks") for v in shared]
        return _collect("shared", opened)
    if any(folder.rglob("*.mp4")):  # after the pictures, beside which the clip itself may lie
        return _collect("SA-V", _open_sav(folder))
    raise UnknownLayout(folder, "holds no annotated videos")


def _collect(layout: str, opened: Opened) -> Dataset:
    videos: list[LabelledVideo] = []
    skipped: list[Skipped] = []
    for video in opened:
        if isinstance(video, Skipped):
            skipped.append(video)
        else:
            videos.append(video)
    return Dataset(layout, tuple(videos), tuple(skipped))


def _open_davis(folder: Path, resolution: str, split: str | None) -> Opened:
    frames = folder / "JPEGImages" / resolution
    masks = folder / "Annotations" / resolution
    names = {f.name for f in _folders(frames)} | {f.name for f in _folders(masks)}
    if split is not None:
        names = _davis_names(folder, split)
    return [open_png_video(name, frames / name, masks / name) for name in sorted(names)]


def _davis_names(folder: Path, split: str) -> set[str]:
    lists = [folder / "ImageSets" / place / f"{split}.txt" for place in _DAVIS_LISTS]
    found = next((file for file in lists if file.is_file()), None)
    if found is None:
        raise UnknownLayout(folder, f"has no ImageSets/2017/{split}.txt")
    lines = [line.split()[0] for line in found.read_text().splitlines() if line.strip()]
    # The first release lists files: /JPEGImages/480p/bear/00000.jpg /Annotations/...
    return {Path(line).parent.name if "/" in line else line for line in lines}


def _open_by_names(folder: Path, splits: list[Path], split: str | None) -> Dataset:
    """MOSE or YouTube-VOS, whose masks look the same."""
    roots = [root for root in splits if split in {None, root.name}] if splits else [folder]
    if not roots or (split is not None and not splits):
        raise UnknownLayout(folder, f"has no split {split}")
    opened: list[LabelledVideo | Skipped] = []
    for root in roots:
        # Splits may hold videos of the same name.
        prefix = f"{root.name}/" if len(roots) > 1 else ""
        frames, masks = root / "JPEGImages", root / "Annotations"
        names = {f.name for f in _folders(frames)} | {f.name for f in _folders(masks)}
        opened += [
            open_png_video(prefix + name, frames / name, masks / name) for name in sorted(names)
        ]
    has_meta = any((place / "meta.json").is_file() for place in (folder, *roots))
    return _collect("YouTube-VOS" if has_meta else "MOSE", opened)


def _open_sav(folder: Path) -> Iterator[LabelledVideo | Skipped]:
    for video in sorted(folder.rglob("*.mp4")):
        name = video.relative_to(folder).with_suffix("").as_posix()
        manual = video.with_name(f"{video.stem}_manual.json")
        masklets = manual if manual.is_file() else video.with_name(f"{video.stem}_auto.json")
        if masklets.is_file():
            yield open_sav_video(name, video, masklets)
        else:
            yield Skipped(name, "has neither _manual.json nor _auto.json")


def _folders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir()) if folder.is_dir() else []
