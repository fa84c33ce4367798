from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from sam2_rt.data.clip import ClipError, write_palette_png
from sam2_rt.data.sample import Sample
from sam2_rt.data.synthetic import SceneConfig, SceneMaker
from sam2_rt.eval.follower import Masks, Picture
from sam2_rt.eval.image import (
    MadeUpPictures,
    PictureFolder,
    from_sample,
    score_picture,
    without_small,
)
from sam2_rt.tracking.prompt import Prompt


class Guesser:
    """After n clicks it finds n fifths of a square of 20 rows; for a box, all but a quarter."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._found = np.zeros_like(masks)
        self._clicks = 0

    def step(self, rgb: Picture, prompts: Sequence[Prompt]) -> Masks:
        assert rgb.shape == (*self._masks.shape[1:], 3)
        return self.correct(prompts)

    def correct(self, prompts: Sequence[Prompt]) -> Masks:
        self._clicks += 1
        for prompt in prompts:
            rows = 15 if prompt.box else 4 * self._clicks
            assert prompt.box or len(prompt.points) == 1
            found = self._found[prompt.track_id - 1]
            found[:] = self._masks[prompt.track_id - 1]
            found[np.flatnonzero(found.any(axis=1))[rows:]] = False
        return self._found.copy()


def picture(*sides: int):
    masklets = np.zeros((len(sides), 1, 100, 200), np.bool_)
    for row, side in enumerate(sides):
        masklets[row, 0, 10 : 10 + side, 10 + 50 * row : 10 + 50 * row + side] = True
    return from_sample("made", Sample(np.zeros((1, 100, 200, 3), np.uint8), masklets))


def write(folder, name: str, labels: np.ndarray) -> None:
    for part in ("images", "masks"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    rgb = np.full((*labels.shape, 3), 90, np.uint8)
    Image.fromarray(rgb).save(folder / "images" / f"{name}.jpg")
    write_palette_png(folder / "masks" / f"{name}.png", labels)


def test_each_object_is_scored_for_clicks_and_a_box():
    two = picture(20, 20)
    scores, found = score_picture(two, lambda _: Guesser(two.truth.masks))
    for score, object_id in zip(scores, (1, 2), strict=True):
        assert score.object_id == object_id
        assert (score.click, score.clicks5, score.box) == pytest.approx((0.2, 1, 0.75))
    assert found.clicks5.sum() == 800


def test_objects_below_a_thousandth_of_the_picture_are_left_out_and_counted():
    kept, num_small = without_small(picture(20, 4, 5))  # 400, 16 and 25 of 20,000 pixels
    assert (kept.object_ids, num_small) == ((1, 3), 1)
    assert len(kept.truth.masks) == 2


def test_a_folder_gives_pictures_with_their_objects(tmp_path):
    labels = np.zeros((30, 40), np.uint8)
    labels[:10] = 3
    labels[10:20] = 7
    labels[29] = 255
    write(tmp_path, "a", labels)
    (one,) = PictureFolder.open(tmp_path)
    assert (one.name, one.object_ids, one.rgb.shape) == ("a", (3, 7), (30, 40, 3))
    assert one.truth.masks.sum(axis=(1, 2)).tolist() == [400, 400]
    assert one.truth.ignored.sum() == 40


def test_a_picture_without_its_mask_is_named_and_the_others_count(tmp_path):
    for name in ("a", "b"):
        write(tmp_path, name, np.ones((30, 40), np.uint8))
    (tmp_path / "masks" / "a.png").unlink()
    missing, fine = PictureFolder.open(tmp_path)
    assert isinstance(missing, ClipError)
    assert "a.png" in str(missing)
    assert fine.name == "b"


def test_a_mask_of_another_size_is_named(tmp_path):
    write(tmp_path, "a", np.ones((30, 40), np.uint8))
    write_palette_png(tmp_path / "masks" / "a.png", np.ones((31, 40), np.uint8))
    (wrong,) = PictureFolder.open(tmp_path)
    assert "40 x 31" in str(wrong)


def test_a_broken_picture_is_named(tmp_path):
    write(tmp_path, "a", np.ones((30, 40), np.uint8))
    (tmp_path / "images" / "a.jpg").write_bytes(b"no picture")
    (wrong,) = PictureFolder.open(tmp_path)
    assert "a.jpg is no picture" in str(wrong)


def test_a_folder_of_another_layout_is_named(tmp_path):
    with pytest.raises(ClipError, match="images is missing"):
        PictureFolder.open(tmp_path)
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    with pytest.raises(ClipError, match="no pictures"):
        PictureFolder.open(tmp_path)


def test_made_up_pictures_show_objects():
    pictures = MadeUpPictures(SceneMaker(SceneConfig(64)), range(10**9, 10**9 + 3))
    assert len(pictures) == 3
    for one in pictures:
        assert one.rgb.shape == (64, 64, 3)
        assert one.truth.masks.any(axis=(1, 2)).all()


def test_objects_that_a_still_does_not_show_are_left_out(squares):
    sample = squares(2, num_objects=2)
    sample.masklets[0, 0] = False
    assert from_sample("squares", sample).object_ids == (2,)
