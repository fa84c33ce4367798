"""Placement: which pod takes a viewer. Plain values."""

import random
from collections.abc import Mapping
from typing import Final, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

Placement = Literal["pack", "spread"]
"""`pack`: the fullest that has room, so that a fleet shrinks without disturbing many. `spread`: the
emptiest, which is quickest."""

MAX_TRIES: Final = 3
"""Pods that are asked to take one viewer, besides the one that it came to."""

P = TypeVar("P")


class Load(BaseModel):
    """How much of a pod is in use, as it tells its peers."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, allow_inf_nan=False)

    is_ready: bool
    share: float = Field(ge=0)
    """Of its places or of the time that its steps may take, whichever is more; 1: full."""

    @property
    def has_room(self) -> bool:
        """It takes one more."""
        return self.is_ready and self.share < 1


def order(loads: Mapping[P, Load], here: P, placement: Placement) -> list[P]:
    """Pods with room, the best first, at most MAX_TRIES and `here`.

    Of equals `here` is the first, which spares a request, and the others come in any order: pods
    that heard the same must not all choose the same.
    """
    fit = [pod for pod, load in loads.items() if load.has_room]
    random.shuffle(fit)
    fit.sort(key=lambda pod: pod != here)
    fit.sort(key=lambda pod: loads[pod].share, reverse=placement == "pack")
    others = [pod for pod in fit if pod != here][:MAX_TRIES]
    return [pod for pod in fit if pod == here or pod in others]
