import numpy as np
import pytest

from sam2_rt.tracking.prompt import MAX_POINTS, Point, Prompt, PromptError, accumulate

POINT = (Point(0.5, 0.5),)
BOX = (0.1, 0.2, 0.3, 0.4)
MASK = np.ones((4, 4), bool)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({}, "points, a box or a mask"),
        ({"points": POINT, "track_id": 0}, "track_id 0"),
        ({"points": POINT, "track_id": 65_536}, "track_id 65536"),
        ({"points": (Point(1.01, 0.5),)}, "1.01"),
        ({"points": (Point(0.5, float("nan")),)}, "nan"),
        ({"points": POINT * (MAX_POINTS + 1)}, "33 points"),
        ({"box": (0.3, 0.2, 0.1, 0.4)}, "empty"),
        ({"box": (0.1, -0.2, 0.3, 0.4)}, "-0.2"),
        ({"mask": MASK, "points": POINT}, "stands alone"),
        ({"mask": MASK[0]}, r"shape \(4,\)"),
        ({"mask": MASK[:0]}, r"shape \(0, 4\)"),
    ],
)
def test_what_no_tracker_could_use_is_refused(wrong: dict, word: str):
    with pytest.raises(PromptError, match=word):
        Prompt(**{"track_id": 1, **wrong})


def test_points_add_up_and_the_last_box_counts():
    first = Prompt(1, points=POINT, box=BOX)
    more = Prompt(1, points=(Point(0.1, 0.1, is_positive=False),))
    whole = accumulate(first, more)
    assert whole.points == (*POINT, Point(0.1, 0.1, is_positive=False))
    assert whole.box == BOX
    assert accumulate(first, Prompt(1, box=(0, 0, 1, 1))).box == (0, 0, 1, 1)


def test_points_beyond_the_bound_push_the_oldest_out():
    many = Prompt(1, points=tuple(Point(i / 100, 0) for i in range(MAX_POINTS)))
    whole = accumulate(many, Prompt(1, points=POINT))
    assert len(whole.points) == MAX_POINTS
    assert whole.points[0] == Point(0.01, 0)
    assert whole.points[-1] == POINT[0]


def test_clear_and_masks_end_what_was_said_before():
    earlier = Prompt(1, points=POINT)
    for later in [Prompt(1, box=BOX, clear=True), Prompt(1, mask=MASK)]:
        assert accumulate(earlier, later) is later
    assert accumulate(None, earlier) is earlier
