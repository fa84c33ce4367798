import numpy as np

from sam2_rt.data.contact_sheet import MAX_COLUMNS, draw_contact_sheet
from sam2_rt.data.sample import Sample


def sample(num_frames: int) -> Sample:
    masklets = np.zeros((1, num_frames, 32, 32), np.bool_)
    masklets[0, :, 8:24, 8:24] = True
    ignored = np.zeros((num_frames, 32, 32), np.bool_)
    ignored[:, :4] = True
    return Sample(np.full((num_frames, 32, 32, 3), 100, np.uint8), masklets, ignored)


def test_clips_are_rows():
    assert draw_contact_sheet([sample(20), sample(20)]).shape == (64, 32 * MAX_COLUMNS, 3)


def test_stills_fill_rows_together_and_the_rest_is_black():
    sheet = draw_contact_sheet([sample(1)] * 9)
    assert sheet.shape == (64, 32 * MAX_COLUMNS, 3)
    assert sheet[40, 16].any()
    assert not sheet[32:, 32:].any()


def test_outlines_and_ignored_pixels_are_marked():
    sheet = draw_contact_sheet([sample(1)])
    assert (sheet[8, 8:24] == (255, 60, 60)).all()
    assert (sheet[12, 12] == 100).all()
    assert (sheet[0, :, 0] > sheet[0, :, 1]).all()
