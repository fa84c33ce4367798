"""Datasets of two moving squares and a few grey frames, in the layouts that we read."""

import json
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2_rt import rle
from sam2_rt.data.clip import write_palette_png

WIDTH, HEIGHT = 64, 48
NUM_FRAMES = 9


def frame(index: int) -> NDArray[np.uint8]:
    """A grey that tells the index, the two squares brighter."""
    grey = np.full((HEIGHT, WIDTH), 20 + 20 * index, np.uint8)
    grey[labels(index) > 0] += 40
    return np.repeat(grey[..., None], 3, axis=2)


def labels(index: int) -> NDArray[np.uint8]:
    """Objects 1 and 2, of 12 x 12 pixels; 2 leaves after frame 4."""
    found = np.zeros((HEIGHT, WIDTH), np.uint8)
    found[4:16, 2 + 4 * index : 14 + 4 * index] = 1
    if index <= 4:
        found[24 + 2 * index : 36 + 2 * index, 40:52] = 2
    return found


def write_png_video(frames: Path, masks: Path, every: int = 1) -> None:
    """NUM_FRAMES pictures, every so many with a mask."""
    frames.mkdir(parents=True)
    masks.mkdir(parents=True)
    for index in range(NUM_FRAMES):
        Image.fromarray(frame(index)).save(frames / f"{index:05d}.jpg", quality=95)
        if index % every == 0:
            write_palette_png(masks / f"{index:05d}.png", labels(index))


def write_shared(folder: Path, name: str, every: int = 1) -> Path:
    write_png_video(folder / name / "frames", folder / name / "masks", every)
    return folder


def write_mostly_broken(folder: Path, num_broken: int) -> Path:
    """One good video, and so many whose pictures after the first are cut off."""
    write_shared(folder, "good")
    for number in range(num_broken):
        write_shared(folder, f"bad{number}")
        for file in sorted((folder / f"bad{number}" / "frames").iterdir())[1:]:
            file.write_bytes(b"")
    return folder


def write_davis(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        parts = ("480p", name)
        write_png_video(
            folder.joinpath("JPEGImages", *parts), folder.joinpath("Annotations", *parts)
        )
    lists = folder / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_text(f"{names[-1]}\n")
    return folder


def write_mose(folder: Path, name: str, every: int = 1) -> Path:
    write_png_video(folder / "JPEGImages" / name, folder / "Annotations" / name, every)
    return folder


def write_mp4(path: Path, num_frames: int = NUM_FRAMES, *, first_the_header: bool = False) -> Path:
    """Nearly lossless, with key frames and frames out of order between them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {"crf": "1", "g": "4", "bf": "2"}
    muxing = {"movflags": "faststart"} if first_the_header else {}
    with av.open(str(path), "w", options=muxing) as container:
        stream = container.add_stream("libx264", rate=24, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(num_frames):
            rgb = av.VideoFrame.from_ndarray(frame(index), format="rgb24")
            container.mux(stream.encode(rgb))
        container.mux(stream.encode())
    return path


def sav_document() -> dict[str, object]:
    """Two masklets in every fourth frame, overlapping: the second is the union of both squares."""
    masklet = [
        [rle.to_json(labels(index) == 1), rle.to_json(labels(index) > 0)]
        for index in range(0, NUM_FRAMES, 4)
    ]
    return {"masklet": masklet, "video_frame_count": NUM_FRAMES}


def write_sav(folder: Path, name: str, kind: str = "manual") -> Path:
    write_mp4(folder / f"{name}.mp4")
    (folder / f"{name}_{kind}.json").write_text(json.dumps(sav_document()))
    return folder
