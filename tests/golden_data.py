"""Where golden outputs lie, and how near to them is near enough."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"
SHARED = Path(__file__).parent.parent.parent / "shared"


@cache
def golden(name: str) -> Mapping[str, np.ndarray]:
    return dict(np.load(GOLDEN / f"{name}.npz"))


def shared(path: str) -> Path:
    """A file that the repository does not carry; the test is skipped where it is missing."""
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"{path} is not beside this checkout")
    return found


def assert_near(ours: Tensor, official: np.ndarray, *, relative: float = 1e-4) -> None:
    """Within `relative` of the largest official value."""
    assert tuple(ours.shape) == official.shape
    error = np.abs(ours.detach().float().numpy() - official).max()
    assert error <= relative * np.abs(official).max(), f"off by {error}"
