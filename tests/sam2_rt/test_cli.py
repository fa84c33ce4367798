import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import sam2_rt.engine
from sam2_rt.cli import app
from sam2_rt.data.ball_clip import make_clip
from sam2_rt.engine import (
    Applied,
    EngineConfig,
    EngineInfo,
    StepRequest,
    StepResult,
    TrackMask,
    TrackState,
)
from sam2_rt.model import zoo

SIZE = (64, 48)


@dataclass
class FakeEngine:
    """Paints each track's first point as a square, from its prompt on."""

    config: EngineConfig
    prompts: dict[int, list[tuple[int, ...]]] = field(default_factory=dict)
    boxes: dict[int, tuple[float, float]] = field(default_factory=dict)
    num_steps: int = 0

    @property
    def info(self) -> EngineInfo:
        name = self.config.model
        return EngineInfo(name, 64, "cpu", "float32", is_trained=True, max_tracks=9)

    def open(self) -> int:
        return 5

    def close(self, stream_id: int) -> None:
        assert stream_id == 5

    def step(self, requests: list[StepRequest]) -> list[StepResult | Exception]:
        (request,) = requests
        assert request.stream_id == 5
        index, self.num_steps = self.num_steps, self.num_steps + 1
        self.prompts[index] = [(p.track_id, len(p.points)) for p in request.prompts]
        for prompt in request.prompts:
            self.boxes[prompt.track_id] = (prompt.points[0].x, prompt.points[0].y)
        masks = tuple(self.paint(request, track_id) for track_id in sorted(self.boxes))
        applied = tuple(Applied(p.track_id, index, is_exact=True) for p in request.prompts)
        return [StepResult(index, request.frame.pts, masks, (), (), applied, self.num_steps)]

    def paint(self, request: StepRequest, track_id: int) -> TrackMask:
        height, width = request.frame.height, request.frame.width
        mask = np.zeros((height, width), bool)
        x, y = (round(v * n) for v, n in zip(self.boxes[track_id], (width, height), strict=True))
        mask[y : y + 8, x : x + 8] = True
        return TrackMask(
            track_id, TrackState.VISIBLE, 10.0 - track_id, 0.5, mask, np.zeros((4, 4), np.float32)
        )


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """The engines that commands load."""
    loaded: list[FakeEngine] = []

    def load(config: EngineConfig) -> FakeEngine:
        loaded.append(FakeEngine(config))
        return loaded[-1]

    monkeypatch.setattr(sam2_rt.engine.Engine, "load", load)
    return loaded


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for frame in make_clip(0, 4, SIZE):
        Image.fromarray(frame.rgb).save(folder / f"img_{frame.index + 7}.jpg")
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def track(frames: Path, entries: object, *options: object) -> Result:
    prompts = frames.parent / "prompts.json"
    prompts.write_text(json.dumps(entries))
    out = frames.parent / "out"
    return run("track", frames, "--prompts", prompts, "--out", out, *options)


def labels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "P"
        return np.array(picture)


CLICK = {"frame": 1, "track_id": 3, "points": [[16, 24, 1]]}


def test_masks_are_named_after_the_frames_and_empty_before_the_first_prompt(
    frames: Path, engines: list[FakeEngine]
):
    result = track(frames, [CLICK], "--model", "nano")
    assert result.exit_code == 0, result.output
    out = frames.parent / "out"
    names = sorted(path.name for path in out.iterdir())
    assert names == ["img_10.png", "img_7.png", "img_8.png", "img_9.png", "summary.json"]
    assert labels(out / "img_7.png").shape == (48, 64)
    assert not labels(out / "img_7.png").any()
    assert np.argwhere(labels(out / "img_9.png") == 3).min(axis=0).tolist() == [24, 16]


def test_the_summary_says_what_was_done(frames: Path, engines: list[FakeEngine]):
    track(frames, [CLICK])
    summary = json.loads((frames.parent / "out" / "summary.json").read_text())
    assert (summary["model"], summary["num_frames"], summary["encoder_calls"]) == ("nano", 4, 4)
    assert summary["fps"] > 0
    assert summary["frames"][0] == {"frame": 0, "name": "img_7", "tracks": []}
    assert summary["frames"][1]["tracks"] == [
        {"track_id": 3, "state": "visible", "object_score": 7.0, "iou": 0.5}
    ]


def test_prompts_reach_the_step_of_their_frame(frames: Path, engines: list[FakeEngine]):
    other = {"frame": 1, "track_id": 4, "points": [[1, 1, 1], [2, 2, 0]]}
    track(frames, [CLICK, other, CLICK, {**CLICK, "frame": 3}])
    assert engines[0].prompts == {0: [], 1: [(3, 1), (4, 2), (3, 1)], 2: [], 3: [(3, 1)]}
    assert engines[0].config.tracker.max_tracks == 2


