"""The stats message of the control channel: what a viewer is told each second. No torch."""

from typing import Literal

from streamer.message import Message


class Dropped(Message):
    """Frames that went no further, since the session began, by the stage that let them go."""

    slot: int
    """A newer frame came before the engine was free."""
    stale: int
    """Not newer than the one before."""
    too_large: int
    """More pixels than the service takes."""
    rate: int
    """Beyond the frames a second that the session may send."""
    encode: int
    """Processed, but a newer picture was there before this one was drawn or encoded."""
    lost: int
    """The engine had no answer for them, for want of memory perhaps."""
    masks: int
    """Mask messages not sent: the channel was full or a newer frame was there."""


class Percentiles(Message):
    """Of the frames of the last five seconds, in milliseconds; null where none came so far."""

    p50: float | None
    p95: float | None


class StagesMs(Message):
    """Where the time of the last frames went, stage by stage of streamer.session.journey."""

    receive: Percentiles
    """From a frame's first packet to its last, and what held it up before the decoder."""
    decode: Percentiles
    """From there to the decoded picture."""
    queue: Percentiles
    """Until the engine was free for it."""
    encode: Percentiles
    """The image encoder of the model, for all frames of the batch that needed it; null while none
    does, as without a track."""
    track: Percentiles
    """The rest of the step: prompts, memory, mask decoder."""
    compose: Percentiles
    """From the end of the step to the picture that goes back; null while none does."""
    send: Percentiles
    """From there to its last packet: encoding and sending."""
    masks: Percentiles
    """From the end of the step to the mask message, beside `compose` and `send`."""


class EndToEndMs(Message):
    """From a frame's first packet, known by its RTP timestamp, to what left for it."""

    masks: Percentiles
    """The mask message."""
    picture: Percentiles
    """The last packet of the returned picture."""


class StatsMessage(Message):
    """Each second; counts are since the session began."""

    type: Literal["stats"] = "stats"
    received: int
    processed: int
    dropped: Dropped
    fps: float
    """Frames processed in the last second."""
    step_ms: Percentiles
    """From the request of a step to its answer: queue, encode and track."""
    stages_ms: StagesMs
    end_to_end_ms: EndToEndMs
    encoder_calls: int
    tracks: int
