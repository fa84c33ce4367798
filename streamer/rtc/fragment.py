"""Candidates that come after the offer: application/trickle-ice-sdpfrag (RFC 8840, section 9)."""

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Final

from aiortc import RTCIceCandidate
from aiortc.sdp import candidate_from_sdp

from streamer.rtc.egress import is_blocked

CONTENT_TYPE: Final = "application/trickle-ice-sdpfrag"
MAX_CANDIDATES: Final = 64
"""Of one session, all its fragments together: each is checked against each of ours."""

_SECTION: Final = re.compile(r"^(?=m=)", re.MULTILINE)
_LINE: Final = re.compile(r"[a-z]=\S.*")
_RTP: Final = 1  # the component; RTCP (2) shares its port


class FragmentError(ValueError):
    """A fragment that cannot be read; the message says why."""


class FragmentRefused(ValueError):
    """A fragment that can be read and asks for what this service does not do."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """What one PATCH says."""

    ufrags: frozenset[str]
    """Of the sender's ICE session; empty where it does not say."""
    mids: frozenset[str]
    """Media sections that are named."""
    candidates: tuple[RTCIceCandidate, ...]
    """sdpMid is None where the fragment names no section."""
    is_last: bool
    """No further candidate comes."""


def parse(text: str) -> Fragment:
    """Reads a fragment. Raises FragmentError."""
    for line in filter(None, text.splitlines()):
        if _LINE.fullmatch(line.strip()) is None:
            raise FragmentError(f"not a line of SDP: {line[:40]!r}")
    candidates: list[RTCIceCandidate] = []
    mids: set[str] = set()
    for section in _SECTION.split(text):
        attributes = _attributes(section)
        mid = next((value for name, value in attributes if name == "mid"), None)
        mids |= set() if mid is None else {mid}
        candidates += [_candidate(v, mid) for name, v in attributes if name == "candidate"]
    everywhere = _attributes(text)
    if not everywhere:
        raise FragmentError("the fragment says nothing")
    return Fragment(
        ufrags=frozenset(value for name, value in everywhere if name == "ice-ufrag"),
        mids=frozenset(mids),
        candidates=tuple(candidates),
        is_last=any(name == "end-of-candidates" for name, _ in everywhere),
    )


def usable(fragment: Fragment, mid: str) -> list[RTCIceCandidate]:
    """The candidates that checks can be sent to; those of no named section go to `mid`.

    Left out are names, of which `.local` ones take multicast to resolve (see streamer.rtc.sdp),
    RTCP's, and those where media must not go.
    """
    return [
        candidate if candidate.sdpMid is not None else replace(candidate, sdpMid=mid)
        for candidate in fragment.candidates
        if candidate.component == _RTP
        and _is_address(candidate.ip)
        and not is_blocked(candidate.ip)
    ]


def _attributes(text: str) -> list[tuple[str, str]]:
    """(name, value) of each `a=` line."""
    lines = (line.strip() for line in text.splitlines())
    parts = (line[2:].partition(":") for line in lines if line.startswith("a="))
    return [(name, value) for name, _, value in parts]


def _candidate(value: str, mid: str | None) -> RTCIceCandidate:
    try:
        return replace(candidate_from_sdp(value), sdpMid=mid)
    except (AssertionError, IndexError, ValueError) as error:  # aiortc 1.16's, for what it needs
        raise FragmentError(f"not a candidate: {value[:80]!r}") from error


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:  # a name
        return False
    return True
