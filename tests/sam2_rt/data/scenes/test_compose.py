import numpy as np
import pytest

from sam2_rt.data.scenes.affine import move, scale, turn
from sam2_rt.data.scenes.compose import draw_frame, mask_of
from sam2_rt.data.scenes.degrade import Flaws
from sam2_rt.data.scenes.light import Shadow
from sam2_rt.data.scenes.resample import draw_bend
from sam2_rt.data.scenes.scene import FIRST_LAYER, Actor, Backdrop, Format, Layer, Look, make_scene
from sam2_rt.data.scenes.sprite import make_sprite

PLAIN = Look(Flaws())
FORM = Format(2, 96, 1.0)
STAY = np.tile(np.eye(3), (2, 1, 1))


def flat(colour, height=40, width=30):
    return np.full((height, width, 3), colour, np.uint8)


def solid(colour, matrices, bend=None):
    sprite = make_sprite(flat(colour), np.full((40, 30), 255, np.uint8))
    return Actor((Layer(sprite, matrices, bend),), (frozenset((0,)),))


def grey(ids=None):
    return Backdrop(flat(120, 96, 96), STAY, ids)


def is_colour(frame, channel):
    others = [c for c in range(3) if c != channel]
    return (frame[..., channel] > 127) & (frame[..., others] < 127).all(axis=-1)


COURSE = np.concatenate((move((20.0, 30.0)), move((60.5, 70.25)) @ turn(0.7) @ scale(1.3)))


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("bent", [False, True])
def test_a_red_sprite_s_mask_is_the_red_pixels(index, bent):
    bend = draw_bend(np.random.default_rng(0), 2, 3.0, 1.0) if bent else None
    scene = make_scene(FORM, grey(), (), [solid((255, 0, 0), COURSE, bend)], PLAIN)
    frame, owners = draw_frame(scene, index)
    mask = mask_of(owners, scene.things[0])
    # Half red over grey of 120: 187, 60, 60.
    red = (frame[..., 0] >= 187) & (frame[..., 1] <= 61)
    assert mask.sum() > 500
    assert (mask ^ red).sum() <= 0.02 * mask.sum()


def test_what_is_behind_belongs_to_what_is_in_front():
    behind, front = solid((255, 0, 0), move((20, 20))), solid((0, 255, 0), move((32, 40)))
    scene = make_scene(FORM, grey(), (), [_twice(behind), _twice(front)], PLAIN)
    frame, owners = draw_frame(scene, 0)
    red, green = (mask_of(owners, thing) for thing in scene.things)
    assert not (red & green).any()
    assert is_colour(frame, 0)[red].mean() > 0.97
    assert is_colour(frame, 1)[green].mean() > 0.97
    assert green.sum() > red.sum() > 0


def _twice(actor: Actor) -> Actor:
    (layer,) = actor.layers
    matrices = np.concatenate((layer.matrices, layer.matrices))
    return Actor((Layer(layer.sprite, matrices, layer.bend),), actor.things)


def test_a_sprite_out_of_the_frame_owns_nothing():
    away = np.concatenate((move((20, 20)), move((300, 20))))
    scene = make_scene(FORM, grey(), (), [solid((255, 0, 0), away)], PLAIN)
    assert mask_of(draw_frame(scene, 0)[1], scene.things[0]).any()
    frame, owners = draw_frame(scene, 1)
    assert not mask_of(owners, scene.things[0]).any()
    assert (frame == 120).all()


def test_parts_together_are_the_whole():
    parts = (
        solid((255, 0, 0), move((10, 10))).layers[0],
        solid((0, 0, 255), move((50, 40))).layers[0],
    )
    things = (frozenset((0, 1)), frozenset((1,)))
    actors = [solid((0, 255, 0), _stay(60, 2)), Actor(tuple(map(_still, parts)), things)]
    scene = make_scene(FORM, grey(), (), actors, PLAIN)
    frame, owners = draw_frame(scene, 0)
    whole, part = (mask_of(owners, thing) for thing in scene.things[1:])
    assert (whole & part == part).all()
    assert is_colour(frame, 2)[part].mean() > 0.97
    assert is_colour(frame, 0)[whole & ~part].mean() > 0.97


def _stay(x, y):
    return np.concatenate((move((x, y)), move((x, y))))


def _still(layer: Layer) -> Layer:
    return Layer(layer.sprite, np.concatenate((layer.matrices, layer.matrices)))


def test_a_photograph_s_ids_move_with_it_and_beyond_it_all_is_ignored():
    rgb, ids = flat(120, 96, 96), np.zeros((96, 96), np.uint8)
    rgb[30:60, 20:70], ids[30:60, 20:70] = (255, 0, 0), 9
    backdrop = Backdrop(rgb, np.concatenate((move((0, 0)), move((-24, 5)))), ids)
    scene = make_scene(FORM, backdrop, (9,), (), PLAIN)
    for index in range(2):
        frame, owners = draw_frame(scene, index)
        seen = owners != 255
        assert (mask_of(owners, scene.things[0]) == is_colour(frame, 0) & seen).all()
    assert (owners[:, 72:] == 255).all()
    assert (owners[:5] == 255).all()
    assert (owners[5:, :72] != 255).all()


def test_a_bent_photograph_s_ids_bend_with_it():
    rgb, ids = flat(120, 96, 96), np.zeros((96, 96), np.uint8)
    rgb[30:60, 20:70], ids[30:60, 20:70] = (255, 0, 0), 9
    bend = draw_bend(np.random.default_rng(1), 2, 6.0, 1.0)
    scene = make_scene(FORM, Backdrop(rgb, STAY, ids, bend), (9,), (), PLAIN)
    frame, owners = draw_frame(scene, 0)
    mask = mask_of(owners, scene.things[0])
    red = frame[..., 0] >= 187
    assert (mask ^ red)[10:-10, 10:-10].sum() <= 0.05 * mask.sum()
    assert (mask != (ids == 9)).sum() > 50


def test_a_shadow_darkens_the_ground_and_belongs_to_nobody():
    look = Look(Flaws(), shadow=Shadow((6, 6), 3, 0.5))
    scene = make_scene(FORM, grey(), (), [solid((255, 0, 0), _stay(20, 20))], look)
    frame, owners = draw_frame(scene, 0)
    dark = (frame < 100).all(axis=-1)
    assert dark.sum() > 100
    assert (owners[dark] == 0).all()


def test_motion_blur_smears_and_the_mask_stays_in_the_middle():
    course = np.concatenate((move((20, 30)), move((36, 30))))
    sharp = make_scene(FORM, grey(), (), [solid((255, 0, 0), course)], PLAIN)
    smeared = make_scene(FORM, grey(), (), [solid((255, 0, 0), course)], Look(Flaws(), shutter=0.5))
    clean, first = draw_frame(sharp, 0)
    blurred, second = draw_frame(smeared, 0)
    mixed = (blurred[..., 0] > 130) & (blurred[..., 0] < 245)
    assert mixed.sum() > ((clean[..., 0] > 130) & (clean[..., 0] < 245)).sum() + 100
    masks = first == FIRST_LAYER, second == FIRST_LAYER
    assert (masks[0] ^ masks[1]).sum() <= 0.1 * masks[0].sum()
