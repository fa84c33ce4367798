"""`streamer demo`: the service in one process, a clip through a real connection, masks on disk."""

import asyncio
import json
import math
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sam2_rt.data.ball_clip import SyntheticClip, SyntheticFrame, make_clip
from sam2_rt.data.clip import Clip, ClipError, ClipFrame, open_clip, write_palette_png
from streamer.client import ClientError, Point
from streamer.demo.film import Film, paint, to_labels
from streamer.demo.report import Report
from streamer.demo.service import ServiceError, running_service
from streamer.demo.stream import Click, Streamed, StreamError, stream
from streamer.rtc.addresses import use_addresses
from streamer.rtc.bitrate import use_bounds

PROCEDURAL_SECONDS: Final = 8.0
PROCEDURAL_SEED: Final = 7
MAX_CLICKABLE: Final = 64
"""First frames whose truth is kept for the click: the first masks are of one of them."""
BITRATE_BPS: Final = (1_500_000, 500_000, 3_000_000)
"""Start, least and most of the video sent, as a browser's webcam at this size."""


AnyClip = Clip | SyntheticClip
AnyFrame = ClipFrame | SyntheticFrame


class DemoError(Exception):
    """An option that does not fit the clip."""


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What `streamer demo` was asked for."""

    video: Path | None = None
    """A video file or a folder of frames; None: a procedural clip."""
    click: tuple[float, float] | None = None
    """x, y in pixels of the video; None: its centre."""
    model: str = "nano"
    image_size: int | None = None
    out: Path = Path("out")
    seconds: float | None = None
    """Of the clip, from its start; None: all of it."""


def parse_click(text: str) -> tuple[float, float]:
    """`X,Y` -> (x, y). Raises ValueError."""
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError as error:
        raise ValueError(f"{text!r} is not X,Y in pixels, such as 320,180") from error
    return x, y


def run_demo(options: DemoOptions, console: Console) -> int:
    """Streams, writes and reports. Returns the process's exit status: 1 after one line of why."""
    try:
        clip, name, num_frames = _open(options)
        clicks_at = _ClicksAt(_click_of(options, clip))
        (options.out / "masks").mkdir(parents=True, exist_ok=True)
        with _progress(console) as progress:
            sent = _draw(clip, options.out / "clip.mp4", clicks_at, progress)
            streamed = asyncio.run(_stream(options, sent, num_frames, clicks_at, progress))
            report = _write(options.out, clip, name, streamed, progress)
    except (ClipError, DemoError, ServiceError, StreamError, ClientError, OSError) as error:
        console.print(f"[red]demo:[/red] {error}", soft_wrap=True, highlight=False)
        return 1
    _tell(report, options.out, console)
    return 0


def _open(options: DemoOptions) -> tuple[AnyClip, str, int | None]:
    """The clip, its name and how many of its frames to show (None: as many as come)."""
    if options.video is None:
        seconds = options.seconds or PROCEDURAL_SECONDS
        clip = make_clip(PROCEDURAL_SEED, math.ceil(30 * seconds))
        return clip, "procedural clip", clip.num_frames
    video = open_clip(options.video)
    limit = None if options.seconds is None else math.ceil(options.seconds * video.fps)
    known = [n for n in (limit, video.num_frames) if n is not None]
    return video, options.video.name, min(known) if known else None


def _click_of(options: DemoOptions, clip: AnyClip) -> Point | None:
    """Where to click, 0..1; None: on the objects of a procedural clip."""
    width, height = clip.size
    if options.click is None:
        return Point(0.5, 0.5) if options.video is not None else None
    x, y = options.click
    if not (0 <= x <= width and 0 <= y <= height):
        raise DemoError(f"--click {x:g},{y:g} is outside the {width} x {height} pixels of the clip")
    return Point(x / width, y / height)


def _draw(clip: AnyClip, path: Path, clicks_at: "_ClicksAt", progress: Progress) -> Clip:
    """A procedural clip as a file: to draw it while it streams would slow the service down."""
    if not isinstance(clip, SyntheticClip):
        return clip
    bar = progress.add_task("drawing", total=clip.num_frames, note="")
    with Film(path, clip.size, clip.fps, crf=10) as film:
        for frame in clip:
            clicks_at.watch(frame)
            film.write(frame.rgb)
            progress.advance(bar)
    return open_clip(path)


def _frames(clip: AnyClip, num_frames: int | None) -> Iterator[AnyFrame]:
    """From the first; a file's header may claim more frames than there are."""
    for frame in clip:
        if frame.index == num_frames:
            return
        yield frame


