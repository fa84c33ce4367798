"""SAM 2 for live video: encode each frame once, remember each track within a bound."""

__version__ = "0.1.0"
