"""Settings of the service: STREAMER_* environment variables; the command line overrides them."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _check_address(text: str) -> str:
    """IPv4 or IPv6; raises ValueError for anything else, names too."""
    return str(ipaddress.ip_address(text))


class IceServer(BaseModel):
    """A STUN or TURN server, as RTCConfiguration spells it."""

    model_config = ConfigDict(frozen=True)

    urls: str
    username: str | None = None
    credential: str | None = None


class Settings(BaseSettings):
    """What can be set. Every number that has a unit carries it in its name."""

    model_config = SettingsConfigDict(env_prefix="STREAMER_", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    """0: any free one."""
    cors_origins: tuple[str, ...] = ()
    """Of other pages whose scripts may use the service, as "https://example.org"; or "*"."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    model: str = "nano"
    image_size: int | None = None
    """Side in pixels of the model's square input, a multiple of 32; None: the model's own."""
    checkpoint: Path | None = None
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16"] = "auto"
    """auto: exact on a CPU, bfloat16 on a GPU. bfloat16 is fast on CPUs with AMX too."""
    threads: int | None = Field(default=None, ge=1)
    """Of torch on the CPU. None: all cores but one, which the codecs need."""

    max_tracks: int = Field(default=16, ge=1, le=255)
    """Of one session."""
    max_conditioning: int = Field(default=4, ge=1, le=32)
    """Prompted frames that a track remembers: the first and the newest others."""
    kept_frames: int = Field(default=8, ge=1, le=64)
    """Frames that a late prompt can still correct; each keeps its embedding in memory."""
    visible_above: float = 0.5
    """Object score (a logit) above which a hidden track is reacquired."""
    hidden_below: float = -0.5
    """Object score below which a visible track is occluded."""
    lost_after_frames: int = Field(default=90, ge=1)
    """Hidden frames after which a track is lost, and still sought."""
    drop_after_frames: int = Field(default=1800, ge=1)
    """Hidden frames after which a track is dropped."""

    max_batch: int = Field(default=8, ge=1)
    """Requests in one call of the engine."""

    max_sessions: int = Field(default=8, ge=1)
    """At once; one more is answered 503 with Retry-After."""
    retry_after_s: int = Field(default=5, ge=1)
    max_offer_bytes: int = Field(default=65_536, ge=1)
    max_frame_pixels: int = Field(default=3840 * 2160, ge=1)
    """Larger frames are dropped and counted."""
    answer_timeout_s: float = Field(default=10.0, gt=0)
    """For candidates to be gathered: a STUN or TURN server may not answer."""
    connect_timeout_s: float = Field(default=15.0, gt=0)
    """From the answer to the first frame of video."""
    idle_timeout_s: float = Field(default=10.0, gt=0)
    """Without a frame, after which a viewer counts as gone."""
    stop_timeout_s: float = Field(default=10.0, gt=0)
    """For the sessions and the engine to end after SIGTERM."""

    ice_servers: tuple[IceServer, ...] = ()
    """Told to clients, and used by the service itself. JSON in the environment."""
    uses_ice_servers: bool = True
    """False: they are only told to clients. A service that clients can reach needs none, and
    answers sooner."""
    media_addresses: tuple[Annotated[str, AfterValidator(_check_address)], ...] = ()
    """Local addresses for media. Empty: all interfaces, and loopback when `host` is loopback."""
    ingest_start_bitrate_bps: int = Field(default=2_500_000, ge=30_000)
    """Where a browser's encoder begins: its own start is far lower and climbs slowly."""
    ingest_min_bitrate_bps: int = Field(default=500_000, ge=30_000)
    ingest_max_bitrate_bps: int = Field(default=4_000_000, ge=30_000)
    returned_start_bitrate_bps: int = Field(default=1_500_000, ge=30_000)
    returned_min_bitrate_bps: int = Field(default=250_000, ge=30_000)
    returned_max_bitrate_bps: int = Field(default=3_000_000, ge=30_000)
