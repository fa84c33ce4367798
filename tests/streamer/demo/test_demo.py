import json
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from sam2_rt.data.ball_clip import make_clip
from streamer.demo.demo import parse_click


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "streamer", "demo", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("demo")
    done = run("--seconds", 1.5, "--image-size", 128, "--out", out)
    assert done.returncode == 0, done.stdout + done.stderr
    return out, done.stdout


def test_it_writes_a_film_and_a_mask_for_each_frame_of_the_clip(shown: tuple[Path, str]):
    out, _ = shown
    with av.open(str(out / "demo.mp4")) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in film.decode(video=0)) == 45
    masks = sorted((out / "masks").iterdir())
    assert [mask.name for mask in masks] == [f"{index:05d}.png" for index in range(45)]
    with Image.open(masks[-1]) as last:
        assert (last.mode, last.size) == ("P", (640, 360))
        assert set(np.unique(np.array(last))) <= {0, 1, 2}


def test_its_summary_accounts_for_each_frame(shown: tuple[Path, str]):
    summary = json.loads((shown[0] / "summary.json").read_text())
    dropped = summary["dropped"]
    assert summary["frames"] == 45 == summary["sent"] + dropped["client"]
    assert summary["processed"] >= summary["encoder_calls"] > 0
    arrived = summary["processed"] + dropped["slot"] + dropped["stale"]
    assert summary["sent"] - dropped["network"] == arrived
    assert len(summary["held"]) + summary["mask_frames"] == 45
    assert 0 < summary["latency_ms"]["p50"] <= summary["latency_ms"]["p99"]


def test_it_clicks_each_object_on_the_frame_that_was_seen(shown: tuple[Path, str]):
    summary = json.loads((shown[0] / "summary.json").read_text())
    labels = list(make_clip(7, summary["prompted_at"] + 1))[-1].labels
    objects = {str(track_id) for track_id in np.unique(labels[labels > 0])}
    assert summary["prompts"] == dict.fromkeys(objects, "exact")
    assert summary["truth_iou"].keys() == objects


def test_a_held_frame_shows_the_masks_before_it(shown: tuple[Path, str]):
    out, _ = shown
    held = json.loads((out / "summary.json").read_text())["held"]
    for index in filter(None, held):
        this, before = (out / "masks" / f"{i:05d}.png" for i in (index, index - 1))
        assert this.read_bytes() == before.read_bytes()


def test_it_prints_a_table_and_says_that_nano_is_untrained(shown: tuple[Path, str]):
    summary = json.loads((shown[0] / "summary.json").read_text())
    for row in ("frames of the clip", "processed", "capture to mask", "encoder calls"):
        assert row in shown[1]
    assert ("not trained" in shown[1]) is not summary["model"]["is_trained"]


def test_an_unreadable_video_is_one_line_and_status_1(tmp_path: Path):
    video = tmp_path / "notes.mp4"
    video.write_text("no video")
    done = run("--video", video, "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stdout.startswith(f"demo: {video} is no video")
    assert done.stdout.count("\n") == 1


def test_a_click_outside_the_video_is_refused_before_anything_starts(tmp_path: Path):
    done = run("--click", "9999,5", "--out", tmp_path)
    assert done.returncode == 1
    assert "outside the 640 x 360 pixels" in done.stdout
    assert not (tmp_path / "service.log").exists()


@pytest.mark.parametrize("text", ["", "5", "1,2,3", "a,b"])
def test_a_click_that_is_no_pair_says_what_it_should_be(text: str):
    with pytest.raises(ValueError, match="such as 320,180"):
        parse_click(text)


def test_a_click_is_a_pair_of_pixels():
    assert parse_click("320,180.5") == (320, 180.5)
