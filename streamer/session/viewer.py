"""Viewer: what a Session asks of its other end. Plain values; streamer.media.peer speaks WebRTC."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sam2_rt.tracking.frame import Frame
from streamer.rtc.packet_times import Packets


class Outcome(StrEnum):
    """How a session ended."""

    LEFT = "left"
    """The viewer closed the connection or deleted the session."""
    RESUMED = "resumed"
    """The viewer came back by another connection."""
    VANISHED = "vanished"
    """The connection failed: no sign of life."""
    IDLE = "idle"
    """No frame for longer than `idle_timeout_s`."""
    NEVER_CONNECTED = "never_connected"
    """No frame at all within `connect_timeout_s`."""
    TIME_UP = "time_up"
    """`max_session_s` are over."""
    FINISHED = "finished"
    """A source has no more video."""
    STALLED = "stalled"
    """The viewer did not read what it was told."""
    STOPPED = "stopped"
    """The service stops."""
    FAULT = "fault"
    """Our own error."""


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """A frame from the viewer."""

    frame: Frame
    in_rtp: int
    """Its RTP timestamp, 32 bits."""
    at_s: float
    """When it was decoded, by time.monotonic(): uvloop's clock has milliseconds only."""
    packets: Packets | None = None
    """None: not known."""


class ViewerLeft(Exception):
    """The viewer's video has ended."""


class FrameTooLarge(Exception):
    """A frame of more pixels than asked for; its planes were not copied."""

    def __init__(self, width: int, height: int, max_pixels: int) -> None:
        super().__init__(f"frames of {width} x {height}, at most {max_pixels} pixels")


class Viewer(Protocol):
    """One viewer's connection."""

    on_open: Callable[[], None]
    """Called once, when the control channel is there and nothing was said on it."""
    on_message: Callable[[str | bytes], None]
    """Called for each message of the control channel. Must not raise."""
    on_end: Callable[[Outcome], None]
    """Called when the connection has ended."""
    on_sent: Callable[[int], None]
    """Called with the pts of a picture whose last packet has left."""

    @property
    def wants_masks(self) -> bool:
        """The channel for masks is open."""

    @property
    def wants_pictures(self) -> bool:
        """The viewer takes video back."""

    @property
    def num_undecoded(self) -> int:
        """Losses that nobody repaired, and frames that came while too many waited to be decoded."""

    async def receive(self, max_pixels: int) -> Arrival:
        """The next frame. Raises FrameTooLarge, or ViewerLeft when the video has ended."""

    def say(self, text: str) -> None:
        """Sends on the control channel; to nobody while it is not open."""

    def send_masks(self, message: bytes | str) -> bool:
        """Sends on the channel for masks; False when it is full or closed."""

    def show(self, frame: Frame) -> bool:
        """Leaves the picture for the encoder; False when that had not taken the one before."""

    def out_rtp(self, pts: int) -> int:
        """RTP timestamp of the returned picture with this pts; 0 before the first was sent."""

    async def close(self) -> None:
        """Ends the connection and frees what it holds."""
