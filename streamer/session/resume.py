"""Resume tokens: what a session's tracks look like, sealed for whoever serves the viewer next.

The viewer keeps the newest and brings it with its next offer. It can neither read nor change it.
"""

import asyncio
import base64
import math
import secrets
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from numpy.typing import NDArray
from pydantic import ValidationError

from sam2_rt import rle
from sam2_rt.engine import StepResult, TrackState
from sam2_rt.tracking.prompt import Prompt
from streamer.message import Message, TrackId
from streamer.session.handover import Resumed, ResumeMessage
from streamer.session.parking import Inherited, Parking
from streamer.session.term import Term, TimeUp
from streamer.telemetry.metrics import Metrics

INTERVAL_S: Final = 1.0
"""Between two tokens of a session."""
FRESH_S: Final = 0.05
"""Up to this age, a frame or two, a mask is taken as it is. An object has moved out of an older
one, so its box is asked for in the new picture: measured, see ARCHITECTURE.md."""
MAX_SIDE: Final = 128
"""Of a mask in a token: a token stays a few hundred bytes a track."""

_PURPOSE: Final = b"streamer resume token 1"


class ResumeError(ValueError):
    """A token that cannot be used: expired, not ours, or damaged."""


class CarriedTrack(Message):
    """One track as it was last seen."""

    track_id: TrackId
    height: int
    width: int
    counts: str
    """COCO's run lengths of the mask [height, width], the whole frame squashed."""

    def mask(self) -> NDArray[np.bool_]:
        """[height, width]"""
        return rle.decode(self.counts, self.height, self.width)


class Carried(Message):
    """What goes from one session to the next."""

    session_id: str
    """Of the session before, which ends when its viewer is back."""
    seen_at_s: float
    """Unix time of the masks."""
    tracks: tuple[CarriedTrack, ...]
    until_s: float | None = None
    """Unix time at which the session is over, wherever it goes on; None: it has no end."""

    def prompts(self, now_s: float) -> list[Prompt]:
        """What begins the same tracks in the first frame that comes."""
        is_fresh = now_s - self.seen_at_s <= FRESH_S
        return [_prompt(track.track_id, track.mask(), is_fresh=is_fresh) for track in self.tracks]


@dataclass(frozen=True, slots=True)
class GoingOn:
    """How a session goes on from its viewer's session before it."""

    resumed: Resumed
    """What the viewer is told."""
    prompts: tuple[Prompt, ...] = ()
    """With the first frame."""
    inherited: Inherited | None = None
    """None: the session has a stream of its own."""
    until_s: float | None = None
    """As carried."""


async def go_on(carried: Carried, parking: Parking, metrics: Metrics) -> GoingOn:
    """With the stream itself where it is still here, else with the boxes of the token."""
    metrics.resumes.labels("taken").inc()
    inherited = await parking.take(carried.session_id)
    if inherited is None:
        prompts = tuple(carried.prompts(time.time()))
        tracks = tuple(prompt.track_id for prompt in prompts)
        resumed = Resumed(how="boxes", tracks=tracks)
        going_on = GoingOn(resumed, prompts, until_s=carried.until_s)
    else:
        resumed = Resumed(how="memory", tracks=inherited.adopted.track_ids)
        going_on = GoingOn(resumed, inherited=inherited, until_s=carried.until_s)
    metrics.streams_resumed.labels(going_on.resumed.how).inc()
    return going_on


class Seals:
    """Seals and opens tokens: encrypted, signed, and good for a while (Fernet)."""

    def __init__(self, secret: str | None, ttl_s: int) -> None:
        """All services with one secret open each other's; None: one that nobody else has."""
        given = secrets.token_bytes(32) if secret is None else secret.encode()
        key = HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(given)
        self._fernet = Fernet(base64.urlsafe_b64encode(key))
        self._ttl_s = ttl_s

    def seal(self, carried: Carried) -> ResumeMessage:
        """The message with the token."""
        # What is None is left out: services of before this field open such tokens, too.
        told = carried.model_dump_json(exclude_none=True)
        token = self._fernet.encrypt(told.encode()).decode()
        return ResumeMessage(token=token, seconds=self._ttl_s)

    def open(self, token: str) -> Carried:
        """What the token carries. Raises ResumeError."""
        try:
            carried = self._fernet.decrypt(token.encode(), ttl=self._ttl_s)
            return Carried.model_validate_json(carried)
        except (InvalidToken, ValidationError, UnicodeEncodeError) as error:
            raise ResumeError("the resume token has expired or is of another service") from error


