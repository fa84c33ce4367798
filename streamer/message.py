"""What the messages of the `control` channel are made of: base, fields, error. No torch."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from sam2_rt.tracking.prompt import MAX_TRACK_ID

_MAX_ERROR_CHARACTERS: Final = 200
"""Of an error's message, which may quote what the viewer said."""

# One below NO_PROMPT of the mask message, which carries the seq of the last prompt.
Seq = Annotated[int, Field(ge=0, le=0xFFFF_FFFE)]
RtpTimestamp = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
TrackId = Annotated[int, Field(ge=1, le=MAX_TRACK_ID)]
ErrorCode = Literal[
    "bad_json",
    "bad_message",
    "bad_prompt",
    "bad_image",
    "nothing_found",
    "busy",
    "too_many_tracks",
    "too_many_prompts",
    "unknown_track",
    "nothing_to_undo",
    "too_large",
    "too_fast",
    "frame_lost",
    "ended",
    "stopped",
    "internal",
]
"""`too_large`: a message or the video's frames. `too_fast`: more frames a second than are taken.
`frame_lost`: the engine had no answer for a frame (of a prompt, with its seq): say it again.
`ended`, `stopped`, `internal`: the last word. After `ended`, which is by a limit of the session, a
client does not come back by itself; after the others another connection may go on."""


class ProtocolError(Exception):
    """A message that cannot be used; `code` and `seq` go into the answer."""

    def __init__(self, code: ErrorCode, message: str, seq: int | None = None) -> None:
        super().__init__(message[:_MAX_ERROR_CHARACTERS])
        self.code = code
        self.seq = seq


class Message(BaseModel):
    """One thing said on the control channel."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)
