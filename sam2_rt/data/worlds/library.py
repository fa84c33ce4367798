"""MuJoCo, loaded when it is first needed: how it draws off screen is settled by its import."""

import importlib
import os
from functools import cache
from pathlib import Path
from typing import Any, Final

_GPU: Final = Path("/dev/nvidia0")
_BACKEND: Final = "MUJOCO_GL"


class NoRenderer(RuntimeError):
    """MuJoCo or its drawing off screen is not there; the message says what to install."""

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"cannot draw bodies in 3D with {_BACKEND}={os.environ.get(_BACKEND)} "
            f"({type(cause).__name__}: {cause}). It needs `pip install sam2-rt[train]` and, for "
            f"{_BACKEND}=osmesa, `apt-get install -y libosmesa6`, or for {_BACKEND}=egl the GPU's "
            f"libEGL; and {_BACKEND} must be set before anybody imports mujoco"
        )


@cache
def load_mujoco() -> Any:
    """The module, once it has proved that it can draw. Raises NoRenderer.

    Without MUJOCO_GL in the environment the GPU draws where there is one, else the CPU (OSMesa).
    """
    # Makers run side by side in processes of their own: the CPU's renderer needs no more threads.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    os.environ.setdefault(_BACKEND, "egl" if _GPU.exists() else "osmesa")
    try:
        mujoco = importlib.import_module("mujoco")
        context = mujoco.GLContext(8, 8)
        context.make_current()
        mujoco.MjrContext(mujoco.MjSpec().compile(), mujoco.mjtFontScale.mjFONTSCALE_50).free()
        context.free()
    except Exception as error:
        # What is missing shows itself as an ImportError, an AttributeError of None, a RuntimeError
        # or MuJoCo's FatalError, by backend; there is nothing to do about any of them here.
        raise NoRenderer(error) from error
    return mujoco
