from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2_rt.data.clip import ClipError
from sam2_rt.data.png_video import PngVideo, open_png_video, read_labels
from tiny_datasets import labels, write_png_video


def open_squares(folder: Path) -> PngVideo:
    write_png_video(folder / "frames", folder / "masks")
    video = open_png_video("squares", folder / "frames", folder / "masks")
    assert isinstance(video, PngVideo)
    return video


def test_an_object_that_comes_later_is_known_and_absent_before(tmp_path: Path):
    video = open_squares(tmp_path)
    later = labels(7)
    later[30:40, 30:40] = 9
    Image.fromarray(later).save(tmp_path / "masks" / "00007.png")
    assert video.object_ids == (1, 2, 9)
    assert not video.masks(0)[9].any()
    assert video.masks(7)[9].sum() == 100
    assert not video.masks(7)[2].any()


def test_255_among_ids_is_ignored(tmp_path: Path):
    video = open_squares(tmp_path)
    unknown = labels(0)
    unknown[40:] = 255
    Image.fromarray(unknown).save(tmp_path / "masks" / "00000.png")
    ignored = video.ignored(0)
    assert ignored is not None
    assert (ignored.sum(), video.object_ids) == (8 * 64, (1, 2))
    assert video.ignored(1) is None


@pytest.mark.parametrize("mode", ["1", "RGB", "RGBA", "LA"])
def test_a_mask_may_be_black_and_white_in_any_mode(tmp_path: Path, mode: str):
    picture = Image.fromarray(np.uint8(255) * (labels(0) == 1))
    picture.convert(mode).save(tmp_path / "0.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "0.png"), labels(0) == 1)


def test_ids_may_have_sixteen_bits(tmp_path: Path):
    Image.fromarray(labels(0).astype(np.uint16) * 700).save(tmp_path / "0.png")
    assert np.unique(read_labels(tmp_path / "0.png")).tolist() == [0, 700, 1400]


def test_what_breaks_in_the_middle_is_named_when_it_is_read(tmp_path: Path):
    video = open_squares(tmp_path)
    (tmp_path / "masks" / "00003.png").write_bytes(b"")
    (tmp_path / "frames" / "00004.jpg").write_bytes(b"")
    assert video.object_ids == (1, 2)
    assert video.masks(2)[1].any()
    with pytest.raises(ClipError, match=r"00003\.png is no mask"):
        video.masks(3)
    with pytest.raises(ClipError, match=r"00004\.jpg is no picture"):
        video.frame(4)


def test_opening_decodes_no_later_mask(tmp_path: Path):
    write_png_video(tmp_path / "frames", tmp_path / "masks")
    for index in range(1, 9):
        (tmp_path / "masks" / f"{index:05d}.png").write_bytes(b"")
    video = open_png_video("squares", tmp_path / "frames", tmp_path / "masks")
    assert isinstance(video, PngVideo)
    assert video.object_ids == (1, 2)


def test_white_alone_in_a_grey_mask_is_no_object_where_others_have_ids(tmp_path: Path):
    write_png_video(tmp_path / "frames", tmp_path / "masks")
    for index in range(9):
        grey = labels(index) * np.uint8(index < 4)
        grey[40:] = 255
        Image.fromarray(grey).save(tmp_path / "masks" / f"{index:05d}.png")
    video = open_png_video("clip", tmp_path / "frames", tmp_path / "masks")
    assert isinstance(video, PngVideo)
    ignored = video.ignored(8)
    assert ignored is not None
    assert ignored.sum() == 8 * 64
    assert {i: int(mask.sum()) for i, mask in video.masks(8).items()} == {1: 0, 2: 0}


def test_white_is_the_object_where_no_mask_has_ids(tmp_path: Path):
    write_png_video(tmp_path / "frames", tmp_path / "masks")
    for index in range(9):
        white = np.uint8(255) * (labels(index) == 1)
        Image.fromarray(white).save(tmp_path / "masks" / f"{index:05d}.png")
    video = open_png_video("clip", tmp_path / "frames", tmp_path / "masks")
    assert isinstance(video, PngVideo)
    assert video.ignored(3) is None
    np.testing.assert_array_equal(video.masks(3)[1], labels(3) == 1)
