"""Windows: short runs of frames of a labelled video, cut and coloured at random to learn from."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sam2_rt.data.clip import ClipError
from sam2_rt.data.labelled_video import LabelledVideo, Skipped
from sam2_rt.data.sample import Sample

MAX_STRIDE: Final = 3
"""In annotated frames: SA-V's are 4 video frames apart, YouTube-VOS's 5."""
STARTS: Final = 4
"""First frames that are tried until one shows an object."""
MIN_VISIBLE: Final = 1e-3
"""Share of the resized first frame that an object must have to be learned."""

_WHOLE_FRAME: Final = 0.5  # how often; else a part of it
_MIN_CROP: Final = 0.5  # of the frame's width and height
_GREY: Final = 0.05  # how often the colours go

Mask = NDArray[np.bool_]
Box = tuple[float, float, float, float]
"""Left, top, right, bottom of the frame's part that is seen, in pixels."""


@dataclass(frozen=True, slots=True)
class _Run:
    """Indices of frames, ascending, and which end is the first frame."""

    indices: tuple[int, ...]
    is_reversed: bool

    @property
    def first(self) -> int:
        return self.indices[-1 if self.is_reversed else 0]


@dataclass(frozen=True, slots=True)
class _View:
    """What is taken of each frame, and the objects that are learned."""

    box: Box
    size: int
    object_ids: tuple[int, ...]


def sample_window(
    video: LabelledVideo,
    random: np.random.Generator,
    num_frames: int,
    size: int,
    max_masklets: int = 4,
) -> Sample | Skipped:
    """num_frames annotated frames as squares of size pixels, with objects seen in the first.

    Skipped if the video has too few annotated frames, shows nothing in several starts or is broken.
    """
    if len(video.annotated) < num_frames:
        reason = f"{len(video.annotated)} annotated frames, {num_frames} are asked for"
        return Skipped(video.name, reason)
    try:
        for _ in range(STARTS):
            run = _draw_run(video.annotated, num_frames, random)
            view = _draw_view(video.masks(run.first), size, max_masklets, random)
            if view is not None:
                return _augment(_read(video, run, view), random)
    except ClipError as error:
        return Skipped(video.name, str(error))
    return Skipped(video.name, f"no object in {STARTS} random first frames")


def _draw_run(annotated: tuple[int, ...], num_frames: int, random: np.random.Generator) -> _Run:
    largest = MAX_STRIDE if num_frames == 1 else (len(annotated) - 1) // (num_frames - 1)
    stride = int(random.integers(1, min(MAX_STRIDE, largest) + 1))
    span = (num_frames - 1) * stride + 1
    start = int(random.integers(len(annotated) - span + 1))
    return _Run(annotated[start : start + span : stride], bool(random.integers(2)))


def _draw_view(
    masks: dict[int, Mask], size: int, max_masklets: int, random: np.random.Generator
) -> _View | None:
    """A part of the frame, or all of it if nothing can be seen in the part."""
    height, width = next(iter(masks.values())).shape
    whole = (0.0, 0.0, float(width), float(height))
    shown = [mask for mask in masks.values() if mask.any()]
    if not shown:
        return None
    boxes = [whole]
    if random.random() >= _WHOLE_FRAME:
        boxes.insert(0, _draw_crop(shown[random.integers(len(shown))], random))
    for box in boxes:
        seen = [i for i, mask in masks.items() if resize_mask(mask, box, size).mean() > MIN_VISIBLE]
        if seen:
            chosen = random.permutation(seen)[:max_masklets]
            return _View(box, size, tuple(int(i) for i in chosen))
    return None


def _draw_crop(mask: Mask, random: np.random.Generator) -> Box:
    """A part of the frame that holds one pixel of the mask somewhere."""
    rows, columns = np.nonzero(mask)
    pixel = random.integers(len(rows))
    left, right = _draw_interval(columns[pixel], mask.shape[1], random)
    top, bottom = _draw_interval(rows[pixel], mask.shape[0], random)
    return left, top, right, bottom


def _draw_interval(inside: int, length: int, random: np.random.Generator) -> tuple[float, float]:
    share = length * random.uniform(_MIN_CROP, 1)
    start = random.uniform(max(0, inside + 1 - share), min(inside, length - share))
    return start, min(start + share, float(length))


def _read(video: LabelledVideo, run: _Run, view: _View) -> Sample:
    frames, masks, ignored = [], [], []
    for index in run.indices:  # ascending: a video file is decoded forwards
        frames.append(resize_frame(video.frame(index), view.box, view.size))
        found = video.masks(index)
        masks.append([resize_mask(found[i], view.box, view.size) for i in view.object_ids])
        unknown = video.ignored(index)
        if unknown is None:
            ignored.append(np.zeros((view.size, view.size), np.bool_))
        else:
            ignored.append(resize_mask(unknown, view.box, view.size, at_least=1))
    order = slice(None, None, -1 if run.is_reversed else 1)
    masklets = np.array(masks).swapaxes(0, 1)
    unknown = np.array(ignored)[order]
    return Sample(np.array(frames)[order], masklets[:, order], unknown if unknown.any() else None)


def resize_frame(rgb: NDArray[np.uint8], box: Box, size: int) -> NDArray[np.uint8]:
    """[H, W, 3] -> [size, size, 3], by the filter that serving uses for recorded frames."""
    picture = Image.fromarray(rgb).resize((size, size), Image.Resampling.BICUBIC, box)
    return np.asarray(picture)


def resize_mask(mask: Mask, box: Box, size: int, at_least: int = 128) -> Mask:
    """[H, W] -> [size, size], True where at_least of 255 parts of a pixel are covered."""
    picture = Image.fromarray(mask.astype(np.uint8) * 255)
    return np.asarray(picture.resize((size, size), Image.Resampling.BILINEAR, box)) >= at_least


def _augment(sample: Sample, random: np.random.Generator) -> Sample:
    """Mirrors and recolours all frames alike."""
    frames, masklets, ignored = sample.frames, sample.masklets, sample.ignored
    if random.integers(2):
        frames, masklets = frames[:, :, ::-1], masklets[..., ::-1]
        ignored = None if ignored is None else ignored[..., ::-1]
    return Sample(
        _recolour(frames, random),
        np.ascontiguousarray(masklets),
        None if ignored is None else np.ascontiguousarray(ignored),
    )


def _recolour(frames: NDArray[np.uint8], random: np.random.Generator) -> NDArray[np.uint8]:
    """Contrast, brightness, saturation and a little hue: one affine map of the colours."""
    luma = np.array((0.299, 0.587, 0.114), np.float32)
    saturation = 0.0 if random.random() < _GREY else random.uniform(0.6, 1.4)
    contrast = random.uniform(0.7, 1.3)
    brightness = random.uniform(-25, 25) + 128 * (1 - contrast)
    tint = random.uniform(0.93, 1.07, 3)
    colours = saturation * np.eye(3) + (1 - saturation) * luma
    matrix = (contrast * tint[:, None] * colours).astype(np.float32)
    recoloured = frames.astype(np.float32) @ matrix.T + np.float32(brightness)
    return np.clip(recoloured, 0, 255).astype(np.uint8)
