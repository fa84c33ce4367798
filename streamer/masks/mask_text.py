"""Mask messages as text, for programs that would rather not read SMSK: JSON, COCO's run lengths.

    {"index": 7, "pts": 93000, "rtp_timestamp": 1093000, "returned_rtp_timestamp": 500,
     "prompt_seq": 3, "age_ms": 41, "dropped": 0, "is_overloaded": false, "objects": [
       {"track_id": 1, "state": "visible", "iou": 0.91, "presence": 0.99,
        "segmentation": {"size": [180, 320], "counts": "..."}}]}

`size` is that of the grid, rows and columns; the grid covers the whole frame. `counts` is what
pycocotools writes. `pts` is when the frame was captured, in ticks of 1/90000 s: of a file the place
in it, of a camera since the session began; unlike RTP timestamps it does not wrap. Other values
mean the same as in mask_frame.MaskFrame, null where that has none.
"""

import json
import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt import rle
from streamer.masks.mask_frame import MaskFrame, ObjectMask
from streamer.masks.mask_grid import fit

_HEAD_BYTES: Final = 250
"""Of all but the objects, at most."""
_MAX_OBJECTS: Final = 255


def encode(frame: MaskFrame, pts: int, room: int, arrived_s: float) -> str:
    """The text of a frame in at most `room` bytes; its age is from arrived_s, monotonic, to now."""

    def write(number: int, cells: NDArray[np.bool_]) -> bytes:
        return _object(frame.objects[number], cells).encode() + b","

    masks = [item.mask for item in frame.objects]
    fitted = fit(masks, room - _HEAD_BYTES, _MAX_OBJECTS, frame.index, write)
    head = {
        "index": frame.index,
        "pts": pts,
        "rtp_timestamp": frame.in_rtp,
        "returned_rtp_timestamp": frame.out_rtp or None,
        "prompt_seq": frame.prompt_seq,
        "age_ms": round(1000 * (time.monotonic() - arrived_s)),
        "dropped": frame.dropped,
        "is_overloaded": fitted.is_reduced,
    }
    objects = b"".join(fitted.items).decode().removesuffix(",")
    return f'{json.dumps(head)[:-1]}, "objects": [{objects}]}}'


def _object(item: ObjectMask, cells: NDArray[np.bool_]) -> str:
    return json.dumps(
        {
            "track_id": item.track_id,
            "state": item.state.name.lower(),
            "iou": round(item.iou, 3),
            "presence": round(item.presence, 3),
            "segmentation": rle.to_json(cells),
        }
    )
