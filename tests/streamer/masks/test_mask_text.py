import json

import numpy as np
import pytest
from pycocotools import mask as coco

from sam2_rt import rle
from streamer.masks import mask_text
from streamer.masks.mask_frame import MaskFrame, ObjectMask, ObjectState


def frame(*masks: np.ndarray, index: int = 7) -> MaskFrame:
    objects = tuple(
        ObjectMask(n + 1, ObjectState(n % 3), 0.91234, 1.0, mask) for n, mask in enumerate(masks)
    )
    return MaskFrame(index, (1 << 32) - 1, 0, None, 0, 3, objects)


def ellipse(height: int = 360, width: int = 640) -> np.ndarray:
    y, x = np.ogrid[:height, :width]
    return ((x / width - 0.4) / 0.2) ** 2 + ((y / height - 0.5) / 0.3) ** 2 < 1


def test_it_is_json_that_coco_reads():
    text = mask_text.encode(frame(ellipse(), np.zeros((360, 640), bool)), 1 << 40, 2500, 0.0)
    said = json.loads(text)
    assert (said["index"], said["rtp_timestamp"], said["dropped"]) == (7, (1 << 32) - 1, 3)
    assert said["pts"] == 1 << 40, "it does not wrap"
    assert said["returned_rtp_timestamp"] is said["prompt_seq"] is None
    assert said["age_ms"] > 0
    first, second = said["objects"]
    assert (first["track_id"], first["state"], first["iou"]) == (1, "visible", 0.912)
    assert second["state"] == "occluded"
    assert coco.area(first["segmentation"]) == ellipse()[1::2, 1::2].sum()
    cells = rle.from_json(first["segmentation"])
    assert cells.shape == (180, 320)
    assert np.array_equal(cells, ellipse()[1::2, 1::2])
    assert coco.area(second["segmentation"]) == 0


@pytest.mark.parametrize("room", [2500, 1000, 600])
def test_it_stays_within_its_room(room: int):
    random = np.random.default_rng(0)
    masks = [random.random((360, 640)) > 0.5 for _ in range(9)]
    text = mask_text.encode(frame(*masks), (1 << 63) - 1, room, 0.0)
    assert len(text.encode()) <= room
    said = json.loads(text)
    assert said["is_overloaded"]
    assert len(said["objects"]) < 9


def test_a_frame_without_objects_says_so():
    assert json.loads(mask_text.encode(frame(), 0, 600, 0.0))["objects"] == []
