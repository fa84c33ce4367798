from typing import Any

import pytest

from sam2_rt.data.worlds.library import NoRenderer, load_mujoco


@pytest.fixture(scope="session")
def mujoco() -> Any:
    try:
        return load_mujoco()
    except NoRenderer as missing:
        pytest.skip(f"{missing}")
