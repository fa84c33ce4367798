"""Matte: from the model's coarse logits to an alpha at the size of the frame."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from streamer.effects import Plane, Planes

Floats = NDArray[np.float32]


class Matte:
    """The alpha of one stream's objects."""

    def soft(self, logits: Sequence[Floats], planes: Planes) -> Plane:
        """255 on the objects, 0 beside them, between at their edges: [H, W] of the frame."""
        height, width = planes[0].shape
        united = np.max(logits, axis=0)
        large = np.asarray(
            Image.fromarray(united).resize((width, height), Image.Resampling.BILINEAR)
        )
        return np.rint(255 / (1 + np.exp(-2 * large))).astype(np.uint8)

    def cover(self, logits: Sequence[Floats], planes: Planes) -> Plane:
        """255 wherever an object may be."""
        return self.soft(logits, planes)
