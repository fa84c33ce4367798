import math
from pathlib import Path

import av
import numpy as np

from load.plot import plot, top


def test_an_axis_ends_well_above_all_that_is_drawn():
    assert top({"flat": [499, 500, 500], "lower": [3]}) > 550
    assert top({"a": [1, math.inf, math.nan]}, budget=150) > 160
    assert top({"a": [200]}, budget=150) > 220
    assert top({"a": [2.0]}, budget=math.inf) < 3
    assert top({"none": []}) == 1


def test_a_flat_line_is_seen_and_not_the_edge(tmp_path: Path):
    flat, none = {"flat": [500.0] * 9}, {"none": [math.inf] * 9}
    plot(tmp_path / "flat.png", "flat", ("minutes", list(range(9))), (none, flat))
    with av.open(str(tmp_path / "flat.png")) as file:
        picture = next(file.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    is_line = np.abs(picture - (31, 119, 180)).sum(axis=2) < 60
    (row, *_) = np.flatnonzero(is_line.sum(axis=1) > 300)
    assert 320 < row < 500
