"""The binary mask message "SMSK" version 1: all tracks of one frame, little endian. No torch."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from streamer.masks.mask_budget import MESSAGE_BYTES
from streamer.masks.mask_grid import MAX_GRID, first_stride, fit
from streamer.masks.row_runs import RowRunsError, decode_runs, encode_runs

MAX_BYTES: Final = 16_384
"""Of a message that is read."""

NO_PROMPT: Final = 0xFFFF_FFFF

_MAGIC: Final = b"SMSK"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<4s4B4I4H")
_AGE_AT: Final = 28
"""Offset of the age in the header."""
_OBJECT: Final = struct.Struct("<H4B4HIH")
_KEYFRAME: Final = 1 << 1
_OVERLOADED: Final = 1 << 3
_MAX_OBJECTS: Final = 255
"""The count has one byte."""
_NO_MASK: Final = 0
_ROW_XOR_RUNS: Final = 1


class MaskFrameError(ValueError):
    """Bytes that are no mask message; the message says why."""


class ObjectState(IntEnum):
    """Where a track is in its life, as the wire numbers it."""

    VISIBLE = 0
    OCCLUDED = 1
    LOST = 2


@dataclass(frozen=True, slots=True, eq=False)
class ObjectMask:
    """One track in one frame."""

    track_id: int
    state: ObjectState
    iou: float
    """Predicted by the model, 0..1; travels in 255ths."""
    presence: float
    """Probability that the object is in the frame, 0..1; travels in 255ths."""
    mask: NDArray[np.bool_]
    """[H, W] at the size of the frame to encode; [grid_height, grid_width] when decoded."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskFrame:
    """What one frame's message says."""

    index: int
    """0, 1, 2... as processed."""
    in_rtp: int
    """RTP timestamp of the frame as the client sent it, 32 bits."""
    out_rtp: int
    """RTP timestamp of the same frame on the returned track; 0: none was sent yet."""
    prompt_seq: int | None
    """Of the last prompt carried out."""
    age_ms: int
    """From the frame's arrival to this message; 65535 is that or more."""
    dropped: int
    """Frames that arrived and were not processed since the last message; saturates at 65535."""
    objects: tuple[ObjectMask, ...] = ()
    grid_width: int = 0
    """Set by the decoder; the encoder chooses the grid from the size of the masks."""
    grid_height: int = 0
    is_overloaded: bool = False
    """The masks did not fit: the grid is coarser, or objects were left out."""


