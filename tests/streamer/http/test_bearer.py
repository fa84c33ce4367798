import hashlib
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from streamer.config import Settings
from streamer.http.bearer import LEEWAY_S, Guard, Unauthorised

SECRET = "a shared secret that is long enough for HS512 too, of which this is a test"
SIGNER = Ed25519PrivateKey.generate()
PUBLIC = SIGNER.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def claims(**changes: object) -> dict[str, Any]:
    return {"exp": int(time.time()) + 60, "sub": "robot 7", **changes}


def bearing(token: str) -> str:
    return f"Bearer {token}"


def test_without_a_key_everybody_passes():
    guard = Guard(Settings())
    assert guard.is_open
    guard.admit(None)


def test_tokens_of_both_algorithms_pass():
    guard = Guard(Settings(token_secret=SECRET, token_public_key=PUBLIC))
    assert not guard.is_open
    guard.admit(bearing(jwt.encode(claims(), SECRET, "HS256")))
    guard.admit("bearer " + jwt.encode(claims(), SIGNER, "EdDSA"))


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic dTpw", "whatever"])
def test_no_token_is_answered_with_a_plain_challenge(header: str | None):
    with pytest.raises(Unauthorised, match="is needed") as caught:
        Guard(Settings(token_secret=SECRET)).admit(header)
    assert caught.value.challenge == "Bearer"


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(claims(), SECRET + "!", "HS256"),
        jwt.encode(claims(), SECRET, "HS512"),
        jwt.encode(claims(), None, "none"),
        jwt.encode(claims(), SIGNER, "EdDSA"),
        jwt.encode({"sub": "for ever"}, SECRET, "HS256"),
        jwt.encode(claims(nbf=int(time.time()) + 600), SECRET, "HS256"),
        jwt.encode(claims(aud="another service"), SECRET, "HS256"),
        "rubbish",
        "a.b.c",
        "é.é.é",
    ],
    # Tokens hold the time, and processes that run tests together must name them alike.
    ids=str.split(
        "forged other_digest unsigned other_key endless early elsewhere rubbish parts accents"
    ),
)
def test_a_bad_token_is_refused_and_not_quoted(token: str):
    with pytest.raises(Unauthorised) as caught:
        Guard(Settings(token_secret=SECRET)).admit(bearing(token))
    assert 'error="invalid_token"' in caught.value.challenge
    assert token not in caught.value.challenge


def test_a_public_key_is_no_shared_secret():
    """The classic confusion: HS256 with the text of the public key, which anybody knows."""
    key = jwt.utils.base64url_encode  # PyJWT itself refuses to sign with a PEM
    parts = [key(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims())]
    signed = b".".join(parts)
    signature = hmac.new(PUBLIC.encode(), signed, hashlib.sha256).digest()
    token = b".".join([signed, key(signature)]).decode()
    for settings in (
        Settings(token_public_key=PUBLIC),
        Settings(token_public_key=PUBLIC, token_secret=SECRET),
    ):
        with pytest.raises(Unauthorised):
            Guard(settings).admit(bearing(token))


def test_an_expired_token_is_said_to_be_expired_after_the_leeway():
    guard = Guard(Settings(token_secret=SECRET))
    guard.admit(bearing(jwt.encode(claims(exp=int(time.time()) - LEEWAY_S // 2), SECRET, "HS256")))
    with pytest.raises(Unauthorised, match="has expired"):
        guard.admit(bearing(jwt.encode(claims(exp=int(time.time()) - 600), SECRET, "HS256")))


def test_the_audience_must_be_named_where_one_is_set():
    guard = Guard(Settings(token_secret=SECRET, token_audience="masks"))
    guard.admit(bearing(jwt.encode(claims(aud=["masks", "else"]), SECRET, "HS256")))
    with pytest.raises(Unauthorised):
        guard.admit(bearing(jwt.encode(claims(), SECRET, "HS256")))


def test_a_token_names_its_subject_and_its_limits():
    token = jwt.encode(claims(limits={"max_fps": 10, "max_sessions": 0}), SECRET, "HS256")
    grant = Guard(Settings(token_secret=SECRET)).admit(bearing(token))
    assert (grant.subject, grant.limits.max_fps, grant.limits.max_sessions) == ("robot 7", 10, 0)


@pytest.mark.parametrize(
    "limits",
    [{"max_fsp": 10}, {"max_fps": 0}, {"max_fps": "10"}, {"max_tracks": -1}, [], "none", None],
)
def test_limits_that_cannot_be_read_are_not_no_limits(limits: object):
    token = jwt.encode(claims(limits=limits), SECRET, "HS256")
    with pytest.raises(Unauthorised, match="limits cannot be read"):
        Guard(Settings(token_secret=SECRET)).admit(bearing(token))


def test_a_signature_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch):
    compared = []

    def compare(first: bytes, second: bytes) -> bool:
        compared.append(first)
        return first == second

    monkeypatch.setattr(hmac, "compare_digest", compare)
    Guard(Settings(token_secret=SECRET)).admit(bearing(jwt.encode(claims(), SECRET, "HS256")))
    assert len(compared) == 1
