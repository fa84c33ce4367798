import numpy as np
import pytest

from sam2_rt.model.config import ModelConfig, TrunkConfig
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.frame import Frame
from seeded import seed_

TRUNK = TrunkConfig(16, 1, (1, 1, 2, 1), (3,), windows=(8, 4, 8, 4))
SMALL = ModelConfig(
    TRUNK, image_size=64, dim=64, memory_dim=16, memory_layers=2, feedforward_dim=64
)


@pytest.fixture(scope="session")
def model() -> SAM2:
    """A whole model that takes 2 ms a frame; seeded weights."""
    return seed_(SAM2(SMALL))


@pytest.fixture(scope="session")
def frames() -> list[Frame]:
    """Forty pictures of a pattern that moves."""
    y, x = np.mgrid[:48, :64]
    pictures = [
        np.stack([128 + 100 * np.sin((x + 2 * t) / (5 + c) + y / 7) for c in range(3)], axis=-1)
        for t in range(40)
    ]
    return [Frame(3000 * t, (p.astype(np.uint8),)) for t, p in enumerate(pictures)]
