"""Compositor: the returned picture of one session, in the mode that its viewer chose."""

from collections.abc import Sequence

import numpy as np

from sam2_rt.engine import Applied, StepResult, TrackMask
from sam2_rt.tracking.frame import Frame
from streamer.picture import compose, effects
from streamer.picture.background import fill
from streamer.picture.effects import Plane, Planes
from streamer.picture.matte import Matte
from streamer.picture.output import COVERING, HIDING, Mode, Output


def still_hides(hid: bool, result: StepResult) -> bool:  # noqa: FBT001 (a state and its next)
    """Whether background modes hide all of a frame without objects: a state and its next.

    A viewer who has not clicked yet, or removed the last object, has to see the picture to click.
    An object that was dropped after it was away for long opens nothing to view.
    """
    if result.masks:
        return True
    return hid and not any(isinstance(answer, Applied) for answer in result.removals)


class Compositor:
    """Keeps what goes from frame to frame. paint() is called for one frame after another."""

    def __init__(self) -> None:
        self._matte = Matte()
        self._mask_matte = Matte()
        """Of mask(), which steadies what it saw itself."""
        self._filled: tuple[Output, tuple[int, ...], Planes] | None = None
        """The background image of an output, at the size of a frame."""

    def paint(
        self,
        frame: Frame,
        masks: Sequence[TrackMask],
        output: Output,
        hides: bool,  # noqa: FBT001 (goes through an executor, which takes no names)
    ) -> Frame:
        """The frame as its viewer gets it; the frame itself stays as it is. Milliseconds."""
        if output.mode in (Mode.NONE, Mode.MASKS):
            return frame
        if output.mode is Mode.OVERLAY:
            return compose.overlay(frame, masks)
        if not masks and not (hides and output.mode in HIDING):
            return frame if output.mode is not Mode.CUTOUT else _nothing_cut_out(frame)
        alpha = self._alpha(frame, masks, output)
        return Frame(frame.pts, self._planes(frame.planes, alpha, output))

    def mask(self, frame: Frame, masks: Sequence[TrackMask]) -> Frame:
        """The alpha of all objects as a grey picture: luma 16 beside them, 235 on them."""
        alpha = np.zeros_like(frame.planes[0])
        if masks:
            alpha = self._mask_matte.soft([mask.logits for mask in masks], frame.planes)
        return Frame(frame.pts, effects.grey(alpha))

    def _alpha(self, frame: Frame, masks: Sequence[TrackMask], output: Output) -> Plane:
        if not masks:
            return np.zeros_like(frame.planes[0])
        logits = [mask.logits for mask in masks]
        matte = self._matte.cover if output.mode in COVERING else self._matte.soft
        return matte(logits, frame.planes)

    def _planes(self, planes: Planes, alpha: Plane, output: Output) -> Planes:
        match output.mode:
            case Mode.BLUR:
                behind = effects.blur_background(planes, alpha, output.strength)
                return effects.mix(planes, behind, alpha)
            case Mode.REPLACE | Mode.GREEN:
                return effects.mix(planes, self._background(planes, output), alpha)
            case Mode.PIXELATE:
                return effects.mix(effects.pixelate(planes, output.strength), planes, alpha)
            case Mode.REDACT_BLUR:
                return effects.mix(effects.blur_all(planes, output.strength), planes, alpha)
            case Mode.SPOTLIGHT:
                return effects.mix(planes, effects.dim(planes, output.strength), alpha)
        assert output.mode is Mode.CUTOUT, f"{output.mode} is painted elsewhere"
        return effects.beside(effects.mix(planes, effects.BLACK, effects.spread(alpha)), alpha)

    def _background(self, planes: Planes, output: Output) -> Planes | tuple[int, int, int]:
        if output.image is None:
            return effects.to_yuv(*output.colour)
        size = planes[0].shape
        if self._filled is None or self._filled[:2] != (output, size):
            self._filled = (output, size, fill(output.image, *size))
        return self._filled[2]


def _nothing_cut_out(frame: Frame) -> Frame:
    """As wide as all others of its mode: a change of size costs a key frame."""
    return Frame(frame.pts, effects.beside(frame.planes, np.zeros_like(frame.planes[0])))