class _ClicksAt:
    """Says where to click in a frame; for a procedural clip, on each object's true place."""

    def __init__(self, click: Point | None) -> None:
        self._click = click
        self._labels: dict[int, NDArray[np.uint8]] = {}  # of the first MAX_CLICKABLE frames

    def __call__(self, index: int) -> Sequence[Click]:
        if self._click is not None:
            return [Click(1, self._click)]
        labels = self._labels.get(index)
        if labels is None:
            raise StreamError(f"the first masks were of frame {index}: the service is too slow")
        ids = [int(track_id) for track_id in np.unique(labels) if track_id]
        return [Click(track_id, _middle(labels == track_id)) for track_id in ids]

    def watch(self, frame: SyntheticFrame) -> None:
        """Notes the truth of a frame."""
        if frame.index < MAX_CLICKABLE:
            self._labels[frame.index] = frame.labels


def _middle(mask: NDArray[np.bool_]) -> Point:
    """The pixel of a mask that is nearest to its centre of mass."""
    rows, columns = np.nonzero(mask)
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    height, width = mask.shape
    return Point((columns[nearest] + 0.5) / width, (rows[nearest] + 0.5) / height)


async def _stream(
    options: DemoOptions,
    clip: Clip,
    num_frames: int | None,
    clicks_at: _ClicksAt,
    progress: Progress,
) -> Streamed:
    """Starts the service, streams, stops the service."""
    use_addresses((), with_loopback=True)
    use_bounds(*BITRATE_BPS)
    arguments = ["--model", options.model]
    if options.image_size is not None:
        arguments += ["--image-size", str(options.image_size)]
    bar = progress.add_task(f"starting {options.model}", total=None, note="")
    rate = _Rate()

    def on_masks(index: int, latency_s: float) -> None:
        note = f"{rate.tick():4.1f} fps  {1000 * latency_s:4.0f} ms"
        progress.update(bar, completed=index + 1, note=note)

    async with running_service(arguments, options.out / "service.log") as url:
        progress.update(bar, description="streaming", total=num_frames)
        frames = _frames(clip, num_frames)
        streamed = await stream(url, frames, clip.fps, clicks_at, on_masks)
    progress.update(bar, completed=streamed.num_frames, total=streamed.num_frames)
    return streamed


class _Rate:
    """Events a second, over the last second or so."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=30)

    def tick(self) -> float:
        """Counts one now."""
        self._times.append(time.monotonic())
        span_s = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / span_s if span_s > 0 else 0.0


def _write(out: Path, clip: AnyClip, name: str, streamed: Streamed, progress: Progress) -> Report:
    """out/demo.mp4, out/masks/NNNNN.png and out/summary.json; a dropped frame holds its masks."""
    for old in (out / "masks").glob("[0-9]*.png"):
        old.unlink()
    bar = progress.add_task("writing", total=streamed.num_frames, note="")
    ious = defaultdict[int, list[float]](list)
    labels = np.zeros(clip.size[::-1], np.uint8)
    with Film(out / "demo.mp4", clip.size, clip.fps) as film:
        for frame in _frames(clip, streamed.num_frames):
            masks = streamed.masks.get(frame.index)
            if masks is not None:
                labels = to_labels(masks, *clip.size)
            write_palette_png(out / "masks" / f"{frame.index:05d}.png", labels)
            film.write(paint(frame.rgb, labels))
            if isinstance(frame, SyntheticFrame) and frame.index >= (streamed.prompted_at or 0):
                for track_id in streamed.prompted:
                    ious[track_id].append(_iou(labels == track_id, frame.labels == track_id))
            progress.advance(bar)
    truth_iou = {track_id: float(np.mean(values)) for track_id, values in ious.items()}
    report = Report(name, clip.size, clip.fps, streamed, truth_iou)
    (out / "summary.json").write_text(json.dumps(report.to_json(), indent=2) + "\n")
    return report


def _iou(mask: NDArray[np.bool_], truth: NDArray[np.bool_]) -> float:
    """Of two masks; 1 when both are empty."""
    union = np.count_nonzero(mask | truth)
    return np.count_nonzero(mask & truth) / union if union else 1.0


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:<14}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
        console=console,
    )


def _tell(report: Report, out: Path, console: Console) -> None:
    console.print(report.to_table())
    model = report.streamed.hello.model
    if not model.is_trained:
        console.print(f"[yellow]{model.name} is not trained yet: its masks are guesses.[/yellow]")
    console.print(f"Written: {out / 'demo.mp4'}, {out / 'masks'}/NNNNN.png, {out / 'summary.json'}")
