"""An engine without a model: every prompted track is a disc around its last point or box."""

import dataclasses
import sys
from collections.abc import Sequence
from types import SimpleNamespace

import numpy as np

from sam2_rt.engine import (
    Adopted,
    Applied,
    EventKind,
    Refused,
    StepRequest,
    StepResult,
    TrackEvent,
    TrackMask,
    TrackState,
)
from sam2_rt.tracking.frame import Frame
from sam2_rt.tracking.prompt import Prompt, Undo

NO_LOGITS = np.zeros((0, 0), np.float32)
"""Where a test looks at masks only."""


class Stream:
    """What a stream has been told."""

    def __init__(self) -> None:
        self.index = -1
        self.centres: dict[int, tuple[float, float]] = {}
        self.words: dict[int, list[tuple[float, float]]] = {}
        self.pts_of: dict[int, int] = {}


class FakeEngine:
    info = SimpleNamespace(
        model="fake", image_size=32, device="cpu", is_trained=False, max_tracks=2
    )

    def __init__(self) -> None:
        self.streams: dict[int, Stream] = {}
        self.parked: dict[int, Stream] = {}
        self.num_opened = 0
        self.batch_sizes: list[int] = []

    def open(self) -> int:
        self.num_opened += 1
        self.streams[self.num_opened] = Stream()
        return self.num_opened

    def close(self, stream_id: int) -> None:
        del (self.parked if stream_id in self.parked else self.streams)[stream_id]

    def park(self, stream_id: int) -> tuple[int, ...]:
        stream = self.streams.pop(stream_id)
        if stream.centres:
            self.parked[stream_id] = stream
        stream.pts_of = {}
        return tuple(sorted(stream.centres))

    def adopt(self, stream_id: int) -> Adopted | None:
        stream = self.parked.pop(stream_id, None)
        if stream is None:
            return None
        self.streams[stream_id] = stream
        return Adopted(tuple(sorted(stream.centres)), stream.index + 1)

    def step(self, requests: Sequence[StepRequest]) -> list[StepResult | Exception]:
        self.batch_sizes.append(len(requests))
        answers = [self._step(request) for request in requests]
        return [
            dataclasses.replace(answer, batch_frames=len(requests))
            if isinstance(answer, StepResult)
            else answer
            for answer in answers
        ]

    def _step(self, request: StepRequest) -> StepResult | Exception:
        stream = self.streams[request.stream_id]
        if any(prompt.track_id == 666 for prompt in request.prompts):
            return RuntimeError("the number of the beast")
        stream.index += 1
        stream.pts_of = {**dict(list(stream.pts_of.items())[-7:]), request.frame.pts: stream.index}
        before = set(stream.centres)
        removals = tuple(self._remove(stream, track_id) for track_id in request.removals)
        left = set(stream.centres)
        prompts = tuple(self._take_up(stream, prompt) for prompt in request.prompts)
        gone = (before - left) | (left - set(stream.centres))
        changes = [(EventKind.REMOVED, t) for t in sorted(gone)]
        changes += [(EventKind.ADDED, t) for t in sorted(set(stream.centres) - left)]
        return StepResult(
            index=stream.index,
            pts=request.frame.pts,
            masks=tuple(_disc(request.frame, t, c) for t, c in sorted(stream.centres.items())),
            events=tuple(TrackEvent(kind, t, stream.index) for kind, t in changes),
            removals=removals,
            prompts=prompts,
            encoder_calls=stream.index + 1,
            encode_s=1e-6,
        )

    def _take_up(self, stream: Stream, said: Prompt | Undo) -> Applied | Refused:
        return (self._undo if isinstance(said, Undo) else self._prompt)(stream, said)

    def _undo(self, stream: Stream, said: Undo) -> Applied | Refused:
        words = stream.words.get(said.track_id, [])
        if len(words) < 2:
            return self._remove(stream, said.track_id)
        words.pop()
        stream.centres[said.track_id] = words[-1]
        return Applied(said.track_id, stream.index, is_exact=True)

    def _remove(self, stream: Stream, track_id: int) -> Applied | Refused:
        stream.words.pop(track_id, None)
        if stream.centres.pop(track_id, None) is None:
            return Refused(track_id, "unknown_track", f"no track {track_id}")
        return Applied(track_id, stream.index, is_exact=True)

    def _prompt(self, stream: Stream, prompt: Prompt) -> Applied | Refused:
        if prompt.track_id not in stream.centres and len(stream.centres) == self.info.max_tracks:
            return Refused(prompt.track_id, "too_many_tracks", "at most 2 tracks")
        stream.centres[prompt.track_id] = _centre(prompt)
        stream.words.setdefault(prompt.track_id, []).append(_centre(prompt))
        index = stream.pts_of.get(prompt.pts, stream.index)
        is_exact = prompt.pts is None or prompt.pts in stream.pts_of
        return Applied(prompt.track_id, index, is_exact)


def _centre(prompt: Prompt) -> tuple[float, float]:
    if prompt.box is not None:
        x0, y0, x1, y1 = prompt.box
        return (x0 + x1) / 2, (y0 + y1) / 2
    if prompt.mask is not None:
        y, x = (np.mean(where) for where in np.nonzero(prompt.mask))
        return x / prompt.mask.shape[1], y / prompt.mask.shape[0]
    return prompt.points[-1].x, prompt.points[-1].y


def _disc(frame: Frame, track_id: int, centre: tuple[float, float]) -> TrackMask:
    y, x = np.ogrid[: frame.height, : frame.width]
    away = (x - centre[0] * frame.width) ** 2 + (y - centre[1] * frame.height) ** 2
    mask = away < (frame.height / 5) ** 2
    v, u = (np.arange(64) + 0.5) / 64, (np.arange(64) + 0.5) / 64
    far = (u[None] - centre[0]) ** 2 * frame.width**2 + (
        v[:, None] - centre[1]
    ) ** 2 * frame.height**2
    logits = np.where(far < (frame.height / 5) ** 2, 8.0, -8.0).astype(np.float32)
    return TrackMask(track_id, TrackState.VISIBLE, 3.0, 0.9, mask, logits)


def main() -> int:
    """For work on the page and the client: `python tests/streamer/fake_engine.py PORT`."""
    from streamer.config import Settings  # noqa: PLC0415
    from streamer.server import Server  # noqa: PLC0415

    settings = Settings(port=int(sys.argv[1]))
    tell = lambda url: print(url, flush=True)  # noqa: E731, T201 (a program's output)
    return Server(settings, FakeEngine, tell, lambda _: None).run_to_end()


if __name__ == "__main__":
    sys.exit(main())