def test_where_masks_overlap_the_surest_track_has_the_pixel(
    frames: Path, engines: list[FakeEngine]
):
    track(frames, [CLICK, {**CLICK, "track_id": 2}])
    assert set(np.unique(labels(frames.parent / "out" / "img_8.png"))) == {0, 2}


def test_options_reach_the_engine(frames: Path, engines: list[FakeEngine]):
    track(
        frames,
        [CLICK],
        *("--model", "sam2.1-hiera-tiny", "--image-size", "512", "--checkpoint", "my.pt"),
        *("--device", "cpu"),
    )
    config = engines[0].config
    assert (config.model, config.image_size) == ("sam2.1-hiera-tiny", 512)
    assert (config.checkpoint, config.device) == (Path("my.pt"), "cpu")


def test_prompts_beyond_the_end_are_an_error_after_the_masks_are_written(
    frames: Path, engines: list[FakeEngine]
):
    result = track(frames, [CLICK, {**CLICK, "frame": 4}, {**CLICK, "frame": 40}])
    assert result.exit_code == 1
    assert "prompts for frames [4, 40], but there were only 4 frames" in result.stderr
    assert (frames.parent / "out" / "img_10.png").is_file()


def test_a_broken_frame_ends_the_run_with_what_was_done(frames: Path, engines: list[FakeEngine]):
    (frames / "img_9.jpg").write_bytes(b"not a picture")
    result = track(frames, [CLICK])
    assert result.exit_code == 1
    assert "img_9.jpg is no picture" in result.stderr
    summary = json.loads((frames.parent / "out" / "summary.json").read_text())
    assert summary["num_frames"] == 2


def test_a_wrong_prompt_is_named_before_any_work(frames: Path, engines: list[FakeEngine]):
    result = track(frames, [CLICK, {**CLICK, "points": [[65, 0, 1]]}])
    assert result.exit_code == 1
    assert "entry 1 of 0..1: point [65, 0, 1] is not within the frame of 64 x 48" in result.stderr
    assert engines == []


def test_the_folder_of_the_frames_is_never_written_to(frames: Path, engines: list[FakeEngine]):
    prompts = frames.parent / "prompts.json"
    prompts.write_text(json.dumps([CLICK]))
    before = sorted(frames.iterdir())
    result = run("track", frames, "--prompts", prompts, "--out", frames)
    assert result.exit_code == 1
    assert "name another folder" in result.stderr
    assert sorted(frames.iterdir()) == before


def test_the_folder_of_a_prompt_s_mask_is_never_written_to(frames: Path, engines: list[FakeEngine]):
    out = frames.parent / "out"
    out.mkdir()
    Image.fromarray(np.full(SIZE[::-1], 3, np.uint8)).save(out / "img_7.png")
    before = (out / "img_7.png").read_bytes()
    result = track(frames, [CLICK, {"frame": 0, "track_id": 3, "mask": "out/img_7.png"}])
    assert result.exit_code == 1
    assert "holds masks of the prompts" in result.stderr
    assert (out / "img_7.png").read_bytes() == before
    assert engines == []


def test_masks_never_join_other_pictures(frames: Path, engines: list[FakeEngine]):
    assert track(frames, [CLICK]).exit_code == 0
    assert track(frames, [CLICK]).exit_code == 0, "the same run again replaces its own masks"
    (frames.parent / "out" / "img_11.png").touch()
    result = track(frames, [CLICK])
    assert result.exit_code == 1
    assert "holds other pictures (img_11.png): name another folder" in result.stderr
    assert result.stderr.count("\n") == 1
    assert len(engines) == 2


@pytest.mark.parametrize("place", ["file", "file/deeper"])
def test_a_place_where_no_folder_can_be_is_refused_before_the_model_loads(
    frames: Path, engines: list[FakeEngine], place: str
):
    (frames.parent / "file").touch()
    prompts = frames.parent / "prompts.json"
    prompts.write_text(json.dumps([CLICK]))
    result = run("track", frames, "--prompts", prompts, "--out", frames.parent / place)
    assert result.exit_code == 1
    assert "cannot be made a folder" in result.stderr
    assert result.stderr.count("\n") == 1
    assert engines == []


def test_a_folder_that_is_read_only_is_refused_before_the_model_loads(
    frames: Path, engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
):
    # Root may write everywhere, and tests may run as root.
    monkeypatch.setattr(os, "access", lambda _, mode: not mode & os.W_OK)
    result = track(frames, [CLICK])
    assert result.exit_code == 1
    assert "cannot be written to" in result.stderr
    assert engines == []


