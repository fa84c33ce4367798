"""A clip's prompts in a JSON file: what a user says of which track on which frame, in pixels."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.clip import ClipError, read_mask_png
from sam2_rt.tracking.prompt import Point, Prompt, PromptError

MAX_TRACK_ID: Final = 255
"""Track ids are the pixels of PNGs with a palette, whose 0 is the background."""

_FIELDS: Final = frozenset({"frame", "track_id", "points", "box", "mask"})


class PromptListError(ValueError):
    """A file that is no list of prompts; the message names the entry and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class PromptList:
    """The prompts of a clip."""

    by_frame: dict[int, tuple[Prompt, ...]]
    """Of each frame that has any, by its index, in the order of the file."""
    mask_folders: frozenset[Path]
    """Where the masks were read from."""

    @property
    def track_ids(self) -> set[int]:
        """All tracks that are spoken of."""
        return {prompt.track_id for prompts in self.by_frame.values() for prompt in prompts}

    def beyond(self, num_frames: int) -> list[int]:
        """Frames with prompts that a clip of num_frames does not have."""
        return sorted(index for index in self.by_frame if index >= num_frames)


def read_prompts(path: Path, size: tuple[int, int]) -> PromptList:
    """Reads a list of {"frame", "track_id", "points", "box", "mask"}.

    Coordinates are pixels of frames of `size` (width, height); a mask is the name of a PNG beside
    the list. Points are [x, y, 1 or 0], a box is [x0, y0, x1, y1]; any of the three may be given.
    Raises PromptListError.
    """
    try:
        entries = json.loads(path.read_text())
    except RecursionError as error:
        raise PromptListError(f"{path} is nested too deep") from error
    except (OSError, ValueError) as error:
        raise PromptListError(f"{path} is no JSON file: {error}") from error
    if not isinstance(entries, list) or not entries:
        raise PromptListError(f"{path} holds no list of prompts")
    by_frame: dict[int, tuple[Prompt, ...]] = {}
    for number, entry in enumerate(entries):
        try:
            frame, prompts = _read_entry(entry, size, path.parent)
        # RecursionError: what was just shallow enough to read may be too deep to print.
        except (PromptError, ClipError, PromptListError, RecursionError) as error:
            raise PromptListError(
                f"{path}, entry {number} of 0..{len(entries) - 1}: {error}"
            ) from error
        by_frame[frame] = (*by_frame.get(frame, ()), *prompts)
    masks = (entry["mask"] for entry in entries if entry.get("mask") is not None)
    return PromptList(by_frame, frozenset((path.parent / mask).parent for mask in masks))


def _read_entry(entry: Any, size: tuple[int, int], folder: Path) -> tuple[int, list[Prompt]]:
    """The frame and, as a mask stands alone, up to two prompts: first the mask, then the rest."""
    if not isinstance(entry, dict):
        raise PromptListError("not an object")
    unknown = sorted(entry.keys() - _FIELDS)
    if unknown:
        raise PromptListError(
            f"unknown field {unknown[0]!r}; there are {', '.join(sorted(_FIELDS))}"
        )
    frame = _whole(entry, "frame", 0, None)
    track_id = _whole(entry, "track_id", 1, MAX_TRACK_ID)
    points = tuple(_point(point, size) for point in _items(entry.get("points"), "points"))
    box = _box(entry["box"], size) if entry.get("box") is not None else None
    prompts = []
    if entry.get("mask") is not None:
        prompts.append(Prompt(track_id, mask=_mask(entry["mask"], track_id, size, folder)))
    if points or box is not None or not prompts:  # Prompt itself refuses an entry without any
        prompts.append(Prompt(track_id, points=points, box=box))
    return frame, prompts


def _whole(entry: dict[str, Any], field: str, low: int, high: int | None) -> int:
    value = entry.get(field)
    if type(value) is not int or value < low or (high is not None and value > high):
        bounds = f"from {low} to {high}" if high is not None else f"of at least {low}"
        raise PromptListError(f"{field} is {value!r}, not a whole number {bounds}")
    return value


def _items(value: Any, field: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise PromptListError(f"{field} is {value!r}, not a list")
    return value


def _point(value: Any, size: tuple[int, int]) -> Point:
    if not isinstance(value, list) or len(value) != 3 or value[2] not in (0, 1):
        raise PromptListError(f"point {value!r} is not [x, y, 1 or 0]")
    x, y = _fractions(value[:2], size, f"point {value!r}")
    return Point(x, y, is_positive=bool(value[2]))


def _box(value: Any, size: tuple[int, int]) -> tuple[float, float, float, float]:
    if not isinstance(value, list) or len(value) != 4:
        raise PromptListError(f"box {value!r} is not [x0, y0, x1, y1]")
    x0, y0, x1, y1 = _fractions(value, size, f"box {value!r}")
    if not (x0 < x1 and y0 < y1):
        raise PromptListError(f"box {value!r} is empty: x0 < x1 and y0 < y1 are needed")
    return x0, y0, x1, y1


def _fractions(values: Iterable[Any], size: tuple[int, int], what: str) -> list[float]:
    """Pixels x, y, x, y... -> 0..1 of the frame."""
    fractions = []
    for position, value in enumerate(values):
        side = size[position % 2]
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not 0 <= value <= side:  # NaN is not either
            raise PromptListError(f"{what} is not within the frame of {size[0]} x {size[1]} pixels")
        fractions.append(value / side)
    return fractions


def _mask(value: Any, track_id: int, size: tuple[int, int], folder: Path) -> NDArray[np.bool_]:
    if not isinstance(value, str):
        raise PromptListError(f"mask {value!r} is not the name of a PNG")
    mask = read_mask_png(folder / value, track_id)
    height, width = mask.shape
    if (width, height) != size:
        raise PromptListError(
            f"mask {value} is {width} x {height}, the frame {size[0]} x {size[1]}"
        )
    return mask
