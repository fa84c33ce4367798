from pathlib import Path

import numpy as np
import pytest

from sam2_rt.eval.portraits import MIDDLE, Wanted, look_at, parse_clicks
from tiny_datasets import NUM_FRAMES, write_mp4, write_shared


class Clicked:
    """Finds a square around its click for two frames, then nothing."""

    def __init__(self, num_objects: int) -> None:
        assert num_objects == 1
        self.frames = 0

    def step(self, rgb, prompts):
        if prompts:
            ((self.place,),) = [prompt.points for prompt in prompts]
        self.frames += 1
        masks = np.zeros((1, *rgb.shape[:2]), np.bool_)
        if self.frames <= 2:
            height, width = rgb.shape[:2]
            y, x = int(self.place.y * height), int(self.place.x * width)
            masks[0, y - 5 : y + 5, x - 5 : x + 5] = True
        return masks

    def correct(self, prompts):
        raise AssertionError("one click is all there is")


def is_pink(tile: np.ndarray) -> np.ndarray:
    return tile[..., 0].astype(int) - tile[..., 1] > 60


def test_each_clip_is_clicked_once_where_it_was_said_or_in_the_middle(tmp_path: Path):
    for name in "ab":
        write_mp4(tmp_path / f"{name}.mp4")
    strips, skipped = look_at(Wanted((tmp_path,), {"b": (0.25, 0.5)}), Clicked)
    assert skipped == []
    assert [strip.label[0] for strip in strips] == ["a", "b"]
    for strip, (x, y) in zip(strips, (MIDDLE, (0.25, 0.5)), strict=True):
        assert [caption for caption, _ in strip.tiles][:2] == ["0", "1"]
        assert strip.tiles[-1][0] == str(NUM_FRAMES - 1)
        rows, columns = np.nonzero(is_pink(strip.tiles[1][1]))
        height, width = strip.tiles[1][1].shape[:2]
        assert rows.mean() / height == pytest.approx(y, abs=0.03)
        assert columns.mean() / width == pytest.approx(x, abs=0.03)
        assert not is_pink(strip.tiles[-1][1]).any()
        assert "mask in 22%" in strip.label


def test_only_the_first_frame_shows_the_click(tmp_path: Path):
    (strip,), _ = look_at(Wanted((write_mp4(tmp_path / "a.mp4"),), {}), Clicked)
    yellow = [((tile == (255, 230, 0)).all(axis=2)).any() for _, tile in strip.tiles]
    assert yellow == [True] + [False] * 7


def test_a_folder_of_frames_is_a_clip_and_the_limit_holds(tmp_path: Path):
    frames = write_shared(tmp_path, "one") / "one" / "frames"
    (strip,), _ = look_at(Wanted((frames,), {}, limit=4), Clicked)
    assert [caption for caption, _ in strip.tiles] == ["0", "1", "2", "3"]


def test_a_clip_that_cannot_be_read_is_named_and_the_others_are_shown(tmp_path: Path):
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    write_mp4(tmp_path / "good.mp4")
    strips, (skipped,) = look_at(Wanted((tmp_path,), {}), Clicked)
    assert [strip.label[0] for strip in strips] == ["good"]
    assert skipped.name == "bad"


def test_clicks_are_read_and_wrong_ones_are_told(tmp_path: Path):
    assert parse_clicks(["a=b=0.5,1", "c=0,0.25"]) == {"a=b": (0.5, 1.0), "c": (0.0, 0.25)}
    for wrong in ("a=0.5", "a=2,0.5", "0.5,0.5", "a=x,y", "a=nan,0.5"):
        with pytest.raises(ValueError, match="is no click: write NAME=X,Y"):
            parse_clicks([wrong])
    with pytest.raises(ValueError, match="no clip is called other"):
        Wanted((tmp_path / "a.mp4",), {"other": (0.5, 0.5)})
