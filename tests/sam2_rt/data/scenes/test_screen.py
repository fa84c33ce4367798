import numpy as np
import pytest

from sam2_rt.data.scenes.actors import draw_actors
from sam2_rt.data.scenes.affine import Matrices, move
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.compose import draw_frame, mask_of
from sam2_rt.data.scenes.layered import _set_stage, draw_look
from sam2_rt.data.scenes.photos import cutout_bank, masked_bank, photo_bank
from sam2_rt.data.scenes.scene import Backdrop, Format, Scene, make_scene
from sam2_rt.data.scenes.screen import OPEN_FORMS, draw_screen

EMPTY = Cast(photo_bank(()), masked_bank(()), cutout_bank(()))
FORM = Format(8, 96, 0.5)
NOWHERE: Matrices = move(np.full((8, 2), 10_000.0))


def hidden_by_a_screen(seed: int) -> tuple[list[float], list[float]]:
    """Areas of one actor over a clip, without its screen and with it."""
    rng = np.random.default_rng(seed)
    stage = _set_stage(rng, EMPTY, FORM)
    (actor, *_) = draw_actors(stage, 0.35)
    backdrop = Backdrop(stage.background, NOWHERE)
    look = draw_look(rng, FORM)

    def areas(*others) -> list[float]:
        scene: Scene = make_scene(FORM, backdrop, (), (actor, *others), look)
        return [float(mask_of(draw_frame(scene, i)[1], scene.things[0]).sum()) for i in range(8)]

    return areas(), areas(draw_screen(stage, actor))


@pytest.mark.parametrize("seed", range(8))
def test_a_screen_covers_nothing_at_first_and_all_for_a_while(seed):
    bare, screened = hidden_by_a_screen(seed)
    assert screened[0] == bare[0] > 0
    assert any(there > 0 and seen == 0 for there, seen in zip(bare, screened, strict=True))


def test_most_screens_pass():
    seen_at_last = [hidden_by_a_screen(seed)[1][-1] > 0 for seed in range(20)]
    assert 5 < sum(seen_at_last) < 20


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("form", OPEN_FORMS)
def test_bars_blades_and_leaves_cover_a_part(form, seed):
    covered = (form(np.random.default_rng(seed)) > 127).mean()
    assert 0.1 < covered < 0.9
