"""Limits of one session and of one subject of tokens: settings that a token's claims may lower."""

from pydantic import Field
from pydantic_settings import BaseSettings


class LimitSettings(BaseSettings):
    """None: no limit. The others of the kind (frame size, tracks, idle time) are older settings."""

    max_fps: float | None = Field(default=None, gt=0)
    """Frames of one session that are taken in a second; the others are dropped and counted."""
    max_prompts_per_s: float | None = Field(default=None, gt=0)
    """Of one session, `auto` among them; as many at once, at least one. More are refused
    `too_many_prompts`."""
    max_session_s: float | None = Field(default=None, gt=0)
    """After which a session ends, over all connections that it goes on by, at whichever pod."""
    max_sessions_per_subject: int | None = Field(default=None, ge=0)
    """At once, by the `sub` of the tokens; tokens without one are one subject. One more is answered
    429."""
