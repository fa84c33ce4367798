import pytest

from sam2_rt.tracking.buckets import Buckets, Shape

BUCKETS = Buckets(max_rows=8, max_conditioning=4)


def test_a_steady_batch_takes_the_shape_without_a_mask():
    assert BUCKETS.shape(Shape(3, 7, 16, is_masked=False)) == Shape(4, 7, 16, is_masked=False)


@pytest.mark.parametrize(
    "wanted",
    [
        Shape(3, 7, 16, is_masked=True),
        Shape(3, 1, 1, is_masked=False),
        Shape(4, 10, 19, is_masked=False),
        Shape(3, 8, 16, is_masked=False),
    ],
)
def test_every_other_batch_takes_the_one_that_holds_all_banks(wanted):
    assert BUCKETS.shape(wanted) == Shape(4, 10, 19, is_masked=True)


@pytest.mark.parametrize("wanted", [Shape(9, 7, 16, is_masked=False), Shape(1, 11, 16, True)])
def test_what_no_shape_holds_has_none(wanted):
    assert BUCKETS.shape(wanted) is None


def test_there_are_two_shapes_for_each_power_of_two():
    assert BUCKETS.counts == (1, 2, 4, 8)
    assert len(set(BUCKETS.shapes)) == 8
    assert [BUCKETS.count(wanted) for wanted in (1, 3, 8, 9)] == [1, 4, 8, None]


@pytest.mark.parametrize("rows", [0, 3, -2])
def test_a_most_that_is_no_power_of_two_is_refused(rows):
    with pytest.raises(ValueError, match="power of two"):
        Buckets(rows, 4)
