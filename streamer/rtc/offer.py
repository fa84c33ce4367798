"""Offers: what aiortc cannot read or use is refused here, in words, before it sees it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiortc.exceptions import InternalError, InvalidStateError, OperationError
from aiortc.sdp import SessionDescription

# What aiortc 1.16 raises for descriptions that it cannot read or use; it has no error of its own.
_FAULTS: Final = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    StopIteration,
    TypeError,
    ValueError,
    InternalError,
    InvalidStateError,
    OperationError,
)
_KINDS: Final = {"audio", "video", "application"}


class OfferError(ValueError):
    """An offer that cannot be answered; the message says why."""


class OfferRefused(OfferError):
    """An offer that can be read and asks for what this service does not do."""


class NoCandidates(Exception):
    """An answer without an address for media: no viewer could reach us."""

    def __init__(self) -> None:
        super().__init__("the service has no address for media: see STREAMER_MEDIA_ADDRESSES")


@contextmanager
def offer_faults() -> Iterator[None]:
    """Around aiortc's work on an offer: what it raises becomes an OfferError."""
    try:
        yield
    except _FAULTS as error:
        raise OfferError(f"the offer cannot be read: {error or type(error).__name__}") from error


def check(offer: str) -> None:
    """Raises OfferError for an offer that cannot be read, or would break the connection."""
    if not offer.startswith("v=0"):  # RFC 8866, section 5; aiortc reads any text
        raise OfferError("the offer is no SDP: it does not begin with v=0")
    with offer_faults():
        description = SessionDescription.parse(offer)
    kinds = {media.kind for media in description.media}
    if not kinds <= _KINDS:
        raise OfferRefused(f"media of the kinds {sorted(kinds - _KINDS)}")
    mids = [media.rtp.muxId for media in description.media]
    if len(set(mids)) < len(mids):
        raise OfferError(f"two media sections of one mid: {mids}")
    for group in description.group:
        # The transport of a bundle is that of its first section; aiortc does not miss it in time.
        if group.semantic == "BUNDLE" and not set(group.items) <= set(mids):
            raise OfferError(f"BUNDLE names {group.items}, the media sections are {mids}")
