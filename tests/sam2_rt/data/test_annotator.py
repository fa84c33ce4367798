import numpy as np
import pytest

from sam2_rt.data.annotator import box_of, corrective_click, first_click


def rectangle(top: int, bottom: int, left: int, right: int, shape=(40, 60)) -> np.ndarray:
    mask = np.zeros(shape, np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def pixel(point, shape=(40, 60)) -> tuple[int, int]:
    """Row and column that a click lies in."""
    return int(point.y * shape[0]), int(point.x * shape[1])


def test_the_first_click_is_in_the_middle_of_the_object():
    point = first_click(rectangle(10, 21, 30, 41))
    assert pixel(point) == (15, 35)
    assert point.is_positive


def test_the_first_click_prefers_the_thick_part():
    mask = rectangle(18, 21, 0, 40) | rectangle(10, 25, 40, 55)
    assert pixel(first_click(mask)) == (17, 47)


def test_the_border_of_the_picture_is_an_outline():
    point = first_click(rectangle(0, 40, 0, 11))
    assert pixel(point)[1] == 5


def test_a_single_pixel_is_clicked_at_its_centre():
    point = first_click(rectangle(39, 40, 59, 60))
    assert (point.x, point.y) == (59.5 / 60, 39.5 / 40)


def test_a_ring_is_clicked_on_the_ring():
    mask = rectangle(5, 35, 5, 35) & ~rectangle(12, 28, 12, 28)
    assert mask[pixel(first_click(mask))]


def test_an_empty_mask_is_corrected_as_it_is_first_clicked():
    truth = rectangle(10, 21, 30, 41)
    assert corrective_click(truth, np.zeros_like(truth)) == first_click(truth)


def test_what_is_missed_asks_for_a_positive_click():
    point = corrective_click(rectangle(10, 20, 10, 40), rectangle(10, 20, 10, 25))
    assert point is not None
    assert point.is_positive
    assert pixel(point)[1] in range(28, 37)


def test_what_is_too_much_asks_for_a_negative_click():
    point = corrective_click(rectangle(10, 20, 10, 25), rectangle(10, 20, 10, 40))
    assert point is not None
    assert not point.is_positive
    assert pixel(point)[1] in range(28, 37)


def test_a_mask_where_nothing_is_gets_a_negative_click():
    point = corrective_click(rectangle(0, 0, 0, 0), rectangle(10, 20, 10, 25))
    assert point is not None
    assert not point.is_positive


def test_a_thick_error_comes_before_a_long_thin_one():
    truth = rectangle(10, 30, 10, 30) | rectangle(0, 2, 0, 60)
    point = corrective_click(truth, np.zeros_like(truth))
    assert point is not None
    assert pixel(point)[0] in range(15, 25)


def test_a_perfect_mask_needs_no_click():
    truth = rectangle(10, 20, 10, 25)
    assert corrective_click(truth, truth.copy()) is None


def test_a_box_holds_the_outermost_pixels():
    assert box_of(rectangle(10, 20, 15, 60)) == (15 / 60, 10 / 40, 1.0, 20 / 40)


def test_an_empty_mask_has_no_box():
    with pytest.raises(AssertionError, match="empty"):
        box_of(rectangle(0, 0, 0, 0))
