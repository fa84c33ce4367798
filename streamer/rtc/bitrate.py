"""Bitrate bounds of the returned video: aiortc fixes them as constants of its codec modules."""

from aiortc.codecs import h264, vpx


def use_bounds(start_bps: int, min_bps: int, max_bps: int) -> None:
    """The encoders of this process begin at start_bps and follow the viewer's estimate."""
    for codec in (vpx, h264):
        codec.DEFAULT_BITRATE = start_bps  # type: ignore[attr-defined] # a literal there
        codec.MIN_BITRATE = min_bps  # type: ignore[attr-defined]
        codec.MAX_BITRATE = max_bps  # type: ignore[attr-defined]
