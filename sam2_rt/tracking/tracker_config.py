"""TrackerConfig: the bounds and thresholds of one stream. Plain values, no torch."""

from dataclasses import dataclass, field

from sam2_rt.tracking.track_state import PresenceLimits


@dataclass(frozen=True, slots=True)
class TrackerConfig:
    """The bounds and thresholds of one stream."""

    max_tracks: int = 16
    max_conditioning: int = 4
    """Prompted frames that a track remembers: the first and the newest others."""
    kept_frames: int = 8
    """Frames that a late prompt can still correct."""
    corrections_are_conditioning: bool = True
    """False is the reference's default, in which corrections fade."""
    max_attended: int | None = None
    """Conditioning memories read in one frame; None: all there are."""
    presence: PresenceLimits = field(default_factory=PresenceLimits)

    def __post_init__(self) -> None:
        for name in ("max_tracks", "max_conditioning", "kept_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} {getattr(self, name)} is not positive")
