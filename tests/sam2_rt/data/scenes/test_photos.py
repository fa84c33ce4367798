import numpy as np
import pytest
from PIL import Image

from picture_folders import write_cutouts, write_masked, write_photos
from sam2_rt.data.scenes import photos
from sam2_rt.data.scenes.photos import (
    MAX_SIDE,
    cutout_bank,
    masked_bank,
    mirror,
    photo_bank,
)


def draw_all(bank, count=30):
    return [bank.draw(np.random.default_rng(seed)) for seed in range(count)]


def test_an_empty_bank_gives_nothing():
    assert photo_bank(()).draw(np.random.default_rng(0)) is None


def test_folders_are_searched_recursively(tmp_path):
    write_photos(tmp_path / "a" / "b", 2)
    assert len(photo_bank((tmp_path,))) == 2


def test_large_pictures_are_shrunk(tmp_path):
    Image.new("RGB", (2000, 1000)).save(tmp_path / "large.png")
    photo = photo_bank((tmp_path,)).draw(np.random.default_rng(0))
    assert photo.rgb.shape == (MAX_SIDE // 2, MAX_SIDE, 3)


def test_objects_are_found_with_their_boxes_and_cuts(tmp_path):
    rgb, ids = np.zeros((100, 80, 3), np.uint8), np.zeros((100, 80), np.uint8)
    ids[60:, 10:50], ids[0:5, 70:80], ids[:, 0] = 3, 8, 255
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    Image.fromarray(rgb).save(tmp_path / "images" / "a.png")
    Image.fromarray(ids).save(tmp_path / "masks" / "a.png")
    photo = masked_bank((tmp_path,)).draw(np.random.default_rng(0))
    large, small = photo.objects
    assert (large.label, large.area, large.box) == (3, 1600, (10, 60, 50, 100))
    assert large.cut == (0, 0, 0, 1)
    assert (small.label, small.cut) == (8, (0, 1, 1, 0))


def test_a_mirrored_photograph_s_boxes_fit_its_ids(tmp_path):
    photo = masked_bank((write_masked(tmp_path / "m"),)).draw(np.random.default_rng(0))
    flipped = mirror(photo)
    (one,) = flipped.objects
    x0, y0, x1, y1 = one.box
    assert (flipped.ids[y0:y1, x0:x1] == one.label).all()
    assert (flipped.ids == one.label).sum() == one.area
    assert one.box != photo.objects[0].box


def spoil_size(folder):
    Image.new("L", (10, 10), 7).save(folder / "masks" / "1.png")


def spoil_mask(folder):
    (folder / "masks" / "1.png").unlink()


def spoil_colours(folder):
    Image.new("RGB", (320, 240)).save(folder / "masks" / "1.png")


def spoil_labels(folder):
    Image.new("L", (320, 240), 255).save(folder / "masks" / "1.png")


def spoil_picture(folder):
    (folder / "images" / "1.png").write_bytes(b"no picture")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_size, "pixels"),
        (spoil_mask, "No such file"),
        (spoil_colours, "mode RGB"),
        (spoil_labels, "labels no object"),
        (spoil_picture, "cannot identify"),
    ],
)
def test_a_bad_photograph_is_named_and_skipped(tmp_path, spoil, reason):
    folder = write_masked(tmp_path / "m")
    spoil(folder)
    bank = masked_bank((folder,))
    assert all(photo is not None for photo in draw_all(bank))
    (skipped,) = bank.skipped
    assert skipped.path.name == "1.png"
    assert reason in skipped.reason


def test_a_cut_out_without_alpha_is_skipped(tmp_path):
    folder = write_cutouts(tmp_path / "c", 1)
    Image.new("RGB", (10, 10)).save(folder / "opaque.png")
    Image.new("RGBA", (10, 10)).save(folder / "clear.png")
    bank = cutout_bank((folder,))
    draw_all(bank)
    assert sorted(one.path.name for one in bank.skipped) == ["clear.png", "opaque.png"]


def test_crumbs_around_a_cut_out_are_dropped(tmp_path):
    folder = write_cutouts(tmp_path / "c", 1)
    rgba = np.array(Image.open(folder / "0.png"))
    rgba[:3, :3] = 255
    Image.fromarray(rgba).save(folder / "0.png")
    found = cutout_bank((folder,)).draw(np.random.default_rng(0))
    assert (found[:3, :3, 3] == 0).all()
    assert found[32, 32, 3] == 255


def test_a_bank_of_bad_pictures_gives_nothing(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"")
    bank = photo_bank((tmp_path,))
    assert bank.draw(np.random.default_rng(0)) is None
    assert len(bank.skipped) == 1


def test_what_is_drawn_does_not_depend_on_what_was_kept(tmp_path, monkeypatch):
    folder = write_photos(tmp_path / "p", 5)
    plenty = [photo.rgb.sum() for photo in draw_all(photo_bank((folder,)))]
    monkeypatch.setattr(photos, "MAX_KEPT", 1)
    bank = photo_bank((folder,))
    assert [photo.rgb.sum() for photo in draw_all(bank)] == plenty
    assert len(bank._kept) == 1


def test_a_folder_without_a_picture_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("none here")
    with pytest.raises(FileNotFoundError, match=r"holds no \.jpeg or \.jpg or \.png files"):
        photo_bank((tmp_path,))
