from collections.abc import Iterator

import pytest
import torch

from sam2_rt.model.config import TINY, ModelConfig
from sam2_rt.model.sam2 import SAM2
from seeded import seed_


@pytest.fixture(scope="session")
def tiny() -> SAM2:
    """SAM 2.1 tiny at 256 with seeded weights."""
    return seed_(SAM2(ModelConfig(TINY, image_size=256)))


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.no_grad():
        yield
