"""Short films for sources to read, made by PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

WIDTH, HEIGHT = 64, 48


def write_film(path: Path, num_frames: int = 30, fps: int = 30, codec: str = "libx264") -> Path:
    """Frame n is of grey 60 + 4 * (n % 30)."""
    with av.open(path, "w") as film:
        video = film.add_stream(codec, rate=fps, options={"preset": "ultrafast", "g": "5"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for index in range(num_frames):
            planes = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
            planes[:HEIGHT] = 60 + 4 * (index % 30)
            picture = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            picture.pts, picture.time_base = index, Fraction(1, fps)
            film.mux(video.encode(picture))
        film.mux(video.encode(None))
    return path
