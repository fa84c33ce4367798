"""Consent (RFC 7675), is the peer still there? Asked often, and timed: so the round trip is known.

aioice 0.13 asks every 5 s and takes a peer for dead after six questions without an answer: half a
minute, in which one who watches keeps a place. It waits 0.5 s for an answer, too short for a bad
mobile link, and measures nothing. Importing this module mends the process.
"""

import asyncio
from typing import Final
from weakref import WeakSet

import aioice.ice
from aioice import stun
from aioice.ice import StunProtocol
from aiortc import RTCRtpReceiver

INTERVAL_S: Final = 1.0
"""Between two questions, give or take a fifth."""
MAX_FAILURES: Final = 4
"""Questions in a row without an answer, after which the peer is dead: within 11 s. Under 5 % loss
both ways that happens to a living one once in years."""

_SMOOTHING: Final = 1 / 8
"""Of a new round trip in the mean (RFC 6298, section 2)."""
_RETRANSMISSIONS: Final = 1
"""Of a question; then 1.5 s in all are waited for the answer."""

_expired = WeakSet[aioice.ice.Connection]()
"""Those whose peer is dead: aioice closes them like those that were hung up."""


class TimedProtocol(StunProtocol):
    """As aioice's, and keeps the mean round trip of what it asked."""

    round_trip_s: float | None = None
    """None: nothing was answered in time yet."""
    _num_unanswered = 0
    """Questions in a row."""

    async def request(
        self,
        request: stun.Message,
        addr: tuple[str, int],
        integrity_key: bytes | None = None,
        retransmissions: int | None = None,
    ) -> tuple[stun.Message, tuple[str, int]]:
        """As aioice's; a question that it would ask once is asked again."""
        loop = asyncio.get_running_loop()
        asked_at_s = loop.time()
        if retransmissions == 0:
            answer = await self._ask(request, addr, integrity_key)
        else:
            answer = await super().request(request, addr, integrity_key, retransmissions)
        taken_s = loop.time() - asked_at_s
        if taken_s < stun.RETRY_RTO:  # else nobody knows which of the two was answered
            mean_s = taken_s if self.round_trip_s is None else self.round_trip_s
            self.round_trip_s = mean_s + _SMOOTHING * (taken_s - mean_s)
        return answer

    async def _ask(
        self, request: stun.Message, addr: tuple[str, int], integrity_key: bytes | None
    ) -> tuple[stun.Message, tuple[str, int]]:
        try:
            answer = await super().request(request, addr, integrity_key, _RETRANSMISSIONS)
        except stun.TransactionError:
            self._num_unanswered += 1
            if self._num_unanswered >= MAX_FAILURES:
                _expired.add(self.receiver)
            raise
        self._num_unanswered = 0
        return answer


def has_expired(receiver: RTCRtpReceiver) -> bool:
    """Whether the connection that a receiver belongs to has ended because its peer was dead."""
    return receiver.transport.transport._connection in _expired  # noqa: SLF001 (no public way)


def round_trip_s(receiver: RTCRtpReceiver) -> float | None:
    """Of the connection that a receiver belongs to; None while it is not known."""
    # Private names of aiortc 1.16 and aioice 0.13, under test.
    pairs = receiver.transport.transport._connection._nominated.values()  # noqa: SLF001
    protocols = [pair.protocol for pair in pairs]
    known = [one.round_trip_s for one in protocols if isinstance(one, TimedProtocol)]
    return known[0] if known else None


# Names that aioice looks up when it makes a connection, and each time it asks.
aioice.ice.StunProtocol = TimedProtocol  # type: ignore[misc]
aioice.ice.CONSENT_INTERVAL = INTERVAL_S  # type: ignore[assignment] # an int there
aioice.ice.CONSENT_FAILURES = MAX_FAILURES
