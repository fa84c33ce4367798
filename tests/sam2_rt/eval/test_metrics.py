import importlib.util
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image

from golden_data import shared
from sam2_rt.eval.metrics import Tally, boundary_accuracy, outline, region_similarity


def square(top: int = 20, left: int = 30, side: int = 40, shape=(120, 160)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[top : top + side, left : left + side] = True
    return mask


EMPTY = np.zeros((120, 160), np.bool_)
WHOLE = ~EMPTY


@pytest.fixture(scope="module")
def jf() -> ModuleType:
    """The independent scorer."""
    spec = importlib.util.spec_from_file_location("jf", shared("tools/jf.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def spoilt(mask: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A mask as a bad tracker would have it: moved, eroded or grown, with holes and specks."""
    dy, dx = rng.integers(-8, 9, 2)
    pixels = np.roll(mask, (dy, dx), (0, 1)).astype(np.uint8)
    kernel = np.ones((3, 3), np.uint8)
    change = (cv2.erode, cv2.dilate)[rng.integers(2)]
    pixels = change(pixels, kernel, iterations=int(rng.integers(0, 4)))
    return (pixels > 0) ^ (rng.random(mask.shape) < rng.choice([0, 0.002]))


@pytest.mark.parametrize(
    "name", ["segtrack2-bmx", "pumavos-chair", "davis-schoolgirls", "pumavos-caps"]
)
def test_it_agrees_with_an_independent_scorer_on_real_masks(jf, name):
    rng = np.random.default_rng(1)
    files = sorted(shared(f"data/sequences/{name}/masks").glob("*.png"))[::6]
    for file in files:
        labels = np.array(Image.open(file))
        for object_id in np.unique(labels[(labels > 0) & (labels < 255)]):
            truth = labels == object_id
            found = spoilt(truth, rng)
            assert region_similarity(truth, found) == pytest.approx(jf.J(truth, found), abs=1e-9)
            assert boundary_accuracy(truth, found) == pytest.approx(jf.F(truth, found), abs=1e-9)


def test_it_agrees_with_an_independent_scorer_at_the_edges(jf):
    masks = (
        EMPTY, WHOLE, square(), square(0, 0), square(80, 120), square(119, 159, 1), square(0, 0, 1)
    )  # fmt: skip
    for truth in masks:
        for found in masks:
            assert boundary_accuracy(truth, found) == pytest.approx(jf.F(truth, found), abs=1e-9)


def test_a_mask_agrees_with_itself():
    assert region_similarity(square(), square()) == 1
    assert boundary_accuracy(square(), square()) == 1


def test_masks_apart_do_not_agree():
    assert region_similarity(square(), square(left=110)) == 0
    assert boundary_accuracy(square(), square(left=110)) == 0


def test_half_a_mask_is_half_right():
    half = square()
    half[40:] = False
    assert region_similarity(square(), half) == 0.5


def test_two_empty_masks_agree_and_one_alone_does_not():
    assert region_similarity(EMPTY, EMPTY) == boundary_accuracy(EMPTY, EMPTY) == 1
    for truth, found in ((square(), EMPTY), (EMPTY, square())):
        assert region_similarity(truth, found) == boundary_accuracy(truth, found) == 0


def test_outlines_match_within_the_tolerance_and_not_beyond():
    # 0.8 % of a diagonal of 200 pixels is 1.6: a radius of 2.
    assert boundary_accuracy(square(), square(left=32)) == 1
    assert 0.4 < boundary_accuracy(square(), square(left=33)) < 0.8


def test_an_outline_is_one_pixel_wide():
    assert outline(square(side=10)).sum() == 4 * 10  # ten and a corner, above and to the left


def test_the_tally_is_the_mean_of_its_frames():
    tally = Tally()
    tally.add(square(), square())
    tally.add(square(), EMPTY)
    assert tally.mean() == (0.5, 0.5)


def test_an_empty_tally_has_no_mean():
    with pytest.raises(AssertionError, match="no frame"):
        Tally().mean()
