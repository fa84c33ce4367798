"""Messages of the control channel by which a viewer goes on elsewhere. No torch."""

from typing import Annotated, Literal

from pydantic import Field

from streamer.message import Message, TrackId


class MigrateMessage(Message):
    """The service drains: offer anew with the newest token; leave when that connection stands."""

    type: Literal["migrate"] = "migrate"
    seconds: Annotated[float, Field(ge=0)]
    """Until the session ends."""
    url: str | None = None
    """Where to go; None: where the viewer came from, which leads to another service by now."""


How = Literal["memory", "boxes"]
"""`memory`: the tracks themselves, with all they remember. `boxes`: begun anew around the places of
the token, at which an object may not be any more."""


class Resumed(Message):
    """What goes on from the viewer's session before this one."""

    how: How
    tracks: tuple[TrackId, ...]


class ResumeMessage(Message):
    """Bring this with the next offer, and tracking goes on under the same ids."""

    type: Literal["resume"] = "resume"
    token: str
    seconds: Annotated[int, Field(ge=0)]
    """For which the token is good."""
