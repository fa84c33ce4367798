"""Bearer tokens (RFC 6750): JSON Web Tokens, signed with HS256 or EdDSA (RFC 7519, RFC 8037)."""

from typing import Any, Final

import jwt
from pydantic import ValidationError

from streamer.config import Settings
from streamer.http.grant import ANYBODY, Grant, Limits

LEEWAY_S: Final = 10
"""By which the issuer's clock and ours may differ."""

_SCHEME: Final = "bearer"


class Unauthorised(Exception):
    """No token, or one that is not good; the message says why and quotes nothing of it."""

    def __init__(self, reason: str, *, is_given: bool) -> None:
        super().__init__(reason)
        self.is_given = is_given
        """A token was sent."""

    @property
    def challenge(self) -> str:
        """For WWW-Authenticate (RFC 6750, section 3)."""
        return (
            f'Bearer error="invalid_token", error_description="{self}"' * self.is_given or "Bearer"
        )


class Guard:
    """Lets requests pass that bear a good token; all of them when no key is set.

    Signatures are compared in constant time, by PyJWT's hmac.compare_digest.
    """

    def __init__(self, settings: Settings) -> None:
        # A key belongs to its algorithm: a public key can never be taken for a shared secret.
        self._keys: dict[str, str] = {}
        if settings.token_secret is not None:
            self._keys["HS256"] = settings.token_secret.get_secret_value()
        if settings.token_public_key is not None:
            self._keys["EdDSA"] = settings.token_public_key
        self._audience = settings.token_audience

    @property
    def is_open(self) -> bool:
        """No token is asked for."""
        return not self._keys

    def admit(self, authorization: str | None) -> Grant:
        """What an Authorization header grants. Raises Unauthorised for one without a good token."""
        if self.is_open:
            return ANYBODY
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != _SCHEME or not token.strip():
            raise Unauthorised("a bearer token is needed", is_given=False)
        try:
            claims = self._check(token.strip())
            limits = Limits.model_validate(claims.get("limits", {}))
            return Grant(claims.get("sub", ""), limits)
        except jwt.ExpiredSignatureError as error:
            raise Unauthorised("the token has expired", is_given=True) from error
        except jwt.InvalidTokenError as error:
            # PyJWT's words name a claim or an algorithm that the token brought: they stay here.
            raise Unauthorised("the token is not good for this service", is_given=True) from error
        except ValidationError as error:
            raise Unauthorised("the token's limits cannot be read", is_given=True) from error

    def _check(self, token: str) -> dict[str, Any]:
        """The token's claims."""
        algorithm = jwt.get_unverified_header(token).get("alg")
        key = self._keys.get(str(algorithm))
        if key is None:
            raise jwt.InvalidAlgorithmError
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[str(algorithm)],
            audience=self._audience,
            leeway=LEEWAY_S,
            options={"require": ["exp"]},
        )
        return claims
