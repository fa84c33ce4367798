import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fake_engine import NO_LOGITS
from sam2_rt.engine import StepResult, TrackMask, TrackState
from sam2_rt.tracking.frame import Frame
from streamer.masks import mask_frame, mask_message
from streamer.masks.mask_frame import ObjectState


def test_a_step_is_told_in_the_words_of_the_wire(monkeypatch: pytest.MonkeyPatch):
    now_s = 100.0

    def encode_slowly(*parts: Any) -> bytes:
        nonlocal now_s
        now_s += 0.002
        return mask_frame.encode(*parts)

    monkeypatch.setattr("streamer.masks.mask_message.encode", encode_slowly)
    monkeypatch.setattr(
        "streamer.masks.mask_message.time", SimpleNamespace(monotonic=lambda: now_s)
    )
    planes = tuple(np.zeros(size, np.uint8) for size in ((10, 20), (5, 10), (5, 10)))
    mask = np.zeros((10, 20), np.bool_)
    mask[2:5, 3:9] = True
    states = (TrackState.VISIBLE, TrackState.OCCLUDED, TrackState.LOST)
    masks = tuple(
        TrackMask(i + 1, s, object_score, 0.5, mask, NO_LOGITS)
        for i, (s, object_score) in enumerate(zip(states, (0.0, 1e9, -1e9), strict=True))
    )
    result = StepResult(6, 90, masks, (), (), (), 7)
    facts = mask_message.Facts(in_rtp=1, out_rtp=2, prompt_seq=None, arrived_s=99.998, dropped=5)
    read = mask_frame.decode(mask_message.write(Frame(90, planes), result, facts, 2500))
    assert (read.index, read.in_rtp, read.out_rtp, read.age_ms, read.dropped) == (6, 1, 2, 4, 5)
    assert [o.state for o in read.objects] == list(ObjectState)
    assert [o.presence for o in read.objects] == pytest.approx([0.5, 1.0, 0.0], abs=1 / 255)
    assert np.array_equal(read.objects[0].mask, mask)
    text = json.loads(mask_message.write_text(Frame(90, planes), result, facts, 2500))
    assert [item["state"] for item in text["objects"]] == ["visible", "occluded", "lost"]
    assert (text["index"], text["rtp_timestamp"], text["returned_rtp_timestamp"]) == (6, 1, 2)
