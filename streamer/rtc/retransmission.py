"""How soon a lost message of a data channel is sent again, or given up where it is not to be.

aiortc 1.16 waits 3 s at first and 1 s at least, whatever the round trip: for so long a prompt that
was lost is not heard, and masks after one that was lost find the channel full. Importing this
module mends the process.
"""

from typing import Final

from aiortc import rtcsctptransport

INITIAL_S: Final = 1.0
"""While no round trip is known (RFC 9260, section 16)."""
MIN_S: Final = 0.4
"""Chromium's: more than the other side may wait before it acknowledges (0.2 s)."""
MAX_INIT_RETRANSMISSIONS: Final = 26
"""Each INITIAL_S after the other: as long as aiortc's eight with its own."""

# Read from the module each time that they are needed.
rtcsctptransport.SCTP_RTO_INITIAL = INITIAL_S
rtcsctptransport.SCTP_RTO_MIN = MIN_S  # type: ignore[assignment] # an int there
rtcsctptransport.SCTP_MAX_INIT_RETRANS = MAX_INIT_RETRANSMISSIONS
