"""Whole videos against the official predictor, on seeded weights and its own example frames.

Tolerances are those of the golden data: frame 0 exact, then the noise of a bank in bfloat16 and of
binarised masks, which the official code shows between one and two threads as well.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Self

import numpy as np
import pytest
import torch
from PIL import Image

from golden_data import SHARED, shared
from sam2_rt.model.config import TINY, ModelConfig
from sam2_rt.model.memory_attention import MemoryTokens
from sam2_rt.model.sam2 import SAM2, Decoded
from sam2_rt.tracking.batch import encode, look
from sam2_rt.tracking.frame import Frame, to_input
from sam2_rt.tracking.kept_frame import KeptFrame, to_mask, to_tensors
from sam2_rt.tracking.mask import suppress_overlap, to_frame
from sam2_rt.tracking.prompt import Point, Prompt
from sam2_rt.tracking.question import reply
from sam2_rt.tracking.track_step import track_step
from sam2_rt.tracking.tracker import Tracker, TrackerConfig
from seeded import seed_

log = logging.getLogger("parity")  # pytest --log-cli-level=INFO shows how near

WIDTH, HEIGHT = 960, 540
VERSIONS = ["2.1", "2.0"]
BOX = Prompt(2, box=(300 / WIDTH, 20 / HEIGHT, 500 / WIDTH, 400 / HEIGHT))
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[100:400, 200:500] = True
REFERENCE_DEFAULT = TrackerConfig(corrections_are_conditioning=False)


def click(x: int, y: int, *, is_positive: bool = True, pts: int | None = None) -> Prompt:
    return Prompt(1, pts, points=(Point(x / WIDTH, y / HEIGHT, is_positive),))


@cache
def official(version: str) -> Mapping[str, np.ndarray]:
    return dict(np.load(shared(f"reference/golden/full_tiny_{version}_256.npz")))


@cache
def model(version: str) -> SAM2:
    return seed_(SAM2(ModelConfig(TINY, version, image_size=256)))


@cache
def frame(index: int) -> Frame:
    path = shared(f"reference/golden/bedroom/{index:05d}.jpg")
    return Frame(index, (np.array(Image.open(path)),))


@pytest.fixture(autouse=True)
def _without_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def tolerance(index: int) -> float:
    return 1e-3 if index == 0 else 1e-2 if index <= 3 else 5e-2


def assert_agrees(decoded: Decoded, version: str, key: str, index: int) -> None:
    """Mask logits, object score and pointer of one track in one frame."""
    data = official(version)
    logits, expected = decoded.mask_logits.numpy(), data[f"{key}.low.sub"]
    error, flipped = np.abs(logits - expected).max(), ((logits > 0) != (expected > 0)).mean()
    log.info("%s %s: logits off by %.1e, %.3f %% of bits", version, key, error, 100 * flipped)
    assert error <= tolerance(index), key
    assert flipped < 0.002, key
    assert abs(float(decoded.object_score) - data[f"{key}.score"].item()) <= tolerance(index), key
    if f"{key}.ptr" in data:
        pointer_error = np.abs(decoded.object_pointer.numpy() - data[f"{key}.ptr"]).max()
        assert pointer_error <= tolerance(index), key
    if f"{key}.video.area" in data:
        area = int((to_frame(decoded.mask_logits[None], HEIGHT, WIDTH) > 0).sum())
        assert abs(area - data[f"{key}.video.area"].item()) < 0.002 * WIDTH * HEIGHT, key


def assert_remembered(tracker: Tracker, version: str, key: str, index: int) -> None:
    """The memory of the newest frame, as it lies in the bank."""
    bank = tracker.tracks[int(key[-1])].bank
    slot = bank.slots(bank.choose(index + 1))[0]
    ages = [a.frame for a in bank.choose(index + 1).memories]
    memory = bank.pool.features[slot[ages.index(index)]].float()
    data = official(version)
    assert_nearly_all_near(memory[::8, ::2, ::2], data[f"{key}.mem.slice"], key)
    mean_error = np.abs(memory.mean((1, 2)).numpy() - data[f"{key}.mem.chanmean"]).max()
    assert mean_error <= tolerance(index), key


def assert_nearly_all_near(
    ours: torch.Tensor, expected: np.ndarray, key: str, share: float = 0.95
) -> None:
    """Rounding to bfloat16 turns a small difference into one step of the mantissa, and a prompted
    mask's logit near zero moves its own place by more. A memory made from another mask, or at
    another place in the bank, is off in nearly all values.
    """
    allowed = 5e-2 + 2**-7 * np.abs(expected)
    assert (np.abs(ours.numpy() - expected) <= allowed).mean() >= share, key


def step(tracker: Tracker, index: int, *prompts: Prompt) -> dict[int, Decoded]:
    """Tracker.step without what comes after decoding."""
    newest = keep(tracker, index)
    answered = {track_id: seen.decoded for track_id, seen in tracker.apply(prompts).items()}
    return answered | find(tracker, newest, tracker.tracks.keys() - answered.keys())


def keep(tracker: Tracker, index: int) -> KeptFrame:
    """A frame that is encoded and nothing more."""
    newest = tracker.begin(frame(index))
    tracker.take([newest], encode(tracker._calls, [newest.picture]))
    return tracker.keep(newest)


def find(tracker: Tracker, kept: KeptFrame, track_ids: Collection[int]) -> dict[int, Decoded]:
    """What propagation gives, which is remembered."""
    search = tracker.search(kept, track_ids)
    found = tracker.remember(search, *look(tracker._calls, [search]))
    return {track_id: seen.decoded for track_id, seen in found.items()}


class Reads:
    """Records what memory attention was given and gave, a row a track."""

    def __init__(self, sam2: SAM2) -> None:
        self.rows: list[tuple[MemoryTokens, int, torch.Tensor]] = []
        self._hook = sam2.memory_attention.register_forward_hook(self._record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._hook.remove()

    def _record(self, _: object, inputs: tuple[object, ...], output: torch.Tensor) -> None:
        memories = inputs[2]
        assert isinstance(memories, MemoryTokens)
        assert memories.is_valid is None
        self.rows += [(memories, row, output[row]) for row in range(len(output))]

    def assert_agree(self, version: str, prefix: str) -> None:
        data = official(version)
        num_reads = sum(key.startswith(f"{prefix}.ma") for key in data) // 6
        assert len(self.rows) == num_reads
        for call, (memories, row, output) in enumerate(self.rows):
            key = f"{prefix}.ma{call:02d}"
            tokens, position = memories.tokens[row], memories.position[row]
            num_pointers = memories.num_pointer_tokens
            assert [len(tokens), num_pointers] == data[f"{key}.shape"].tolist(), key
            spatial = len(tokens) - num_pointers
            for ours, name in [
                (position[spatial:], f"{key}.ptr_pos"),
                (position[:spatial:256], f"{key}.block_first_pos"),
            ]:
                np.testing.assert_allclose(ours.numpy(), data[name], atol=1e-5, err_msg=name)
            for ours, name, share in [
                (tokens[spatial:], f"{key}.ptr_tokens", 0.95),
                # One corner a memory: where a logit is near zero, that is the whole memory's row.
                (tokens[:spatial:256], f"{key}.block_first", 0.8),
                (output[::8, ::8], f"{key}.out.slice", 0.95),
            ]:
                assert_nearly_all_near(ours, data[name], name, share)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_frame_reaches_the_model_as_in_the_official_predictor(version: str):
    pixels = to_input(frame(0), 256, torch.device("cpu"), torch.float32)
    np.testing.assert_allclose(
        pixels[0, :, ::16, ::16].numpy(), official(version)["img.norm_sub"], atol=1e-6
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_two_tracks_and_a_correction_agree(version: str):
    """And what memory attention reads agrees token by token."""
    tracker = Tracker(model(version), REFERENCE_DEFAULT)
    with Reads(model(version)) as reads:
        for index in range(10):
            prompts = [click(210, 350), BOX] if index == 0 else []
            for track_id, decoded in step(tracker, index, *prompts).items():
                assert_agrees(decoded, version, f"track.f{index}.o{track_id}", index)
                assert_remembered(tracker, version, f"track.f{index}.o{track_id}", index)
            if index == 5:
                corrected = tracker.apply([click(600, 300, is_positive=False, pts=5)])
                assert_agrees(corrected[1].decoded, version, "track.f5_corr.o1", index)
    reads.assert_agree(version, "track")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_correction_that_conditions_agrees(version: str):
    tracker = Tracker(model(version))
    for index in range(10):
        prompts = [click(210, 350), BOX] if index == 0 else []
        for track_id, decoded in step(tracker, index, *prompts).items():
            if index >= 5:
                assert_agrees(decoded, version, f"track_corrcond.f{index}.o{track_id}", index)
        if index == 5:
            corrected = tracker.apply([click(600, 300, is_positive=False, pts=5)])
            assert_agrees(corrected[1].decoded, version, "track_corrcond.f5_corr.o1", index)
            assert tracker.tracks[1].bank.conditioning == (0, 5)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_occlusion_agrees(version: str):
    bias = model(version).sam_mask_decoder.pred_obj_score_head.layers[2].bias
    tracker = Tracker(model(version), REFERENCE_DEFAULT)
    with Reads(model(version)) as reads:
        for index in range(10):
            prompts = [click(210, 350), BOX] if index == 0 else []
            bias.data -= 100 * (4 <= index <= 6)
            decoded = step(tracker, index, *prompts)
            bias.data += 100 * (4 <= index <= 6)
            for track_id, d in decoded.items():
                assert_agrees(d, version, f"track_occ.f{index}.o{track_id}", index)
                assert_remembered(tracker, version, f"track_occ.f{index}.o{track_id}", index)
    reads.assert_agree(version, "track_occ")


@pytest.mark.parametrize("version", VERSIONS)
def test_tracking_backwards_agrees(version: str):
    """Backwards is forwards over frames that come in reverse: only distances count."""
    tracker = Tracker(model(version))
    for index in range(9, 2, -1):
        prompts = [click(210, 350)] if index == 9 else []
        decoded = step(tracker, index, *prompts)[1]
        assert_agrees(decoded, version, f"track_rev.f{index}.o1", 9 - index)


@pytest.mark.parametrize("version", VERSIONS)
def test_many_conditioning_frames_and_no_overlap_agree(version: str):
    """Clicks on four frames of which two are read, future ones too; masks do not overlap."""
    tracker = Tracker(model(version), TrackerConfig(max_attended=2, kept_frames=9))
    kept = [keep(tracker, index) for index in range(9)]
    places = {0: (210, 350), 2: (220, 340), 4: (230, 330), 6: (240, 330)}
    answers = {index: answer(tracker, click(*at, pts=index)) for index, at in places.items()}
    given = answer(tracker, Prompt(2, 0, mask=MASK))
    for index in range(9):
        rows = {1: answers[index]} if index in places else {}
        rows |= {2: given} if index == 0 else {}
        rows |= find(tracker, kept[index], {1, 2} - rows.keys())
        for track_id, decoded in rows.items():
            assert_agrees(decoded, version, f"track_mc.f{index}.o{track_id}", index)
        low = torch.stack([rows[1].mask_logits, rows[2].mask_logits])
        areas = (suppress_overlap(to_frame(low, HEIGHT, WIDTH)) > 0).sum((1, 2))
        error = np.abs(areas.numpy() - official(version)[f"track_mc.f{index}.video_area"])
        assert (error < 0.002 * WIDTH * HEIGHT).all()


def answer(tracker: Tracker, prompt: Prompt) -> Decoded:
    """Prompts a kept frame, the newest or not."""
    said = tracker._begin(prompt)
    question = tracker._question(said)  # without looking for the track first
    [answered] = reply(tracker._calls, [question])
    tracker._take_in(said, question.prompt, answered)
    return answered.seen.decoded


HEADS = {
    "click_multi": (click(210, 350), True),
    "click_single": (click(210, 350), False),
    "box": (BOX, False),
}


@pytest.mark.skipif(not SHARED.exists(), reason="the golden data is not beside this checkout")
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", HEADS)
def test_the_prompt_heads_agree(name: str, version: str):
    prompt, is_ambiguous = HEADS[name]
    sam2, data = model(version), official(version)
    embedding = sam2.encode_image(to_input(frame(0), 256, torch.device("cpu"), torch.float32))
    feature = sam2.without_memory(embedding.feature)
    tensors = to_tensors(prompt, None, 256, torch.device("cpu"))
    decoded = sam2.decode_masks(
        feature, embedding.high_resolution, tensors, is_ambiguous=is_ambiguous
    )
    best = data[f"heads.{name}.iou"].argmax()
    np.testing.assert_allclose(
        decoded.mask_logits[0].numpy(),
        data[f"heads.{name}.low_res_multimasks"][best],
        atol=1e-3,
    )
    np.testing.assert_allclose(decoded.iou.numpy(), data[f"heads.{name}.iou"][[best]], atol=1e-4)
    np.testing.assert_allclose(
        decoded.object_pointer[0].numpy(), data[f"heads.{name}.obj_ptr"], atol=1e-3
    )


@pytest.mark.parametrize("version", VERSIONS)
def test_a_second_click_on_the_mask_so_far_agrees(version: str):
    sam2, data = model(version), official(version)
    embedding = sam2.encode_image(to_input(frame(0), 256, torch.device("cpu"), torch.float32))
    candidates = data["heads.click_multi.low_res_multimasks"]
    previous = torch.from_numpy(candidates[data["heads.click_multi.iou"].argmax()])
    two = Prompt(1, points=(*click(210, 350).points, *click(250, 220, is_positive=False).points))
    tensors = to_tensors(two, previous, 256, torch.device("cpu"))
    decoded = track_step(sam2, embedding, None, tensors).decoded
    key = "heads.click2_with_prev_mask"
    np.testing.assert_allclose(
        decoded.mask_logits.numpy(), data[f"{key}.low_res_multimasks"], atol=1e-3
    )
    np.testing.assert_allclose(decoded.object_pointer[0].numpy(), data[f"{key}.obj_ptr"], atol=1e-3)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_given_mask_agrees(version: str):
    sam2, data = model(version), official(version)
    embedding = sam2.encode_image(to_input(frame(0), 256, torch.device("cpu"), torch.float32))
    mask = to_mask(Prompt(2, mask=MASK), 256)
    assert mask.sum().item() == data["heads.mask_in.area"].item()
    decoded = sam2.adopt_mask(embedding, torch.cat([mask, torch.zeros_like(mask)]))
    key = "heads.mask_as_output"
    np.testing.assert_allclose(decoded.mask_logits[0].numpy(), data[f"{key}.low_res"], atol=1e-3)
    for row, name in enumerate(["mask_as_output", "empty_mask_as_output"]):
        np.testing.assert_allclose(
            decoded.object_pointer[row].numpy(), data[f"heads.{name}.obj_ptr"], atol=1e-3
        )
        assert decoded.object_score[row].item() == data[f"heads.{name}.object_score"].item()
