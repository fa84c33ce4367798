"""VideoReader: frames of a video file by their index, cheap when they are asked for in order."""

from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.stream import VideoStream
from numpy.typing import NDArray

from sam2_rt.data.clip import ClipError

KEPT_FRAMES: Final = 4
"""Decoded frames that a reader keeps; the oldest leaves."""

# Titles and the like are not looked at, so they may be in any encoding.
_METADATA_ERRORS: Final = "replace"


class VideoReader:
    """One open decoder; going on is cheap, going back starts at the key frame before."""

    def __init__(self, file: Path) -> None:
        """Raises ClipError for a file without a video that can be read."""
        self.file = file
        self._kept: OrderedDict[int, NDArray[np.uint8]] = OrderedDict()
        try:
            self._container = av.open(str(file), metadata_errors=_METADATA_ERRORS)
            _video_of(self._container, file)
            self._times, self._key_times = _list_times(file)
        except FFmpegError as error:
            raise ClipError(f"{file} is no video: {error.strerror}") from error
        if not self._times:
            raise ClipError(f"{file} holds no frames")
        self._index_at = {time: index for index, time in enumerate(self._times)}
        self._decoder: Iterator[tuple[int, av.VideoFrame]] = iter(())
        self._next = len(self._times)

    @property
    def num_frames(self) -> int:
        """As the packets of the file say."""
        return len(self._times)

    def frame(self, index: int) -> NDArray[np.uint8]:
        """[H, W, 3], RGB. Raises ClipError for a frame that is not there or cannot be decoded."""
        assert index >= 0, f"frame {index}"
        if index >= self.num_frames:  # a file that is cut off: its header promises more
            raise ClipError(f"{self.file} has no frame {index}: it ends after {self.num_frames}")
        if index not in self._kept:
            try:
                self._keep(index, self._decode_until(index))
            except FFmpegError as error:
                self._next = self.num_frames  # the decoder is of no more use: seek next time
                raise ClipError(
                    f"{self.file}, frame {index} cannot be decoded: {error.strerror}"
                ) from error
        return self._kept[index]

    def _keep(self, index: int, rgb: NDArray[np.uint8]) -> None:
        self._kept[index] = rgb
        while len(self._kept) > KEPT_FRAMES:
            self._kept.popitem(last=False)

    def _decode_until(self, index: int) -> NDArray[np.uint8]:
        key = max((t for t in self._key_times if t <= self._times[index]), default=self._times[0])
        if not self._index_at[key] <= self._next <= index:
            self._container.seek(key, stream=self._container.streams.video[0], backward=True)
            self._decoder = self._decode()
        for found, frame in self._decoder:
            self._next = found + 1
            if found == index:
                return upright(frame)
            if found > index:
                break
        self._next = self.num_frames
        raise ClipError(f"{self.file} ends or breaks before frame {index}")

    def _decode(self) -> Iterator[tuple[int, av.VideoFrame]]:
        for frame in self._container.decode(video=0):
            index = None if frame.pts is None else self._index_at.get(frame.pts)
            if index is not None:
                yield index, frame


def measure_video(file: Path) -> tuple[int, tuple[int, int]]:
    """Number of frames, and width and height in pixels, as the header says; decodes nothing.

    Raises ClipError for a file without a video.
    """
    try:
        with av.open(str(file), metadata_errors=_METADATA_ERRORS) as container:
            stream = _video_of(container, file)
            num_frames = stream.frames or len(_list_times(file)[0])
            size = stream.codec_context.width, stream.codec_context.height
    except FFmpegError as error:
        raise ClipError(f"{file} is no video: {error.strerror}") from error
    if not num_frames:
        raise ClipError(f"{file} holds no frames")
    return num_frames, size


def _video_of(container: InputContainer, file: Path) -> VideoStream:
    """The first that there is. Raises ClipError for none, or for one that nobody can decode."""
    if not container.streams.video:
        raise ClipError(f"{file} holds no video")
    stream = container.streams.video[0]
    if stream.codec_context is None:  # PyAV's types do not say so
        raise ClipError(f"{file} holds a video in an unknown codec")
    return stream


def upright(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """The frame as a player shows it, [H, W, 3]."""
    rgb = frame.to_ndarray(format="rgb24")
    turned = np.rot90(rgb, round(frame.rotation / 90)) if frame.rotation else rgb
    return np.ascontiguousarray(turned, np.uint8)


def _list_times(file: Path) -> tuple[list[int], list[int]]:
    """Presentation times of all frames and of the key frames, ascending; decodes nothing."""
    times, keys = [], []
    with av.open(str(file), metadata_errors=_METADATA_ERRORS) as container:
        for packet in container.demux(video=0):
            if packet.pts is not None and not packet.is_discard:
                times.append(packet.pts)
                if packet.is_keyframe:
                    keys.append(packet.pts)
    return sorted(times), sorted(keys)
