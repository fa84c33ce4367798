"""The messages of the `control` channel, version 1: JSON, typed, checked at the door. No torch."""

import json
from typing import Annotated, Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from sam2_rt import rle
from sam2_rt.tracking.prompt import MAX_POINTS, Point, Prompt, PromptError
from streamer.message import ErrorCode, Message, ProtocolError, RtpTimestamp, Seq, TrackId
from streamer.picture.output import ConfigureMessage
from streamer.session.handover import MigrateMessage, Resumed, ResumeMessage
from streamer.session.stats import StatsMessage
from streamer.session.wishes import AutoMessage, MasksMessage

__all__ = [
    "AutoMessage",
    "ConfigureMessage",
    "ErrorCode",
    "MasksMessage",
    "Message",
    "ProtocolError",
    "StatsMessage",
]  # belong here for all others

VERSION: Final = 1
CONTROL: Final = "control"
"""Label of the reliable, ordered channel of JSON texts. The client opens it before its offer."""
MASKS: Final = "masks"
"""Label of the unordered channel without retransmission: streamer.masks.mask_frame's messages."""

MAX_MESSAGE_BYTES: Final = 65_536
"""Of one control message, in UTF-8."""
MAX_PROMPTS_WAITING: Final = 16
"""Of one session: prompts and removals that no step took up yet. More are answered `busy`."""
MAX_MASK_PIXELS: Final = 1 << 21
"""Of a mask prompt: 1920 x 1080. A few characters can claim any size: memory has a bound."""

# Display colours; track_id picks (track_id - 1) % 8.
PALETTE: Final = (
    (0x1F, 0x77, 0xFF),  # blue
    (0xFF, 0x5A, 0x3C),  # orange-red
    (0x2F, 0xBF, 0x71),  # green
    (0xFF, 0xC9, 0x33),  # yellow
    (0xA5, 0x6B, 0xFF),  # violet
    (0x19, 0xC8, 0xD2),  # cyan
    (0xFF, 0x6F, 0xB5),  # pink
    (0x9B, 0xD1, 0x2F),  # lime
)

TrackChange = Literal["added", "occluded", "reacquired", "lost", "dropped", "removed"]


class RleMask(Message):
    """A mask as COCO writes it."""

    size: tuple[int, int]
    """height, width"""
    counts: str


class PromptMessage(Message):
    """Points, a box or a mask for one track; coordinates 0..1 of the sent frame."""

    type: Literal["prompt"] = "prompt"
    seq: Seq
    track_id: TrackId
    rtp_timestamp: RtpTimestamp | None = None
    """Of the frame that the viewer saw, as the client sent it; None: the newest."""
    points: tuple[tuple[float, float, Literal[0, 1]], ...] = ()
    """x, y, label: 1 for the object, 0 for what is not."""
    box: tuple[float, float, float, float] | None = None
    mask: RleMask | None = None
    clear: bool = False

    def to_prompt(self, pts: int | None = None) -> Prompt:
        """The prompt for the tracker. Raises ProtocolError `bad_prompt` for values out of range."""
        try:
            return Prompt(
                track_id=self.track_id,
                pts=pts,
                points=tuple(Point(x, y, label == 1) for x, y, label in self.points),
                box=self.box,
                mask=None if self.mask is None else _decode_mask(self.mask),
                clear=self.clear,
            )
        except (PromptError, rle.RleError) as error:
            raise ProtocolError("bad_prompt", str(error), self.seq) from error


class RemoveMessage(Message):
    """The viewer gives a track up."""

    type: Literal["remove"] = "remove"
    seq: Seq | None = None
    track_id: TrackId


class UndoMessage(Message):
    """Takes back the last prompt about a track, for good; one that rests on it alone is removed.

    An ack names the first frame without it; a `removed` event tells that the track has gone.
    """

    type: Literal["undo"] = "undo"
    seq: Seq
    track_id: TrackId


class PingMessage(Message):
    """Asks for a pong."""

    type: Literal["ping"] = "ping"
    seq: Seq


class ModelDescription(Message):
    """What tracks."""

    name: str
    image_size: int
    device: str
    is_trained: bool
    """False: the masks are those of random weights."""


