"""Output: what a viewer gets back, chosen with the offer and changed live. No torch."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints, ValidationError, model_validator

from streamer.message import Message, ProtocolError, Seq

MAX_IMAGE_BYTES: Final = 45_000
"""Of an uploaded picture's file: with base64 around it, it fits one control message."""

Colour = tuple[int, int, int]
"""Red, green, blue, 0..255."""

GREEN: Final[Colour] = (0, 177, 64)
"""What chroma keyers expect."""


class Mode(StrEnum):
    """What the returned video shows."""

    OVERLAY = "overlay"
    """Every track tinted and outlined in its colour."""
    MASKS = "masks"
    """No video at all: masks on the data channel only."""
    NONE = "none"
    """The picture as it came."""
    BLUR = "blur"
    """The tracked objects sharp, all else blurred."""
    REPLACE = "replace"
    """The tracked objects before a colour or a picture."""
    GREEN = "green"
    """The tracked objects before the green of chroma keyers."""
    CUTOUT = "cutout"
    """Twice as wide: the objects on black at the left, their alpha in grey at the right."""
    PIXELATE = "pixelate"
    """The tracked objects as a mosaic, all else as it came."""
    REDACT_BLUR = "redact-blur"
    """The tracked objects blurred beyond recognition, all else as it came."""
    SPOTLIGHT = "spotlight"
    """The tracked objects as they came, all else dim and grey."""


WITH_STRENGTH: Final = frozenset({Mode.BLUR, Mode.PIXELATE, Mode.REDACT_BLUR, Mode.SPOTLIGHT})
COVERING: Final = frozenset({Mode.PIXELATE, Mode.REDACT_BLUR})
"""Their objects must not be seen; all others show the objects and may hide the rest."""
HIDING: Final = frozenset({Mode.BLUR, Mode.REPLACE, Mode.GREEN})
"""Their background is not to be seen, not even while the objects are away."""


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """A mode with its options."""

    mode: Mode = Mode.OVERLAY
    strength: float = 0.5
    """0..1 of the modes in WITH_STRENGTH; even 0 does something."""
    colour: Colour = GREEN
    """Of the background in `replace` without an image, and in `green`."""
    image: NDArray[np.uint8] | None = None
    """Background in `replace`: RGB [h, w, 3], any size; fills the frame, the rest is cut off."""


class ConfigureMessage(Message):
    """Chooses the output; options of other modes are refused, so that nobody wonders."""

    type: Literal["configure"] = "configure"
    seq: Seq | None = None
    output: Annotated[Mode, Field(strict=False)]
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    """Of blur, pixelate, redact-blur and spotlight; None: the middle."""
    colour: Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    """Of replace: #rrggbb."""
    image: Annotated[str, StringConstraints(max_length=4 * MAX_IMAGE_BYTES // 3)] | None = None
    """Of replace: the file of a JPEG, PNG or WebP picture in base64 (RFC 4648, section 4)."""

    @model_validator(mode="after")
    def _check_options(self) -> Self:
        if self.strength is not None and self.output not in WITH_STRENGTH:
            raise ValueError(f"{self.output} has no strength")
        num_backgrounds = (self.colour is not None) + (self.image is not None)
        if num_backgrounds != (self.output is Mode.REPLACE):
            raise ValueError("replace takes a colour or an image, other modes neither")
        return self

    def to_output(self, image: NDArray[np.uint8] | None = None) -> Output:
        """The output, with the picture that read_image() made of image_file()."""
        output = Output(self.output, image=image)
        strength = output.strength if self.strength is None else self.strength
        colour = output.colour
        if self.colour is not None:
            colour = (
                int(self.colour[1:3], 16),
                int(self.colour[3:5], 16),
                int(self.colour[5:], 16),
            )
        return Output(self.output, strength, colour, image)

    def image_file(self) -> bytes:
        """The uploaded picture's file. Raises ProtocolError `bad_image` for bad base64."""
        assert self.image is not None
        try:
            return base64.b64decode(self.image, validate=True)
        except binascii.Error as error:
            raise ProtocolError(
                "bad_image", f"the image is no base64: {error}", self.seq
            ) from error


def from_query(parameters: Mapping[str, str]) -> Output:
    """`output`, `strength` and `colour` of an offer's address; without any, the default.

    A picture does not fit an address: it is sent live. Raises ProtocolError `bad_message`.
    """
    fields = {
        name: parameters[name] for name in ("output", "strength", "colour") if name in parameters
    }
    if not fields:
        return Output()
    try:
        return ConfigureMessage.model_validate_strings(fields).to_output()
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ProtocolError("bad_message", f"{place or 'output'}: {first['msg']}") from error
