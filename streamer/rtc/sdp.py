"""What offers and answers need beyond aiortc: plain text in, plain text out."""

import ipaddress
import re
from typing import Final

from streamer.rtc.egress import is_blocked

_VIDEO_CODEC: Final = re.compile(r"a=rtpmap:(\d+) (?:VP8|H264)/", re.IGNORECASE)

_UFRAG: Final = re.compile(r"^a=ice-ufrag:(\S+)", re.MULTILINE)
_SECTION: Final = re.compile(r"^(?=m=)", re.MULTILINE)
_CANDIDATE: Final = re.compile(r"^a=candidate:", re.MULTILINE)
_END: Final = re.compile(r"^a=end-of-candidates\s*", re.MULTILINE)


def ufrags(offer: str) -> frozenset[str]:
    """The names of the offer's ICE sessions: one, where all its sections share a transport."""
    return frozenset(_UFRAG.findall(offer))


def without_unwanted(offer: str) -> str:
    """The offer less its `.local` candidates, which take multicast to resolve, that hangs in pods,
    and less those where media must not go (streamer.rtc.egress).

    The viewer's own checks reach our candidates, so its real address is found all the same. When
    a section has none left, its `end-of-candidates` goes too: with it aiortc gives up at once.
    """
    text = "".join(line for line in offer.splitlines(keepends=True) if not _is_unwanted(line))
    return "".join(
        section if _CANDIDATE.search(section) else _END.sub("", section)
        for section in _SECTION.split(text)
    )


def with_public_address(answer: str, address: str) -> str:
    """The answer as seen through a 1:1 NAT: host candidates of its IP version say this address.

    Ports stay. Loopback goes too: it means another machine to whoever reads it elsewhere.
    """
    version = ipaddress.ip_address(address).version
    lines: list[str] = []
    replaced: set[str] = set()
    for line in answer.splitlines(keepends=True):
        fields = line.split(" ")
        is_host = line.startswith("a=candidate:") and fields[7].strip() == "host"
        if is_host and ipaddress.ip_address(fields[4]).version == version:
            replaced.add(fields[4])
            fields[4] = address
        lines.append(" ".join(fields))
    text = "".join(lines)
    for local in replaced:  # the default destination is one of them (RFC 8839, section 4.2.1.2)
        text = text.replace(f" IP{version} {local}\r\n", f" IP{version} {address}\r\n")
    return text


def with_bitrate_hints(answer: str, start_bps: int, min_bps: int, max_bps: int) -> str:
    """The answer with Chromium's hints for its encoder, which else starts low and climbs slowly.

    Browsers that do not know x-google-* ignore them, as they ignore any unknown parameter.
    """
    hints = ";".join(
        f"x-google-{name}-bitrate={bps // 1000}"
        for name, bps in (("start", start_bps), ("min", min_bps), ("max", max_bps))
    )
    lines = answer.splitlines(keepends=True)
    hinted: list[str] = []
    described = {line.split()[0] for line in lines if line.startswith("a=fmtp:")}
    for line in lines:
        codec = _VIDEO_CODEC.match(line)
        name = line.split()[0] if line.startswith("a=fmtp:") else ""
        if codec and f"a=fmtp:{codec[1]}" not in described:
            hinted += [line, f"a=fmtp:{codec[1]} {hints}\r\n"]
        elif name and _is_video_codec(lines, name.removeprefix("a=fmtp:")):
            hinted.append(f"{line.rstrip()};{hints}\r\n")
        else:
            hinted.append(line)
    return "".join(hinted)


def _is_video_codec(lines: list[str], payload_type: str) -> bool:
    return any(m is not None and m[1] == payload_type for m in map(_VIDEO_CODEC.match, lines))


def _is_unwanted(line: str) -> bool:
    fields = line.split()
    if not line.startswith("a=candidate:") or len(fields) <= 4:
        return False
    return fields[4].endswith(".local") or is_blocked(fields[4])
