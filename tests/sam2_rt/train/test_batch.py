import numpy as np
import torch

from sam2_rt.data.sample import Sample
from sam2_rt.train.batch import collate
from squares import SQUARES

CPU = torch.device("cpu")


def test_each_object_of_each_clip_is_a_row():
    one = SQUARES.make(0, 2)
    two = Sample(one.frames, np.concatenate([one.masklets, ~one.masklets, one.masklets]))
    batch = collate([two, one], CPU, max_rows=2)
    assert batch.clip.tolist() == [0, 0, 1]
    assert batch.pixels.shape == (2, 2, 3, 64, 64)
    assert batch.masks.shape == (3, 2, 64, 64)
    assert batch.coverage.shape == batch.known.shape == (3, 2, 16, 16)
    assert batch.num_frames == 2


def test_pixels_are_normalised_as_serving_does():
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    frames[..., 1] = 255
    batch = collate([Sample(frames, np.ones((1, 1, 64, 64), np.bool_))], CPU, max_rows=1)
    expected = torch.tensor([-0.485 / 0.229, (1 - 0.456) / 0.224, -0.406 / 0.225])
    torch.testing.assert_close(batch.pixels[0, 0, :, 5, 9], expected)


def test_coverage_is_the_share_of_a_cell():
    mask = np.zeros((1, 1, 64, 64), np.bool_)
    mask[..., :8, :6] = True
    batch = collate([Sample(np.zeros((1, 64, 64, 3), np.uint8), mask)], CPU, max_rows=1)
    assert batch.coverage[0, 0, 0].tolist()[:3] == [1, 0.5, 0]
    assert batch.coverage.sum() == 3


def test_a_cell_is_known_when_all_of_it_is():
    sample = SQUARES.make(0, 1)
    ignored = np.zeros((1, 64, 64), np.bool_)
    ignored[0, 9, 9] = True
    batch = collate([Sample(sample.frames, sample.masklets, ignored), sample], CPU, max_rows=1)
    assert batch.known[0, 0, 2, 2] == 0
    assert batch.known.sum() == 2 * 256 - 1
