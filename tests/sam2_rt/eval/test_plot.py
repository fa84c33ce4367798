import numpy as np
from PIL import Image

from sam2_rt.eval.plot import Line, write_plot


def test_a_plot_has_a_curve_for_each_line(tmp_path):
    lines = [Line("offline", (0.4, 0.6, 0.7)), Line("online", (0.4, 0.5, 0.55))]
    write_plot(tmp_path / "new" / "both.png", "nano", lines)
    write_plot(tmp_path / "one.png", "nano", lines[:1])
    both, one = (Image.open(tmp_path / name).convert("RGB") for name in ("new/both.png", "one.png"))
    assert both.size == (780, 546)
    # Matplotlib's second colour is orange.
    orange = np.array([255, 127, 14])
    assert (np.array(both) == orange).all(axis=2).sum() > 200
    assert not (np.array(one) == orange).all(axis=2).any()
