import numpy as np
from PIL import Image

from sam2_rt.eval.sheet import NUM_COLUMNS, NUM_ROWS, Reel, Strip, Worst, overlay, write_sheet
from sam2_rt.eval.views import SampleVideo
from sam2_rt.eval.vos import Told, follow

GREY = np.full((90, 120, 3), 100, np.uint8)


def rectangle(top: int, bottom: int, left: int, right: int) -> np.ndarray:
    mask = np.zeros((90, 120), np.bool_)
    mask[top:bottom, left:right] = True
    return mask


def strip(score: float) -> Strip:
    return Strip(score, (f"{score}",), (("0", GREY),))


def test_what_was_found_is_filled_and_the_truth_is_outlined():
    tile = overlay(GREY, rectangle(10, 40, 10, 50), rectangle(50, 80, 60, 110))
    height, width = tile.shape[:2]
    assert (height, width) == (180, 240)
    is_changed = (abs(tile.astype(int) - 100) > 2).any(axis=2)
    assert is_changed[120:150, 140:200].all()  # inside what was found
    assert is_changed[20, 20:100].all()  # on the upper edge of the truth
    assert not is_changed[30:70, 30:90].any()  # within the truth, where nothing was found


def test_a_picture_is_not_changed_by_drawing_on_it():
    overlay(GREY, rectangle(10, 40, 10, 50), rectangle(50, 80, 60, 110))
    assert (GREY == 100).all()


def test_of_a_speck_something_stays():
    big = np.zeros((2000, 3000, 3), np.uint8)
    found = np.zeros((2000, 3000), np.bool_)
    found[1000:1003, 1000:1003] = True
    assert (overlay(big, np.zeros_like(found), found) > 0).any()


def test_an_object_that_is_away_leaves_the_picture_as_it_is():
    tile = overlay(GREY, rectangle(0, 0, 0, 0), rectangle(0, 0, 0, 0))
    assert (abs(tile.astype(int) - 100) <= 2).all()


def test_the_picture_is_faded_so_that_colours_stand_out():
    red = np.zeros_like(GREY)
    red[..., 0] = 250
    tile = overlay(red, rectangle(0, 0, 0, 0), rectangle(0, 0, 0, 0))
    assert np.ptp(tile[90, 120].astype(int)) < 60


def test_the_worst_are_kept_and_come_worst_first():
    worst = Worst()
    for score in np.random.default_rng(0).permutation(20):
        worst.add(strip(float(score)))
    assert [kept.score for kept in worst.strips] == list(range(NUM_ROWS))


def test_equal_scores_are_no_trouble():
    worst = Worst()
    for _ in range(20):
        worst.add(strip(0.5))
    assert len(worst.strips) == NUM_ROWS


def test_a_reel_shows_frames_from_the_first_to_the_last(squares, scripted):
    sample = squares(20, num_objects=2)
    begin, _ = scripted(sample)
    video = SampleVideo("squares", sample)
    reel = Reel(video.annotated)
    for found in follow(video, begin(2), Told.MASK):
        reel.watch(found)
    for row in (0, 1):
        captions = [caption for caption, _ in reel.tiles(row)]
        assert len(captions) == NUM_COLUMNS
        assert (captions[0], captions[-1]) == ("0", "19")


def test_of_a_video_that_is_played_again_the_last_pass_is_shown(squares, scripted):
    sample = squares(4)
    video = SampleVideo("squares", sample)
    reel = Reel(video.annotated)
    for find in (np.zeros_like, np.asarray):
        begin, _ = scripted(sample, lambda truth, age, find=find: find(truth))
        for found in follow(video, begin(1), Told.MASK):
            reel.watch(found)
    tiles = reel.tiles(0)
    assert [caption for caption, _ in tiles] == ["0", "1", "2", "3"]
    last = overlay(sample.frames[3], sample.masklets[0, 3], sample.masklets[0, 3])
    assert np.array_equal(tiles[3][1], last)


def test_a_sheet_has_a_row_for_each_strip(tmp_path):
    tiles = tuple((str(n), GREY) for n in range(3))
    path = write_sheet(tmp_path / "new" / "a.png", "title", [Strip(0, ("a", "b"), tiles)] * 2)
    with Image.open(path) as sheet:
        assert sheet.size == (150 + 3 * 124, 28 + 2 * 94)


def test_without_strips_there_is_no_sheet(tmp_path):
    assert write_sheet(tmp_path / "a.png", "title", []) is None
    assert not (tmp_path / "a.png").exists()
