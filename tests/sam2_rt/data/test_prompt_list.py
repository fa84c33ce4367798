import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sam2_rt.data.prompt_list import PromptListError, read_prompts
from sam2_rt.tracking.prompt import Point

SIZE = (200, 100)


def write(folder: Path, *entries: object) -> Path:
    path = folder / "prompts.json"
    path.write_text(json.dumps(list(entries)))
    return path


def write_mask(folder: Path, mask: np.ndarray) -> None:
    Image.fromarray(mask.astype(np.uint8)).save(folder / "first.png")


def refusal(path: Path) -> str:
    with pytest.raises(PromptListError) as caught:
        read_prompts(path, SIZE)
    return str(caught.value)


def test_pixels_become_fractions_of_the_frame(tmp_path: Path):
    entry = {
        "frame": 3,
        "track_id": 7,
        "points": [[50, 25, 1], [0, 100, 0]],
        "box": [0, 0, 100, 50.0],
    }
    prompts = read_prompts(write(tmp_path, entry), SIZE)
    ((frame, (prompt,)),) = prompts.by_frame.items()
    assert (frame, prompt.track_id) == (3, 7)
    assert prompt.points == (Point(0.25, 0.25), Point(0.0, 1.0, is_positive=False))
    assert prompt.box == (0.0, 0.0, 0.5, 0.5)
    assert prompt.mask is None
    assert not prompt.clear


def test_a_mask_comes_before_the_points_of_its_entry(tmp_path: Path):
    mask = np.zeros((100, 200))
    mask[10:20, 30:40] = 1
    write_mask(tmp_path, mask)
    entry = {"frame": 0, "track_id": 1, "mask": "first.png", "points": [[35, 15, 1]]}
    first, second = read_prompts(write(tmp_path, entry), SIZE).by_frame[0]
    assert first.mask is not None
    np.testing.assert_array_equal(first.mask, mask > 0)
    assert (second.mask, len(second.points)) == (None, 1)


def test_a_list_knows_where_its_masks_were_read(tmp_path: Path):
    (tmp_path / "deeper").mkdir()
    write_mask(tmp_path / "deeper", np.ones((100, 200)))
    entry = {"frame": 0, "track_id": 1, "mask": "deeper/first.png"}
    click = {"frame": 0, "track_id": 1, "points": [[0, 0, 1]]}
    path = write(tmp_path, entry, click)
    assert read_prompts(path, SIZE).mask_folders == {tmp_path / "deeper"}


def test_prompts_of_a_frame_keep_their_order(tmp_path: Path):
    entries = [{"frame": 0, "track_id": t, "points": [[t, 0, 1]]} for t in (2, 1, 2)]
    prompts = read_prompts(write(tmp_path, *entries), SIZE)
    assert [prompt.track_id for prompt in prompts.by_frame[0]] == [2, 1, 2]
    assert prompts.track_ids == {1, 2}


def test_frames_beyond_the_end_are_listed(tmp_path: Path):
    entries = [{"frame": f, "track_id": 1, "points": [[0, 0, 1]]} for f in (9, 0, 5, 4)]
    assert read_prompts(write(tmp_path, *entries), SIZE).beyond(5) == [5, 9]


POINT = {"points": [[1, 1, 1]]}


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (3, "not an object"),
        ({"frame": 0, "track_id": 1, "pints": []}, "unknown field 'pints'"),
        ({"track_id": 1, **POINT}, "frame is None, not a whole number of at least 0"),
        ({"frame": -1, "track_id": 1, **POINT}, "frame is -1"),
        ({"frame": True, "track_id": 1, **POINT}, "frame is True"),
        ({"frame": 0, "track_id": 0, **POINT}, "track_id is 0, not a whole number from 1 to 255"),
        ({"frame": 0, "track_id": 256, **POINT}, "track_id is 256"),
        ({"frame": 0, "track_id": 1}, "a prompt needs points, a box or a mask"),
        ({"frame": 0, "track_id": 1, "points": []}, "a prompt needs points, a box or a mask"),
        ({"frame": 0, "track_id": 1, "points": [[1, 1, 1]] * 33}, "33 points, at most 32"),
        ({"frame": 0, "track_id": 1, "points": 5}, "points is 5, not a list"),
        ({"frame": 0, "track_id": 1, "points": [[1, 1]]}, "point [1, 1] is not [x, y, 1 or 0]"),
        ({"frame": 0, "track_id": 1, "points": [[1, 1, 2]]}, "point [1, 1, 2] is not"),
        ({"frame": 0, "track_id": 1, "points": [[1, 1, []]]}, "point [1, 1, []] is not"),
        ({"frame": 0, "track_id": 1, "points": [[201, 1, 1]]}, "within the frame of 200 x 100"),
        ({"frame": 0, "track_id": 1, "points": [[10**400, 1, 1]]}, "within the frame"),
        ({"frame": 0, "track_id": 1, "box": [0, 0, -(10**400), 9]}, "within the frame"),
        ({"frame": 0, "track_id": 1, "points": [["1", 1, 1]]}, "within the frame of 200 x 100"),
        ({"frame": 0, "track_id": 1, "points": [[float("nan"), 1, 1]]}, "within the frame"),
        ({"frame": 0, "track_id": 1, "box": [1, 2, 3]}, "box [1, 2, 3] is not [x0, y0, x1, y1]"),
        ({"frame": 0, "track_id": 1, "box": [5, 5, 5, 9]}, "box [5, 5, 5, 9] is empty"),
        ({"frame": 0, "track_id": 1, "box": [0, 0, 9, 101]}, "within the frame of 200 x 100"),
        ({"frame": 0, "track_id": 1, "mask": 1}, "mask 1 is not the name of a PNG"),
        ({"frame": 0, "track_id": 1, "mask": "none.png"}, "none.png is no mask"),
        ({"frame": 0, "track_id": 1, "mask": "first.png"}, "first.png is 50 x 40, the frame 200"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, entry: object, reason: str):
    write_mask(tmp_path, np.ones((40, 50)))
    good = {"frame": 0, "track_id": 1, **POINT}
    message = refusal(write(tmp_path, good, entry))
    assert "prompts.json, entry 1 of 0..1: " in message
    assert reason in message


@pytest.mark.parametrize("content", ["", "{", "{}", "[]", "3"])
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: str):
    (tmp_path / "prompts.json").write_text(content)
    assert "prompts.json" in refusal(tmp_path / "prompts.json")


def test_lists_within_lists_without_end_are_refused(tmp_path: Path):
    (tmp_path / "prompts.json").write_text("[" * 100_000)
    assert "nested too deep" in refusal(tmp_path / "prompts.json")


def test_a_missing_file_is_named(tmp_path: Path):
    assert "none.json is no JSON file" in refusal(tmp_path / "none.json")
