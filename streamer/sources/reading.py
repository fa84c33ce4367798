"""Reading: one open file, device or camera, in FFmpeg's hands. All of it blocks: for a thread."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer

from streamer.sources.place import Device

_MAX_UNDECODED: Final = 300
"""In a row: ten seconds without a picture."""

# What is on none of these lists is code that a hostile file would reach for nothing.
_CODECS: Final = "h264,hevc,mjpeg,mpeg4,mpeg2video,vp8,vp9,av1,libdav1d,rawvideo,ffv1,prores"
_FILES: Final = "mov,matroska,avi,mpegts,h264,hevc,ivf,ogg,flv,yuv4mpegpipe"
"""None of them names other files, as playlists do."""


class Unreadable(Exception):
    """The source cannot be read, now at least. The message names no URL."""


@dataclass(frozen=True, slots=True)
class Feed:
    """What FFmpeg opens, and how."""

    name: str = field(repr=False)
    """May hold a password."""
    is_live: bool
    format: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    timeout_s: float | None = None
    """For opening, and for each read."""


def of_file(path: Path) -> Feed:
    """A file, through which FFmpeg reaches no other."""
    limits = {"protocol_whitelist": "file", "format_whitelist": _FILES, "codec_whitelist": _CODECS}
    # With the protocol named, no part of a file's name is taken for one.
    return Feed(f"file:{path}", is_live=False, options=limits)


def of_device(device: Device) -> Feed:
    """A V4L2 camera."""
    options = {"codec_whitelist": _CODECS}
    if device.width is not None:
        options["video_size"] = f"{device.width}x{device.height}"
    if device.fps is not None:
        options["framerate"] = str(device.fps)
    return Feed(device.path, is_live=True, format="v4l2", options=options)


def of_rtsp(url: str, timeout_s: float) -> Feed:
    """An RTSP camera; pictures come over the one TCP connection, so that none goes elsewhere."""
    options = {
        "rtsp_transport": "tcp",
        "protocol_whitelist": "tcp,rtp",
        "codec_whitelist": _CODECS,
        "allowed_media_types": "video",
        "fflags": "nobuffer",
        "flags": "low_delay",
        # Of the stream, before its pictures are given out: microseconds, bytes.
        "analyzeduration": "500000",
        "probesize": "500000",
    }
    return Feed(url, is_live=True, format="rtsp", options=options, timeout_s=timeout_s)


class Reading:
    """An open source with one video in it."""

    def __init__(self, feed: Feed) -> None:
        """Raises Unreadable."""
        self.is_live = feed.is_live
        self.num_undecoded = 0
        """Packets that no picture came of."""
        timeout = None if feed.timeout_s is None else (feed.timeout_s, feed.timeout_s)
        try:
            container = av.open(feed.name, "r", feed.format, feed.options, timeout=timeout)
        except (av.FFmpegError, OSError, ValueError) as error:
            # FFmpeg's errors name the URL, and the URL the password: neither goes further.
            raise Unreadable(_in_words(error)) from None
        self._container: InputContainer = container
        if not container.streams.video:
            container.close()
            raise Unreadable("there is no video in it")
        self._stream = container.streams.video[0]

    def pictures(self) -> Iterator[av.VideoFrame]:
        """All pictures, in their order. Raises Unreadable when it breaks off."""
        undecoded = 0
        try:
            for packet in self._container.demux(self._stream):
                try:
                    pictures = packet.decode()
                except av.error.InvalidDataError:  # before the first key frame, or after a loss
                    self.num_undecoded += 1
                    undecoded += 1
                    if undecoded >= _MAX_UNDECODED:
                        raise Unreadable("its video cannot be decoded") from None
                    continue
                for picture in pictures:
                    undecoded = 0
                    assert isinstance(picture, av.VideoFrame)
                    yield picture
        except (av.FFmpegError, OSError, ValueError) as error:
            raise Unreadable(_in_words(error)) from None

    def close(self) -> None:
        """Frees it."""
        self._container.close()


def _in_words(error: Exception) -> str:
    """What went wrong, without the name of what was opened."""
    if isinstance(error, av.error.ExitError):  # of PyAV's clock
        return "it did not answer in time"
    words = getattr(error, "strerror", None)
    return str(words) if words else "it cannot be read"
