import numpy as np

from sam2_rt.data.scenes.degrade import Flaws
from sam2_rt.data.scenes.scene import FIRST_LAYER, Actor, Backdrop, Format, Layer, Look, make_scene
from sam2_rt.data.scenes.sprite import Sprite

STAY = np.eye(3)[None]
LAYER = Layer(Sprite(np.zeros((4, 4, 4), np.uint8)), STAY)


def test_owners_are_ids_of_the_backdrop_and_numbers_of_layers():
    actors = [
        Actor((LAYER,), ()),
        Actor((LAYER, LAYER), (frozenset((0, 1)), frozenset((1,)))),
        Actor((LAYER,), (frozenset((0,)),)),
    ]
    backdrop = Backdrop(np.zeros((8, 8, 3), np.uint8), STAY)
    scene = make_scene(Format(1, 8, 0.0), backdrop, (5,), actors, Look(Flaws()))
    assert len(scene.layers) == 4
    assert [sorted(thing) for thing in scene.things] == [
        [5],
        [FIRST_LAYER + 1, FIRST_LAYER + 2],
        [FIRST_LAYER + 2],
        [FIRST_LAYER + 3],
    ]
