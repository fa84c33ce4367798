"""The demo's second pass: masks at the clip's size, and the clip with the masks painted on it."""

from fractions import Fraction
from pathlib import Path
from typing import Final, Self

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from streamer.demo.stream import GridMask
from streamer.protocol import PALETTE

OPACITY_256: Final = 115
"""Of the tint, in 256ths; the outline is opaque."""
EDGE: Final = 2
"""Pixels of a mask's outline."""


def to_labels(masks: tuple[GridMask, ...], width: int, height: int) -> NDArray[np.uint8]:
    """Labels [height, width]: 0 or the track id. Where tracks overlap the lowest id has it."""
    labels = np.zeros((height, width), np.uint8)
    for mask in sorted(masks, key=lambda mask: mask.track_id, reverse=True):
        labels[_enlarge(mask.decode(), width, height)] = mask.track_id
    return labels


def paint(rgb: NDArray[np.uint8], labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Picture [H, W, 3] with each label in its colour and a firm outline -> [H, W, 3]."""
    painted = rgb.copy()
    present = np.flatnonzero(np.bincount(labels.reshape(-1), minlength=256))
    for track_id in present[present > 0]:
        mask = labels == track_id
        colour = np.array(PALETTE[(int(track_id) - 1) % len(PALETTE)], np.uint16)
        # In 256ths: floats take twice as long.
        mixed = ((256 - OPACITY_256) * rgb[mask].astype(np.uint16) + OPACITY_256 * colour) >> 8
        painted[mask] = mixed
        painted[mask & ~_shrink(mask, EDGE)] = colour
    return painted


class Film:
    """An H.264 file, written frame by frame; crf is x264's, 0..51, smaller for a finer picture."""

    def __init__(self, path: Path, size: tuple[int, int], fps: float, crf: int = 20) -> None:
        self._container = av.open(str(path), "w")
        rate = Fraction(fps).limit_denominator(1001)
        stream = self._container.add_stream("libx264", rate=rate)
        assert isinstance(stream, VideoStream)
        # Both sides even, as 4:2:0 video wants them: an odd last row or column is left out.
        stream.width, stream.height = (side - side % 2 for side in size)
        stream.pix_fmt = "yuv420p"
        stream.options = {"preset": "veryfast", "crf": str(crf), "movflags": "+faststart"}
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def write(self, rgb: NDArray[np.uint8]) -> None:
        """The next picture, [H, W, 3]."""
        cropped = np.ascontiguousarray(rgb[: self._stream.height, : self._stream.width])
        frame = av.VideoFrame.from_ndarray(cropped, format="rgb24")
        self._container.mux(self._stream.encode(frame))


def _enlarge(cells: NDArray[np.bool_], width: int, height: int) -> NDArray[np.bool_]:
    """Grid -> [height, width], its outline smoothed between the cells."""
    picture = Image.fromarray(cells.astype(np.uint8) * 255)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)) > 127


def _shrink(mask: NDArray[np.bool_], pixels: int) -> NDArray[np.bool_]:
    """The mask without its outline; the frame's border is no outline."""
    inner = np.pad(mask, pixels, mode="edge")
    for axis in (0, 1):
        shifted = [np.roll(inner, step, axis) for step in range(-pixels, pixels + 1)]
        inner = np.logical_and.reduce(shifted)
    return inner[pixels:-pixels, pixels:-pixels]
