"""What `helm test` runs in the image: offers a video, clicks, and waits for a mask."""
# ruff: noqa: INP001 (a program of its own)

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from fractions import Fraction

import av
import jwt
import numpy as np

from streamer.client import Client, ClientError, Point, Unauthorised

FPS = 15


async def frames() -> AsyncIterator[av.VideoFrame]:
    """A bright disc on a dark ground."""
    y, x = np.mgrid[:192, :320]
    disc = (x - 160) ** 2 + (y - 96) ** 2 < 50**2
    picture = np.where(disc[..., None], (230, 60, 40), (20, 30, 40)).astype(np.uint8)
    index = 0
    while True:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, FPS)
        yield frame
        index += 1
        await asyncio.sleep(1 / FPS)


def token() -> str | None:
    """The one that is given, or one that is made with the service's own secret."""
    secret = os.environ.get("STREAMER_TOKEN_SECRET")
    if secret is None:
        return os.environ.get("STREAMER_TOKEN")
    claims: dict[str, object] = {"exp": int(time.time()) + 600, "sub": "helm-test"}
    if audience := os.environ.get("STREAMER_TOKEN_AUDIENCE"):
        claims["aud"] = audience
    return jwt.encode(claims, secret, "HS256")


async def get_a_mask(url: str) -> str:
    """Returns once one came that is not empty."""
    async with Client(url, frames(), token=token(), resume_s=0) as client:
        await client.prompt(1, points=[Point(0.5, 0.5)])
        async for masks in client.masks():
            for track in masks.frame.objects:
                if track.mask.any():
                    return f"a mask of {int(track.mask.sum())} cells in frame {masks.frame.index}"
    raise ClientError("the service ended the session")


async def main() -> None:
    """Tries again until the time is over: a pod may be full, or just start."""
    url, words = os.environ["STREAMER_URL"], "nothing yet"
    try:
        async with asyncio.timeout(float(os.environ["STREAMER_TEST_SECONDS"])):
            while True:
                try:
                    print(await get_a_mask(url))  # noqa: T201 a program's output
                except Unauthorised as error:  # which does not get better
                    sys.exit(f"{url} does not take the token: {error}")
                except ClientError as error:
                    words = f"{type(error).__name__}: {error}"
                    await asyncio.sleep(2)
                else:
                    return
    except TimeoutError:
        sys.exit(f"no mask from {url}; the last answer was {words}")


if __name__ == "__main__":
    asyncio.run(main())
