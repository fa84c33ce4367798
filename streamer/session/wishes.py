"""Wishes of a viewer that no single step carries out. No torch."""

from typing import Annotated, Literal

from pydantic import Field

from streamer.message import Message, Seq
from streamer.session.finding import How


class AutoMessage(Message):
    """Begins tracks for a viewer who cannot click; each is acknowledged under this seq.

    Answered with an error, `nothing_found` among others, when none begins.
    """

    type: Literal["auto"] = "auto"
    seq: Seq
    how: Annotated[How, Field(strict=False)]


class MasksMessage(Message):
    """Chooses the form of the mask messages: SMSK, or JSON with COCO's run lengths."""

    type: Literal["masks"] = "masks"
    seq: Seq | None = None
    form: Literal["binary", "coco"]
