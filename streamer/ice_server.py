"""IceServer: a STUN or TURN server, as a setting names it and browsers and aiortc take it."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, SecretStr

# RFC 7064 and 7065, section 3.1 of both. No user in it: that has members of its own.
_URL: Final = re.compile(
    r"(?P<scheme>stuns?|turns?):(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\]]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<way>\?transport=(?:udp|tcp))?"
)
_MAX_PORT: Final = 65_535


def _check_url(text: str) -> str:
    """Raises ValueError for what is none, without the text: somebody may put a password there."""
    found = _URL.fullmatch(text)
    if (
        found is None
        or not 0 < int(found["port"] or 1) <= _MAX_PORT
        or (found["way"] and found["scheme"].startswith("stun"))
    ):
        raise ValueError(
            "not like stun:example.org:3478 or turn:example.org:3478?transport=udp "
            "(without //; user and password are `username` and `credential`)"
        )
    return text


class IceServer(BaseModel):
    """A STUN or TURN server, as RTCConfiguration spells it."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    urls: Annotated[str, AfterValidator(_check_url)]
    """One: stun:, stuns:, turn: or turns:, a host, perhaps a port and how a relay is reached."""
    username: str | None = None
    credential: SecretStr | None = None

    @property
    def is_turn(self) -> bool:
        """It relays, and asks for a user."""
        return self.urls.startswith(("turn:", "turns:"))

    @property
    def is_for_browsers(self) -> bool:
        """It has an address of IPv6, which aiortc cannot read."""
        return "[" in self.urls

    def to_browser(self) -> dict[str, str]:
        """As RTCPeerConnection takes it; it would take a null for a name."""
        members = {"urls": self.urls, "username": self.username, "credential": self.password}
        return {name: value for name, value in members.items() if value is not None}

    @property
    def password(self) -> str | None:
        """The credential in the clear, for who has to send it."""
        return None if self.credential is None else self.credential.get_secret_value()