class Limits(Message):
    """What a client may send."""

    max_tracks: int
    max_fps: float | None = None
    """More frames are dropped; None: as many as can be processed."""
    max_prompts_per_s: float | None = None
    """More are refused `too_many_prompts`; None: no limit."""
    max_session_s: float | None = None
    """What is left until the session ends, from the greeting on; None: it does not."""
    max_points: int = MAX_POINTS
    max_message_bytes: int = MAX_MESSAGE_BYTES
    max_prompts_waiting: int = MAX_PROMPTS_WAITING


class HelloMessage(Message):
    """The first message of the server."""

    type: Literal["hello"] = "hello"
    version: int = VERSION
    session: str
    model: ModelDescription
    limits: Limits
    resumed: Resumed | None = None
    """None: the offer brought no resume token, or one that is no good."""


class FrameName(Message):
    """Which frame: its number as processed, and its timestamp as the client sent it."""

    index: int
    rtp_timestamp: RtpTimestamp


class AckMessage(Message):
    """A prompt, removal or configure was carried out. A configure names no track and no frame."""

    type: Literal["ack"] = "ack"
    seq: Seq | None
    track_id: int | None = None
    frame: FrameName | None = None
    applied_to: Literal["exact", "newest"] | None = None
    """`newest`: the frame the viewer saw was no longer kept, so the newest took the prompt."""


class PongMessage(Message):
    """Answers a ping."""

    type: Literal["pong"] = "pong"
    seq: Seq


class EventMessage(Message):
    """A change in a track's life."""

    type: Literal["event"] = "event"
    kind: TrackChange
    track_id: int
    frame: FrameName


class ErrorMessage(Message):
    """A message that was not carried out, or what else the viewer did wrong or has to know."""

    type: Literal["error"] = "error"
    seq: Seq | None = None
    code: ErrorCode
    message: str


T = TypeVar("T")
ClientMessage = (
    PromptMessage
    | UndoMessage
    | RemoveMessage
    | ConfigureMessage
    | AutoMessage
    | MasksMessage
    | PingMessage
)
ServerMessage = (
    HelloMessage
    | AckMessage
    | PongMessage
    | EventMessage
    | ErrorMessage
    | StatsMessage
    | MigrateMessage
    | ResumeMessage
)
_CLIENT: TypeAdapter[ClientMessage] = TypeAdapter(
    Annotated[ClientMessage, Field(discriminator="type")]
)
_SERVER: TypeAdapter[ServerMessage] = TypeAdapter(
    Annotated[ServerMessage, Field(discriminator="type")]
)


def parse_client(text: str | bytes) -> ClientMessage:
    """What a client said. Raises ProtocolError with the code of the answer; size comes first."""
    return _parse(_CLIENT, text)


def parse_server(text: str | bytes) -> ServerMessage:
    """What a server said. Raises ProtocolError."""
    return _parse(_SERVER, text)


def rtp_difference(later: int, earlier: int) -> int:
    """Signed distance of two 32-bit RTP timestamps, -2^31..2^31-1 ticks (RFC 3550 wraps them)."""
    return (later - earlier + (1 << 31)) % (1 << 32) - (1 << 31)


def _parse(adapter: TypeAdapter[T], text: str | bytes) -> T:
    num_bytes = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "replace"))
    if num_bytes > MAX_MESSAGE_BYTES:
        raise ProtocolError("too_large", f"{num_bytes} bytes, at most {MAX_MESSAGE_BYTES}")
    if isinstance(text, bytes):
        raise ProtocolError("bad_message", "the control channel carries text, not binary")
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = f"{place}: {first['msg']}" if place else first["msg"]
        if first["type"] == "json_invalid":
            raise ProtocolError("bad_json", message) from error
        raise ProtocolError("bad_message", message, _seq_of(text)) from error


def _seq_of(text: str) -> int | None:
    """The seq of a message that fits no type, so that its sender knows which one failed."""
    try:
        value = json.loads(text)
    except ValueError:  # an integer of thousands of digits, which pydantic read and Python will not
        return None
    seq = value.get("seq") if isinstance(value, dict) else None
    return seq if type(seq) is int and 0 <= seq <= 0xFFFF_FFFE else None


def _decode_mask(mask: RleMask) -> NDArray[np.bool_]:
    height, width = mask.size
    if height * width > MAX_MASK_PIXELS:
        raise PromptError(f"a mask of {width} x {height}, at most {MAX_MASK_PIXELS} pixels")
    return rle.decode(mask.counts, height, width)
