"""TURN credentials for one session: a user name that expires, and its HMAC as the password.

The shared-secret scheme of draft-uberti-behave-turn-rest-00, which coturn calls `use-auth-secret`.
"""

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence

from pydantic import SecretStr

from streamer.config import Settings
from streamer.ice_server import IceServer


def ice_servers(settings: Settings) -> Sequence[IceServer]:
    """The servers of one session; those of TURN that have no user get one of their own."""
    secret = settings.turn_secret
    if secret is None:
        return settings.ice_servers
    expires_s = int(time.time()) + settings.turn_ttl_s
    username, credential = mint(secret.get_secret_value(), expires_s, secrets.token_hex(6))
    user = {"username": username, "credential": SecretStr(credential)}
    return tuple(
        server.model_copy(update=user) if server.is_turn and server.username is None else server
        for server in settings.ice_servers
    )


def mint(secret: str, expires_s: int, name: str) -> tuple[str, str]:
    """(user name, password) that a TURN server with this secret takes until expires_s (Unix)."""
    username = f"{expires_s}:{name}"
    # SHA-1 is what the scheme names; as a MAC it is unbroken.
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return username, base64.b64encode(digest).decode()
