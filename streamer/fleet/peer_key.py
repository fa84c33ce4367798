"""What is done with the secret that pods share: sessions are named by it, requests are signed."""

import base64
import hmac
import secrets
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HEADER: Final = "Streamer-Peer"
"""Of a request from another pod."""
SIGNED_S: Final = 60
"""For which a signature is good; the pods' clocks may differ by less."""

_PURPOSE: Final = b"streamer peers 1"
_TAG_BYTES: Final = 6
_NONCE_BYTES: Final = 12
_MAC_BYTES: Final = 16


class PeerKey:
    """The shared secret at work. All pods with one secret understand each other's."""

    def __init__(self, secret: str) -> None:
        derive = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive
        self._key = derive(secret.encode())

    def tag(self, url: str) -> str:
        """Stands for a pod in the names of its sessions, and tells nobody its address."""
        return self._mac("pod", url, num_bytes=_TAG_BYTES)

    def name_session(self, url: str) -> str:
        """A new session's id, of the pod at the URL: fit for a path, not to be guessed or made."""
        named = f"{self.tag(url)}.{secrets.token_urlsafe(_NONCE_BYTES)}"
        return f"{named}.{self._mac('session', named)}"

    def owner_of(self, session_id: str) -> str | None:
        """The tag in a session's id; None for an id that no pod of the secret has made."""
        named, _, mac = session_id.rpartition(".")
        if not session_id.isascii() or not hmac.compare_digest(mac, self._mac("session", named)):
            return None
        return named.partition(".")[0]

    def sign(self, method: str, target: str, now_s: float) -> str:
        """The header of a request; the secret itself is sent nowhere. target: path and query."""
        at_s = str(int(now_s))
        return f"{at_s}.{self._mac('hop', at_s, method, target)}"

    def is_signed(self, header: str | None, method: str, target: str, now_s: float) -> bool:
        """Whether a request comes from a pod, and was made just now."""
        at_s, _, mac = (header or "").partition(".")
        if not (at_s.isdecimal() and len(at_s) < 16 and mac.isascii()):
            return False
        is_ours = hmac.compare_digest(mac, self._mac("hop", at_s, method, target))
        return is_ours and abs(now_s - int(at_s)) <= SIGNED_S

    def _mac(self, *parts: str, num_bytes: int = _MAC_BYTES) -> str:
        """Truncated as RFC 2104, section 5, allows; no part has a line feed in it."""
        digest = hmac.digest(self._key, "\n".join(parts).encode(), "sha256")
        return base64.urlsafe_b64encode(digest[:num_bytes]).rstrip(b"=").decode()
