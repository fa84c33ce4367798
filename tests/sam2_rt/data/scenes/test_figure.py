import cv2
import numpy as np
import pytest

from sam2_rt.data.scenes import figure
from sam2_rt.data.scenes.affine import move, scale
from sam2_rt.data.scenes.compose import draw_frame
from sam2_rt.data.scenes.degrade import Flaws
from sam2_rt.data.scenes.figure import PLANS, draw_figure
from sam2_rt.data.scenes.scene import Actor, Backdrop, Format, Look, make_scene

TEXTURES = [np.full((64, 64, 3), 250, np.uint8)]
BOX = np.concatenate([move((60.0, 60.0)) @ scale(140)] * 6)


@pytest.mark.parametrize("plan", range(len(PLANS)))
def test_limbs_stay_joined_while_they_move(plan, monkeypatch):
    monkeypatch.setattr(figure, "PLANS", (PLANS[plan],))
    drawn = draw_figure(np.random.default_rng(plan), TEXTURES, BOX, 140, 1.0)
    assert len(drawn.layers) == len(PLANS[plan])
    whole = frozenset(range(len(drawn.layers)))
    assert frozenset().union(*drawn.limbs) == whole
    backdrop = Backdrop(np.zeros((256, 256, 3), np.uint8), np.tile(np.eye(3), (6, 1, 1)))
    form = Format(6, 256, 1.0)
    scene = make_scene(form, backdrop, (), [Actor(drawn.layers, (whole,))], Look(Flaws()))
    seen = [draw_frame(scene, index)[1] > 0 for index in (0, 2)]
    for mask in seen:
        assert mask.mean() > 0.02
        # One piece: a flood from any of its pixels, through gaps of a pixel, reaches nearly all.
        assert _largest_share(mask) > 0.95
    assert (seen[0] ^ seen[1]).sum() > 100


def _largest_share(mask: np.ndarray) -> float:
    closed = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
    _, labels = cv2.connectedComponents(closed)
    counts = np.bincount(labels[mask], minlength=2)[1:]
    return float(counts.max() / mask.sum())
