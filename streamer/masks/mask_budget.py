"""What mask messages may cost: a rate, smoothed over two messages. Plain numbers."""

from typing import Final

MESSAGE_BYTES: Final = 2500
"""Of one message, at most: pure Python SCTP slows down sharply above."""
RATE_BYTES_PER_S: Final = 75_000
"""0.6 Mbit/s on the wire, headers included."""
_PACKET_BYTES: Final = 1150
"""Of a message in one packet, about: SCTP cuts what is longer."""
_HEADER_BYTES: Final = 93
"""Of a packet: IP 20, UDP 8, DTLS 37, SCTP 28."""
_LEAST_BYTES: Final = 600
"""A message of less would hold next to nothing: a later frame's is waited for."""


class MaskBudget:
    """A bucket that fills at RATE_BYTES_PER_S and holds two messages."""

    def __init__(self) -> None:
        self._left = 2.0 * MESSAGE_BYTES
        self._at_s: float | None = None

    def room(self, now_s: float) -> int:
        """Bytes that a message may have now; 0: this frame's masks are left out."""
        if self._at_s is not None:
            filled = self._left + RATE_BYTES_PER_S * (now_s - self._at_s)
            self._left = min(filled, 2.0 * MESSAGE_BYTES)
        self._at_s = now_s
        return 0 if self._left < _LEAST_BYTES else min(MESSAGE_BYTES, int(self._left))

    def spend(self, num_bytes: int) -> None:
        """A message left."""
        self._left -= num_bytes + _HEADER_BYTES * -(-num_bytes // _PACKET_BYTES)

    def back_off(self) -> None:
        """The channel was full: nothing more until the bucket has filled again a little."""
        self._left = 0.0
