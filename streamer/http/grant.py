"""Grant: what whoever bears a token may do. Its limits lower the service's, and lift none."""

from dataclasses import dataclass, field
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from streamer.config import Settings

_Count = Annotated[int, Field(ge=0)]
_AtLeastOne = Annotated[int, Field(ge=1)]
_Positive = Annotated[float, Field(gt=0)]


class Limits(BaseModel):
    """The claim `limits` of a token; what is absent is as the service has it."""

    # A limit that is misspelt must not be no limit.
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    max_sessions: _Count | None = None
    """Of the token's subject at once, those of sources among them."""
    max_sources: _Count | None = None
    """Of the token's subject at once."""
    max_frame_pixels: _AtLeastOne | None = None
    max_fps: _Positive | None = None
    max_tracks: _AtLeastOne | None = None
    max_prompts_per_s: _Positive | None = None
    idle_timeout_s: _Positive | None = None
    max_session_s: _Positive | None = None


@dataclass(frozen=True, slots=True)
class Grant:
    """Of one request."""

    subject: str | None = None
    """`sub` of the token, "" where it has none; None: the service asks for no token."""
    limits: Limits = field(default_factory=Limits)

    def lower(self, settings: Settings) -> Settings:
        """The settings of a session that this grant makes: of each limit the lower one."""
        limits = self.limits
        return settings.model_copy(
            update={
                "max_sessions_per_subject": _lower(
                    limits.max_sessions, settings.max_sessions_per_subject
                ),
                "max_frame_pixels": _lower(limits.max_frame_pixels, settings.max_frame_pixels),
                "max_fps": _lower(limits.max_fps, settings.max_fps),
                "max_tracks": _lower(limits.max_tracks, settings.max_tracks),
                "max_prompts_per_s": _lower(limits.max_prompts_per_s, settings.max_prompts_per_s),
                "idle_timeout_s": _lower(limits.idle_timeout_s, settings.idle_timeout_s),
                "max_session_s": _lower(limits.max_session_s, settings.max_session_s),
            }
        )


ANYBODY: Final = Grant()
"""Whoever asks a service without tokens."""


def _lower(claimed: float | None, held: float | None) -> float | None:
    given = [limit for limit in (claimed, held) if limit is not None]
    return min(given) if given else None