def test_a_video_that_is_cut_off_ends_in_an_error_that_keeps_the_masks(
    frames: Path, engines: list[FakeEngine]
):
    whole = frames.parent / "whole.mp4"
    write_video(whole, 30)
    cut = frames.parent / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    result = track(cut, [CLICK])
    assert result.exit_code == 1
    out = frames.parent / "out"
    num_frames = json.loads((out / "summary.json").read_text())["num_frames"]
    assert 0 < num_frames < 30
    assert f"the file promises 30 frames, {num_frames} could be read" in result.stderr
    assert len(list(out.glob("*.png"))) == num_frames
    assert track(whole, [CLICK]).exit_code == 0


def write_video(path: Path, num_frames: int) -> None:
    """With its index in front, so that what is left of a cut one can be read."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        for picture in make_clip(0, num_frames, SIZE):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.rgb)))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--model", "sam3"), "no model is called 'sam3'"),
        (("--image-size", "100"), "image size 100"),
        (("--checkpoint", "/no/such.pt"), "/no/such.pt does not exist"),
    ],
)
def test_what_the_engine_cannot_load_is_one_line(frames: Path, options: tuple, reason: str):
    result = track(frames, [CLICK], *options)
    assert result.exit_code == 1
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1


def test_nano_tracks_a_clip_from_start_to_end(frames: Path):
    result = track(frames, [CLICK], "--image-size", "64", "--device", "cpu")
    assert result.exit_code == 0, result.output
    summary = json.loads((frames.parent / "out" / "summary.json").read_text())
    assert summary["num_frames"] == 4
    assert summary["encoder_calls"] == 3, "the click is in the second frame"
    assert [len(frame["tracks"]) for frame in summary["frames"]] == [0, 1, 1, 1]
    if not summary["is_trained"]:
        assert "nano is untrained" in result.stderr


def test_a_checkpoint_of_one_s_own_is_what_tracks(frames: Path):
    weights = zoo.build("nano").state_dict()
    head = "sam_mask_decoder.pred_obj_score_head.layers.2"
    weights |= {f"{head}.weight": torch.zeros(1, 128), f"{head}.bias": torch.full((1,), 12.5)}
    torch.save({"model": weights}, frames.parent / "own.pt")
    own = ("--checkpoint", frames.parent / "own.pt")
    result = track(frames, [CLICK], "--image-size", "64", "--device", "cpu", *own)
    assert result.exit_code == 0, result.output
    summary = json.loads((frames.parent / "out" / "summary.json").read_text())
    assert summary["is_trained"]
    scores = [track["object_score"] for frame in summary["frames"] for track in frame["tracks"]]
    assert scores == [12.5] * 3


def test_models_are_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "sam2-rt").mkdir()
    (tmp_path / "sam2-rt" / "sam2_hiera_tiny.pt").write_bytes(bytes(2_000_000))
    result = run("models")
    assert result.exit_code == 0, result.output
    lines = {line.split()[1]: line for line in result.output.splitlines() if "│" in line}
    assert "nano" in lines
    assert "yes, 2 MB" in lines["sam2-hiera-tiny"]
    assert "224.4 M" in lines["sam2.1-hiera-large"]
    assert "facebook/sam2.1-hiera-large" in lines["sam2.1-hiera-large"]


def test_fetching_an_unknown_model_lists_the_known():
    result = run("models", "fetch", "sam3")
    assert result.exit_code == 1
    assert "there are sam2-hiera-tiny" in result.stderr


def test_fetching_without_a_network_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("SAM2_RT_OFFICIAL_URL", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    result = run("models", "fetch", "sam2.1-hiera-tiny")
    assert result.exit_code == 1
    assert [line for line in result.stderr.splitlines() if "could not reach" in line]
    assert "sam2-rt models fetch sam2.1-hiera-tiny` again" in result.stderr


@pytest.mark.parametrize("command", [["models"], ["models", "fetch", "sam2.1-hiera-tiny"]])
def test_a_hub_whose_address_is_none_is_one_line(tmp_path: Path, command: list[str]):
    code = "from sam2_rt.cli import app; app()"
    environment = os.environ | {"HF_ENDPOINT": "http://[", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "HF_ENDPOINT is no URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_importing_the_commands_does_not_import_torch():
    code = "import sys, sam2_rt.cli; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_help_names_the_commands():
    code = "from sam2_rt.cli import app; app()"
    environment = {**os.environ, "COLUMNS": "120"}
    done = subprocess.run(
        [sys.executable, "-c", code, "--help"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(command in done.stdout for command in ("models", "track"))
