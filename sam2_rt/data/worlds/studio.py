"""Studio: draws worlds off screen, as pictures and as the numbers of the geoms that are seen."""

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.worlds.builder import Library
from sam2_rt.data.worlds.eye import Path

Picture = NDArray[np.uint8]
"""[H, W, 3], RGB"""
Segments = NDArray[np.int32]
"""[H, W]: the geom that is seen, or -1"""

_MAX_DRAWN = 512
"""Geoms of a world that are drawn at most; walls, ground and eight bodies of six limbs are 53."""


class Studio:
    """Holds the means of drawing squares of size pixels; one a process and thread."""

    def __init__(self, mujoco: Library, size: int) -> None:
        self.mujoco = mujoco
        self.size = size
        # Kept for all worlds: on the CPU a new one takes 50 ms to translate its shaders.
        self._context = mujoco.GLContext(size, size)
        # Also when the interpreter ends, before the modules that this needs are gone.
        self.close = weakref.finalize(self, self._context.free)

    @contextmanager
    def open(self, model: Library, aspect: float) -> Iterator["Set"]:
        """Brings a world in; frames are aspect times as wide as high, squeezed into the square."""
        self._context.make_current()
        renderer = self.mujoco.MjrContext(model, self.mujoco.mjtFontScale.mjFONTSCALE_50)
        try:
            self.mujoco.mjr_setBuffer(self.mujoco.mjtFramebuffer.mjFB_OFFSCREEN, renderer)
            scene = self.mujoco.MjvScene(model, maxgeom=_MAX_DRAWN)
            yield Set(
                self.mujoco, model, self.mujoco.MjData(model), renderer, scene, aspect, self.size
            )
        finally:
            renderer.free()


@dataclass(frozen=True, slots=True, eq=False)
class Set:
    """One world, ready to be drawn in any pose from anywhere."""

    mujoco: Library
    model: Library
    data: Library
    renderer: Library
    scene: Library
    aspect: float
    size: int

    def place(self, pose: NDArray[np.float64], path: Path, index: int) -> None:
        """Sets all coordinates, and the camera to one frame of its path."""
        mj, model = self.mujoco, self.model
        self.data.qpos[:] = pose
        model.cam_pos[0] = path.places[index]
        mj.mju_mat2Quat(model.cam_quat[0], path.axes[index].ravel())
        squeeze = self.aspect**0.5
        model.cam_sensorsize[0] = 2 * path.tangent * squeeze, 2 * path.tangent / squeeze
        mj.mj_kinematics(model, self.data)
        mj.mj_camlight(model, self.data)
        camera = mj.MjvCamera()
        camera.type, camera.fixedcamid = mj.mjtCamera.mjCAMERA_FIXED, 0
        everything = mj.mjtCatBit.mjCAT_ALL
        mj.mjv_updateScene(model, self.data, mj.MjvOption(), None, camera, everything, self.scene)

    def picture(self) -> Picture:
        """What the camera sees."""
        return self._draw(segments=False)

    def segments(self) -> Segments:
        """What each pixel shows."""
        code = self._draw(segments=True).astype(np.int32) @ np.array((1, 1 << 8, 1 << 16), np.int32)
        # Scene's numbers start at 1; 0 is the sky.
        numbers = np.full(self.scene.ngeom + 1, -1, np.int32)
        for drawn in self.scene.geoms[: self.scene.ngeom]:
            if drawn.objtype == self.mujoco.mjtObj.mjOBJ_GEOM and drawn.segid >= 0:
                numbers[drawn.segid + 1] = drawn.objid
        return numbers[code]

    def _draw(self, *, segments: bool) -> Picture:
        mj = self.mujoco
        self.scene.flags[mj.mjtRndFlag.mjRND_SEGMENT] = segments
        self.scene.flags[mj.mjtRndFlag.mjRND_IDCOLOR] = segments
        view = mj.MjrRect(0, 0, self.size, self.size)
        pixels = np.empty((self.size, self.size, 3), np.uint8)
        mj.mjr_render(view, self.scene, self.renderer)
        mj.mjr_readPixels(pixels, None, view, self.renderer)
        return np.ascontiguousarray(pixels[::-1])  # GL counts rows from below
