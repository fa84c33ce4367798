"""Steps: what serves streams, be it an engine in this process or one in another."""

from collections.abc import Sequence
from typing import Protocol

from sam2_rt.engine import Adopted, StepRequest, StepResult


class EngineInfo(Protocol):
    """What callers know of the model."""

    @property
    def model(self) -> str:
        """Its name in the zoo."""

    @property
    def image_size(self) -> int:
        """Side of its square input in pixels."""

    @property
    def device(self) -> str:
        """Where it runs."""

    @property
    def is_trained(self) -> bool:
        """False: random weights."""

    @property
    def max_tracks(self) -> int:
        """Of one stream."""


class Steps(Protocol):
    """What a caller asks of an engine; all calls come from one thread.

    Each may raise EngineLost where the engine is in a process of its own.
    """

    @property
    def info(self) -> EngineInfo:
        """Of the model that was loaded."""

    def open(self) -> int:
        """Begins a stream and returns its id."""

    def close(self, stream_id: int) -> None:
        """Forgets a stream, parked or not."""

    def park(self, stream_id: int) -> tuple[int, ...]:
        """Keeps a stream's tracks, whose ids it returns, while it rests; without any, closes it."""

    def adopt(self, stream_id: int) -> Adopted | None:
        """Lets a parked stream go on; None when it had to leave."""

    def step(self, requests: Sequence[StepRequest]) -> Sequence[StepResult | Exception]:
        """One answer for each request, in order."""
