"""What the settings say of media: to aiortc's modules once, and of each answer."""

from streamer.config import Settings, is_loopback
from streamer.rtc import egress
from streamer.rtc.addresses import use_addresses
from streamer.rtc.bitrate import use_bounds
from streamer.rtc.sdp import with_bitrate_hints, with_public_address


def prepare_rtc(settings: Settings) -> None:
    """aiortc takes these from its modules, so they hold for the whole process."""
    use_addresses(settings.media_addresses, with_loopback=is_loopback(settings.host))
    blocked = settings.blocked_networks
    if blocked is None:
        blocked = () if is_loopback(settings.host) else egress.NEVER_CLIENTS
    egress.block(blocked)
    use_bounds(
        settings.returned_start_bitrate_bps,
        settings.returned_min_bitrate_bps,
        settings.returned_max_bitrate_bps,
    )


def as_told(sdp: str, settings: Settings) -> str:
    """The answer as the viewer gets it."""
    if settings.media_public_address is not None:
        sdp = with_public_address(sdp, settings.media_public_address)
    return with_bitrate_hints(
        sdp,
        settings.ingest_start_bitrate_bps,
        settings.ingest_min_bitrate_bps,
        settings.ingest_max_bitrate_bps,
    )
