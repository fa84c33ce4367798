import numpy as np

from picture_folders import write_masked
from sam2_rt.data.scenes.cast import Cast
from sam2_rt.data.scenes.compose import draw_frame, mask_of
from sam2_rt.data.scenes.photos import cutout_bank, masked_bank, photo_bank
from sam2_rt.data.scenes.scene import Format
from sam2_rt.data.scenes.whole_photo import draw_whole_photo

FORM = Format(4, 96, 1.0)


def cast(*folders) -> Cast:
    return Cast(photo_bank(()), masked_bank(folders), cutout_bank(()))


def test_without_photographs_there_is_no_scene():
    assert draw_whole_photo(np.random.default_rng(0), cast(), FORM) is None


def test_the_annotated_object_is_a_thing_and_some_scenes_have_more(tmp_path):
    bank = cast(write_masked(tmp_path / "m"))
    scenes = [draw_whole_photo(np.random.default_rng(seed), bank, FORM) for seed in range(30)]
    assert all(scene.things[0] == frozenset((7,)) for scene in scenes)
    assert 4 <= sum(len(scene.things) > 1 for scene in scenes) <= 20
    assert 4 <= sum(scene.backdrop.bend is not None for scene in scenes) <= 20
    shares = [mask_of(draw_frame(scene, 0)[1], scene.things[0]).mean() for scene in scenes]
    assert np.median(shares) > 0.08
