from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sam2_rt.data.clip import write_palette_png
from sam2_rt.data.sample import Sample
from sam2_rt.eval.follower import Begin, Masks, Picture
from sam2_rt.eval.views import SampleVideo
from sam2_rt.model import zoo
from sam2_rt.model.sam2 import SAM2
from sam2_rt.tracking.prompt import Prompt

SIZE = 64


def moving_squares(num_frames: int = 12, away: Sequence[int] = (), num_objects: int = 1) -> Sample:
    """Bright squares that move right by 2 pixels a frame over noise; gone in the frames `away`."""
    frames = np.random.default_rng(0).integers(0, 60, (num_frames, SIZE, SIZE, 3), np.uint8)
    masklets = np.zeros((num_objects, num_frames, SIZE, SIZE), np.bool_)
    for row in range(num_objects):
        for index in sorted(set(range(num_frames)) - set(away)):
            top, left = 4 + 20 * row, 4 + 2 * index
            masklets[row, index, top : top + 16, left : left + 16] = True
            frames[index, masklets[row, index]] = 120 + 60 * row
    return Sample(frames, masklets)


class Scripted:
    """Finds the objects that it was told of, as well as `find` says: it has seen the truth."""

    def __init__(self, sample: Sample, find: Callable[[np.ndarray, int], np.ndarray]) -> None:
        self._sample, self._find = sample, find
        self._told: dict[int, int] = {}  # row -> the frame in which it was last told of
        self.index = -1
        self.prompts: list[tuple[int, Prompt]] = []  # with their frames

    def step(self, rgb: Picture, prompts: Sequence[Prompt]) -> Masks:
        places = [np.array_equal(rgb, frame) for frame in self._sample.frames]
        self.index = places.index(True) if True in places else self.index + 1
        return self.correct(prompts)

    def correct(self, prompts: Sequence[Prompt]) -> Masks:
        for prompt in prompts:
            self._told[prompt.track_id - 1] = self.index
            self.prompts.append((self.index, prompt))
        masks = np.zeros_like(self._sample.masklets[:, self.index])
        for row, told in self._told.items():
            masks[row] = self._find(self._sample.masklets[row, self.index], self.index - told)
        return masks


@pytest.fixture
def squares() -> Callable[..., Sample]:
    return moving_squares


@pytest.fixture
def video(squares) -> SampleVideo:
    return SampleVideo("squares", squares())


@pytest.fixture
def scripted() -> Callable[..., tuple[Begin, list[Scripted]]]:
    """Followers of one sample that find each object as a function of truth and age says.

    Age is the number of frames since the object was last told of.
    """

    def make(
        sample: Sample, find: Callable[[np.ndarray, int], np.ndarray] = lambda truth, age: truth
    ) -> tuple[Begin, list[Scripted]]:
        begun: list[Scripted] = []

        def begin(num_objects: int) -> Scripted:
            assert num_objects == len(sample.masklets)
            begun.append(Scripted(sample, find))
            return begun[-1]

        return begin, begun

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos in the layout of the shared data, each with one object."""
    for number, name in enumerate(("one", "two")):
        write_video(tmp_path / "data" / name, moving_squares(6 + number))
    return tmp_path / "data"


def write_video(folder: Path, sample: Sample) -> None:
    for part in ("frames", "masks"):
        (folder / part).mkdir(parents=True)
    for index, frame in enumerate(sample.frames):
        labels = np.zeros(frame.shape[:2], np.uint8)
        for row, mask in enumerate(sample.masklets[:, index]):
            labels[mask] = row + 1
        Image.fromarray(frame).save(folder / "frames" / f"{index:05d}.jpg")
        write_palette_png(folder / "masks" / f"{index:05d}.png", labels)


@pytest.fixture(scope="session")
def model() -> SAM2:
    """Small, with random weights at which masks are neither empty nor full."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        model = zoo.build("nano", 64).eval()
        for parameter in model.parameters():
            if parameter.ndim > 1:
                fan_in = parameter[0].numel() if len(parameter) > 1 else 4
                parameter.normal_(std=fan_in**-0.5)
    model.get_parameter("sam_mask_decoder.pred_obj_score_head.layers.2.bias").data += 100
    return model
