"""Settings of the service: STREAMER_* environment variables; the command line overrides them."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from streamer.fleet.deletion_cost_settings import DeletionCostSettings
from streamer.fleet.placement import Placement
from streamer.ice_server import IceServer
from streamer.session.limits import LimitSettings
from streamer.sources.source_settings import SourceSettings


def _check_address(text: str) -> str:
    """IPv4 or IPv6; raises ValueError for anything else, names too."""
    return str(ipaddress.ip_address(text))


def _check_public_key(text: str) -> str:
    """PEM of an Ed25519 public key; raises ValueError for anything else."""
    try:
        is_right = isinstance(load_pem_public_key(text.encode()), Ed25519PublicKey)
    except (ValueError, UnsupportedAlgorithm):  # cryptography's, for what it cannot read
        is_right = False
    if not is_right:
        raise ValueError("not the PEM of an Ed25519 public key")
    return text


def _check_base_url(text: str) -> str:
    """http://host:port; raises ValueError for anything else."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/"):
        raise ValueError(f"{text!r} is not like http://10.0.0.7:8080")
    return text.rstrip("/")


def url_of(host: str, port: int) -> str:
    """Of the service at an address or a name."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return host == "localhost"


Port = Annotated[int, Field(ge=1, le=65_535)]


class Settings(DeletionCostSettings, LimitSettings, SourceSettings):
    """What can be set. Every number that has a unit carries it in its name."""

    # What a setting is refused for must not show it: it may be a secret.
    model_config = SettingsConfigDict(
        env_prefix="STREAMER_", frozen=True, hide_input_in_errors=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65_535)
    """0: any free one."""
    allow_anonymous: bool = False
    """Serve without tokens although `host` is no loopback address."""
    token_secret: SecretStr | None = Field(default=None, min_length=32)
    """Shared with who issues HS256 tokens. With a key set, all but probes, metrics and the page
    need a bearer token."""
    token_public_key: Annotated[str, AfterValidator(_check_public_key)] | None = None
    """PEM, of who issues EdDSA tokens (Ed25519)."""
    token_audience: str | None = None
    """The `aud` that tokens must name. None: tokens must name none."""
    cors_origins: tuple[str, ...] = ()
    """Of other pages whose scripts may use the service, as "https://example.org"; or "*"."""
    metrics_port: int | None = Field(default=None, ge=0, le=65_535)
    """Serves /metrics on a port of its own, at `host`, and no longer beside the offers. 0: any free
    one; None: there is none."""
    engine_stall_s: float = Field(default=60.0, gt=0)
    """For which a step may take; then /livez says that the engine hangs."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["text", "json"] = "text"
    """json: one object a line, for who collects logs; `session` names the session it is about."""
    trace_sample: float = Field(default=0.0, ge=0, le=1)
    """Which part of all frames OpenTelemetry gets a trace of; needs the extra `otel`. 0: none, and
    nothing of it is loaded. Its own variables say where to, as OTEL_EXPORTER_OTLP_ENDPOINT."""

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

    media_workers: int = Field(default=0, ge=0, le=64)
    """0: all in one process. 1: the engine has a process of its own (Linux), so that codecs and
    signalling share no interpreter with the model; when it dies it is started anew, and sessions
    go on. More: so many processes take the viewers, on one port and with one engine; `max_sessions`
    and `media_ports` are shared out between them. They cannot have peers beside each other."""
    max_batch: int = Field(default=8, ge=1)
    """Requests in one call of the engine; a GPU's work is recorded for batches up to as many."""
    compiled_rows: int = Field(default=0, ge=0)
    """Largest batch of frames or tracks that is compiled, a power of two; 0: none. The first start
    then takes minutes and needs a C++ compiler; later ones read ~/.cache/sam2-rt."""
    pool_tracks: int | None = Field(default=None, ge=1)
    """Tracks of all sessions that the device has room for. None: by a GPU's free memory, 256 on a
    CPU."""

    max_sessions: int = Field(default=8, ge=1)
    """At once; one more is answered 503 with Retry-After."""
    max_watchers: int = Field(default=8, ge=0)
    """Of one session at once, by WHEP; one more is answered 503 with Retry-After. As many may read
    its masks over WebSockets."""
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
    drain_timeout_s: float = Field(default=15.0, ge=0)
    """After SIGTERM, for the viewers to go elsewhere; nobody new is let in."""
    stop_timeout_s: float = Field(default=10.0, gt=0)
    """For the sessions that are left, and the engine, to end after that."""

    ice_servers: tuple[IceServer, ...] = ()
    """Told to clients, and used by the service itself. JSON in the environment."""
    resume_secret: SecretStr | None = Field(default=None, min_length=32)
    """Shared by the services that take viewers over from each other. None: a viewer can come back
    to this process only."""
    resume_ttl_s: int = Field(default=60, ge=1)
    """For which a resume token is good."""
    park_s: float = Field(default=30.0, ge=0)
    """For which the tracks of a viewer whose connection died are kept with their memory, for the
    viewer to come back with its resume token. 0: not at all."""
    max_parked: int = Field(default=8, ge=0)
    """Such viewers at once; the one that is away the longest leaves for another. They take no
    place, only room for tracks."""
    drain_url: str | None = None
    """Where viewers go when the service drains; None: where they came from."""
    drain_spread_s: float = Field(default=5.0, ge=0)
    """Over which they are told one by one, so that they do not all come at once; at most half of
    drain_timeout_s."""

    peers: tuple[Annotated[str, AfterValidator(_check_base_url)], ...] = ()
    """Other processes of the service, as ["http://10.0.0.7:8080"]; this one may be among them. They
    take each other's viewers when they are full or drain, and pass requests on to whose session
    it is."""
    peer_service: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]+:[0-9]{1,5}$")] | None = None
    """A name in DNS with an address for each of them and their port: "streamer-pods:8080"."""
    peer_secret: SecretStr | None = Field(default=None, min_length=32)
    """Shared by them: signs what they ask each other and the ids of their sessions; seals resume
    tokens where there is no resume_secret."""
    peer_address: str | None = None
    """Where the others reach this one; None: `host`."""
    placement: Placement = "pack"
    """Who takes a viewer: the fullest that has room, or the emptiest (spread)."""
    step_budget_ms: float | None = Field(default=None, gt=0)
    """What a step may take (95th percentile); at more, no viewer is let in who was not here before.
    None: max_sessions alone decides."""
    turn_secret: SecretStr | None = Field(default=None, min_length=1)
    """Shared with the TURN servers (coturn: static-auth-secret): each session gets a user of its
    own with those of `ice_servers` that name none."""
    turn_ttl_s: int = Field(default=3600, ge=60)
    """For which such a user is taken; a relay that is in use stays."""
    uses_ice_servers: bool = True
    """False: they are only told to clients. A service that clients can reach needs none, and
    answers sooner."""
    media_addresses: tuple[Annotated[str, AfterValidator(_check_address)], ...] = ()
    """Local addresses for media. Empty: all interfaces, and loopback when `host` is loopback."""
    blocked_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] | None = None
    """Where media must not go although a client's candidate names it. JSON in the environment, as
    ["10.0.0.0/8"]. None: this machine, its link and metadata servers, unless `host` is loopback."""
    media_public_address: Annotated[str, AfterValidator(_check_address)] | None = None
    """What a 1:1 NAT, as of a cloud, makes of this machine's address: clients are told this one."""
    media_ports: tuple[Port, Port] | None = None
    """First and last UDP port for media. JSON in the environment, as [50000, 50099]. None: any.
    A session uses one for each of `media_addresses`; without a free one it is answered 503."""
    ingest_start_bitrate_bps: int = Field(default=2_500_000, ge=30_000)
    """Where a browser's encoder begins: its own start is far lower and climbs slowly."""
    ingest_min_bitrate_bps: int = Field(default=500_000, ge=30_000)
    ingest_max_bitrate_bps: int = Field(default=4_000_000, ge=30_000)
    returned_start_bitrate_bps: int = Field(default=1_500_000, ge=30_000)
    returned_min_bitrate_bps: int = Field(default=250_000, ge=30_000)
    returned_max_bitrate_bps: int = Field(default=3_000_000, ge=30_000)

    @model_validator(mode="after")
    def _check_media_workers(self) -> Self:
        if self.media_workers < 2:
            return self
        if self.has_peers or self.metrics_port is not None:
            raise ValueError("several media workers have neither peers nor a port for metrics")
        ports = (
            self.max_sessions
            if self.media_ports is None
            else 1 + self.media_ports[1] - self.media_ports[0]
        )
        if min(self.max_sessions, ports) < self.media_workers:
            raise ValueError("each media worker needs a session and a port: have fewer of them")
        return self

    @model_validator(mode="after")
    def _check_ports(self) -> Self:
        if self.media_ports is not None and self.media_ports[0] > self.media_ports[1]:
            raise ValueError(f"media_ports {self.media_ports}: the first is above the last")
        return self

    @model_validator(mode="after")
    def _check_ice_servers(self) -> Self:
        if self.uses_ice_servers and any(server.is_for_browsers for server in self.ice_servers):
            raise ValueError(
                "ice_servers: the service itself cannot use a server by its IPv6 address: name it, "
                "or set STREAMER_USES_ICE_SERVERS=false"
            )
        return self

    @property
    def has_peers(self) -> bool:
        """Others serve, too."""
        return bool(self.peers) or self.peer_service is not None

    @property
    def peer_url(self) -> str:
        """Of this process, as its peers know it."""
        return url_of(self.peer_address or self.host, self.port)

    @model_validator(mode="after")
    def _check_peers(self) -> Self:
        if not self.has_peers:
            return self
        if self.peer_secret is None:
            raise ValueError("peers need STREAMER_PEER_SECRET, which they share")
        if self.port == 0 or (self.peer_address or self.host) in {"0.0.0.0", "::"}:  # noqa: S104
            raise ValueError("peers need STREAMER_PEER_ADDRESS and a port, where they are reached")
        return self

    @model_validator(mode="after")
    def _check_deletion_costs(self) -> Self:
        if self.deletion_cost_selector is not None and not self.has_peers:
            raise ValueError("deletion costs need peers: they are asked how full they are")
        return self

    @model_validator(mode="after")
    def _check_access(self) -> Self:
        """The network must not use the service by mistake."""
        has_tokens = self.token_secret is not None or self.token_public_key is not None
        if not (has_tokens or self.allow_anonymous or is_loopback(self.host)):
            raise ValueError(
                f"{self.host} is not a loopback address: set STREAMER_TOKEN_SECRET or "
                "STREAMER_TOKEN_PUBLIC_KEY, or STREAMER_ALLOW_ANONYMOUS=true to let everybody in"
            )
        return self
