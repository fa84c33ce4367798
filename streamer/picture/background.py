"""The uploaded background: a picture's file to pixels, and pixels to the planes of a frame."""

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from streamer.message import ProtocolError

MAX_PIXELS: Final = 1 << 20
"""Of an uploaded picture: 1280 x 720 and a little. Few bytes can claim many pixels."""
_FORMATS: Final = ("JPEG", "PNG", "WEBP")


def read_image(file: bytes) -> NDArray[np.uint8]:
    """A picture's file -> RGB [h, w, 3], upright; milliseconds.

    Raises ProtocolError `bad_image` for what is no picture of at most MAX_PIXELS.
    """
    try:
        with Image.open(io.BytesIO(file), formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:  # known before anything is decoded
                size = f"{picture.width} x {picture.height}"
                raise ProtocolError(
                    "bad_image", f"a picture of {size}, at most {MAX_PIXELS} pixels"
                )
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        # Pillow's words for files that are no picture, cut off or broken.
        raise ProtocolError("bad_image", f"no JPEG, PNG or WebP picture: {error}") from error


def fill(image: NDArray[np.uint8], height: int, width: int) -> tuple[NDArray[np.uint8], ...]:
    """RGB [h, w, 3] -> planes of I420, limited range (BT.601), scaled until they fill a frame.

    What lies beyond the frame is cut off evenly on both sides.
    """
    fitted = ImageOps.fit(Image.fromarray(image), (width, height), Image.Resampling.BICUBIC)
    full = fitted.convert("YCbCr").split()  # JPEG's range, 0..255
    luma, blue, red = full[0], full[1].reduce(2), full[2].reduce(2)
    return (_narrow(luma, 219, 16), _narrow(blue, 224, 16), _narrow(red, 224, 16))


def _narrow(plane: Image.Image, span: int, zero: int) -> NDArray[np.uint8]:
    """A plane of bytes 0..255 -> zero..zero + span."""
    return np.asarray(plane.point([round(zero + span * value / 255) for value in range(256)]))