def encode(frame: MaskFrame, height: int, width: int, room: int = MESSAGE_BYTES) -> bytes:
    """The message of a frame of height x width pixels, the size of all its masks, in `room` bytes.

    The grid is as fine as there is room for. When the coarsest does not do, objects take turns from
    message to message, and the message says that it is overloaded.
    """

    def write(number: int, cells: NDArray[np.bool_]) -> bytes:
        return _encode_object(frame.objects[number], cells)

    masks = [item.mask for item in frame.objects]
    fitted = fit(masks, room - _HEADER.size, _MAX_OBJECTS, frame.index, write)
    stride = fitted.stride if masks else first_stride(height, width)
    header = _HEADER.pack(
        _MAGIC,
        _VERSION,
        _KEYFRAME | (_OVERLOADED if frame.is_overloaded or fitted.is_reduced else 0),
        len(fitted.items),
        _HEADER.size,
        frame.index & 0xFFFF_FFFF,
        frame.in_rtp,
        frame.out_rtp,
        NO_PROMPT if frame.prompt_seq is None else frame.prompt_seq,
        -(-width // stride),
        -(-height // stride),
        min(frame.age_ms, 0xFFFF),
        min(frame.dropped, 0xFFFF),
    )
    return b"".join([header, *fitted.items])


def with_age(message: bytes, age_ms: int) -> bytes:
    """The message of encode() with another age: encoding takes time, which belongs to it."""
    age = min(age_ms, 0xFFFF).to_bytes(2, "little")
    return message[:_AGE_AT] + age + message[_AGE_AT + 2 :]


def decode(data: bytes) -> MaskFrame:
    """A message -> its frame, masks on the grid. Work is bounded by MAX_BYTES and MAX_GRID.

    Raises MaskFrameError for anything that encode() does not write.
    """
    if not _HEADER.size <= len(data) <= MAX_BYTES:
        raise MaskFrameError(f"{len(data)} bytes, where {_HEADER.size}..{MAX_BYTES} are possible")
    fields = _HEADER.unpack_from(data)
    magic, version, flags, num_objects, header_size = fields[:5]
    index, in_rtp, out_rtp, prompt_seq, grid_width, grid_height, age_ms, dropped = fields[5:]
    if magic != _MAGIC or version != _VERSION or header_size < _HEADER.size:
        raise MaskFrameError(f"no SMSK message of version {_VERSION}: {data[:8].hex()}")
    if not (1 <= grid_width <= MAX_GRID and 1 <= grid_height <= MAX_GRID):
        raise MaskFrameError(f"a grid of {grid_width} x {grid_height}, at most {MAX_GRID}")
    objects, end = [], header_size
    for _ in range(num_objects):
        decoded, end = _decode_object(data, end, (grid_height, grid_width))
        objects.append(decoded)
    if end != len(data):
        raise MaskFrameError(f"{len(data)} bytes, where the objects end at {end}")
    return MaskFrame(
        index=index,
        in_rtp=in_rtp,
        out_rtp=out_rtp,
        prompt_seq=None if prompt_seq == NO_PROMPT else prompt_seq,
        age_ms=age_ms,
        dropped=dropped,
        objects=tuple(objects),
        grid_width=grid_width,
        grid_height=grid_height,
        is_overloaded=bool(flags & _OVERLOADED),
    )


def _encode_object(item: ObjectMask, cells: NDArray[np.bool_]) -> bytes:
    """Cells [grid_height, grid_width] -> the object's head and payload."""
    rows = np.flatnonzero(cells.any(axis=1))
    head = (item.track_id, item.state)
    scores = (_to_byte(item.iou), _to_byte(item.presence))
    if not rows.size:
        return _OBJECT.pack(*head, _NO_MASK, *scores, 0, 0, 0, 0, 0, 0)
    columns = np.flatnonzero(cells.any(axis=0))
    y, x = int(rows[0]), int(columns[0])
    box = cells[y : int(rows[-1]) + 1, x : int(columns[-1]) + 1]
    payload = encode_runs(box)
    if len(payload) > 0xFFFF:  # cannot fit any message either: fit() leaves it out
        return payload
    extent = (x, y, box.shape[1], box.shape[0], int(np.count_nonzero(box)), len(payload))
    return _OBJECT.pack(*head, _ROW_XOR_RUNS, *scores, *extent) + payload


def _decode_object(data: bytes, start: int, grid: tuple[int, int]) -> tuple[ObjectMask, int]:
    """The object that begins at start, and where it ends."""
    if start + _OBJECT.size > len(data):
        raise MaskFrameError(f"an object's head at {start} of {len(data)} bytes")
    track_id, state, codec, iou, presence, *box, area, size = _OBJECT.unpack_from(data, start)
    begin = start + _OBJECT.size
    if begin + size > len(data):
        raise MaskFrameError(f"a payload of {size} bytes at {begin} of {len(data)}")
    if state > max(ObjectState) or codec not in (_NO_MASK, _ROW_XOR_RUNS):
        raise MaskFrameError(f"state {state}, codec {codec}")
    cells = np.zeros(grid, np.bool_)
    if codec == _ROW_XOR_RUNS:
        x, y, w, h = box
        if w < 1 or h < 1 or y + h > grid[0] or x + w > grid[1]:
            raise MaskFrameError(f"box {box} on a grid of {grid[1]} x {grid[0]}")
        try:
            cells[y : y + h, x : x + w] = decode_runs(data[begin : begin + size], h, w)
        except RowRunsError as error:
            raise MaskFrameError(str(error)) from error
    if np.count_nonzero(cells) != area:
        raise MaskFrameError(f"area {area}, where the mask has {np.count_nonzero(cells)} cells")
    item = ObjectMask(track_id, ObjectState(state), iou / 255, presence / 255, cells)
    return item, begin + size


def _to_byte(value: float) -> int:
    """0..1 -> 0..255, held in range; a NaN is 0."""
    return round(255 * min(max(value, 0.0), 1.0)) if value == value else 0  # noqa: PLR0124 (NaN)