def carry(
    session_id: str, result: StepResult | None, now_s: float, until_s: float | None = None
) -> Carried:
    """The tracks of a step that are in sight, and when their session is over.

    A hidden one stays behind: nobody can say where in the next picture it is.
    """
    masks = () if result is None else result.masks
    seen = [m for m in masks if m.state is TrackState.VISIBLE and (m.logits > 0).any()]
    tracks = tuple(_carried(m.track_id, m.logits > 0) for m in seen)
    return Carried(session_id=session_id, seen_at_s=now_s, tracks=tracks, until_s=until_s)


class Session(Protocol):
    """Whose tracks are carried."""

    session_id: str
    last_result: StepResult | None
    """Of its last step."""
    term: Term


class Teller:
    """Tells one viewer, now and then, what it needs to go on elsewhere."""

    def __init__(
        self,
        seals: Seals,
        session: Session,
        say: Callable[[str], None],
        painter: Executor,
    ) -> None:
        self._seals = seals
        self._session = session
        self._say = say
        self._painter = painter
        """Runs what takes more than a moment."""
        self._told: StepResult | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(INTERVAL_S)
            result = self._session.last_result
            if self._is_news(result):
                self._told = result
                self._say(await loop.run_in_executor(self._painter, self._message, result))

    def tell_now(self) -> None:
        """At once, for a viewer who has to leave."""
        result = self._session.last_result
        if self._is_news(result):
            self._told = result
            self._say(self._message(result))

    def _is_news(self, result: StepResult | None) -> bool:
        """There is a newer step, and it or the one told before has tracks."""
        had_tracks = self._told is not None and bool(self._told.masks)
        return (
            result is not None and result is not self._told and (bool(result.masks) or had_tracks)
        )

    def _message(self, result: StepResult | None) -> str:
        session = self._session
        carried = carry(session.session_id, result, time.time(), session.term.until_s)
        return self._seals.seal(carried).model_dump_json()


def session_of(seals: Seals, token: str) -> str | None:
    """The session that a token is of; None for one that is no good."""
    try:
        return seals.open(token).session_id
    except ResumeError:  # as its viewer is told when it is let in
        return None


def accept(seals: Seals, token: str | None, metrics: Metrics) -> Carried | None:
    """What a viewer brings with its offer; None, and counted, when its token is no good.

    Raises TimeUp when the session that the token is of is over.
    """
    if token is None:
        return None
    try:
        carried = seals.open(token)
    except ResumeError:  # the viewer is let in all the same, and told that nothing goes on
        metrics.resumes.labels("refused").inc()
        return None
    if carried.until_s is not None and carried.until_s <= time.time():
        metrics.resumes.labels("refused").inc()
        raise TimeUp
    return carried


def _carried(track_id: int, mask: NDArray[np.bool_]) -> CarriedTrack:
    step = math.ceil(max(mask.shape) / MAX_SIDE)
    small = mask[::step, ::step]
    if not small.any():  # it lies between the pixels that stay
        small = mask
    height, width = small.shape
    counts = rle.encode(small).decode("ascii")
    return CarriedTrack(track_id=track_id, height=height, width=width, counts=counts)


def _prompt(track_id: int, mask: NDArray[np.bool_], *, is_fresh: bool) -> Prompt:
    if is_fresh:
        return Prompt(track_id, mask=mask)
    height, width = mask.shape
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    box = (
        float(columns[0] / width),
        float(rows[0] / height),
        float((columns[-1] + 1) / width),
        float((rows[-1] + 1) / height),
    )
    return Prompt(track_id, box=box)
