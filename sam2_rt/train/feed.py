"""Feed: worker processes that make samples, and a bounded pool that batches are drawn from.

A sample is used several times, each time turned and lit anew and with other prompts: making one
costs about as much as learning from it on a CPU.
"""

import multiprocessing
import os
import queue
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.sample import Sample

MAX_WAITING = 8
"""Samples that each worker may be ahead of the pool."""
PATIENCE_S = 120.0
"""Without a sample for so long, the workers are taken for dead."""


class Maker(Protocol):
    """Whatever makes the n-th sample; the same one for the same seed."""

    def make(self, seed: int, num_frames: int) -> Sample:
        """A sample of that many frames."""
        ...

    @property
    def skipped(self) -> tuple[tuple[Skipped, int], ...]:
        """What could not be used so far, and how often."""
        ...


class FeedError(RuntimeError):
    """The workers died or make nothing."""


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """How samples are made and how often each is used."""

    num_frames: int
    first_seed: int
    workers: int = 1
    pool: int = 512
    """Samples that are kept."""
    reuse: int = 4
    """Times that each is drawn, on average, before it leaves."""


class Feed:
    """Draws batches from a pool that workers keep renewing."""

    def __init__(self, config: FeedConfig, build: Callable[[], Maker]) -> None:
        """`build` is called once in each worker, so it must be picklable."""
        self.config = config
        self.made = 0
        self._skipped: dict[int, Counter[Skipped]] = {}  # of each worker, which bounds them
        self._drawn = 0
        self._pool: list[Sample] = []
        self._random = random.Random(config.first_seed)  # noqa: S311 no secret
        context = multiprocessing.get_context("spawn")
        self._queue = context.Queue(maxsize=MAX_WAITING * config.workers)
        self._workers = [
            context.Process(target=_work, args=(config, build, i, self._queue), daemon=True)
            for i in range(config.workers)
        ]

    def __enter__(self) -> Self:
        for worker in self._workers:
            worker.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker in self._workers:
            worker.join()

    def draw(self, count: int) -> list[Sample]:
        """So many different samples, each turned and lit anew; waits only when it must."""
        self._take_made()
        # New samples are waited for when there are too few, or when the old ones are worn out.
        while len(self._pool) < count or self._drawn + count > self.config.reuse * self.made:
            self._add(self._receive())
        self._drawn += count
        rng = np.random.default_rng(self._random.getrandbits(32))
        return [vary(sample, rng) for sample in self._random.sample(self._pool, count)]

    @property
    def skipped(self) -> Counter[Skipped]:
        """What the workers could not use, and how often."""
        return sum(self._skipped.values(), Counter[Skipped]())

    def _take_made(self) -> None:
        """Takes what is there, so that samples are as fresh as the workers are fast."""
        for _ in range(MAX_WAITING):
            try:
                self._add(self._queue.get_nowait())
            except queue.Empty:
                return

    def _receive(self) -> "Packed":
        try:
            return self._queue.get(timeout=PATIENCE_S)
        except queue.Empty as empty:
            alive = sum(worker.is_alive() for worker in self._workers)
            raise FeedError(
                f"no sample in {PATIENCE_S:.0f} s; {alive} of {len(self._workers)} workers live"
            ) from empty

    def _add(self, packed: "Packed") -> None:
        sample = _unpack(packed)
        self._skipped[packed.worker] = Counter(dict(packed.skipped))
        if len(self._pool) < self.config.pool:
            self._pool.append(sample)
        else:
            self._pool[self.made % self.config.pool] = sample
        self.made += 1


def vary(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirrored half the time, played backwards where all is seen at the end, lit anew."""
    frames, masklets, ignored = sample.frames, sample.masklets, sample.ignored
    if rng.random() < 0.5:
        frames, masklets = frames[:, :, ::-1], masklets[..., ::-1]
        ignored = None if ignored is None else ignored[..., ::-1]
    if rng.random() < 0.5 and masklets[:, -1].any(axis=(1, 2)).all():
        frames, masklets = frames[::-1], masklets[:, ::-1]
        ignored = None if ignored is None else ignored[::-1]
    order = rng.permutation(len(masklets))  # whoever takes only the first few takes others
    return Sample(
        _relit(frames, rng),
        np.ascontiguousarray(masklets[order]),
        None if ignored is None else np.ascontiguousarray(ignored),
    )


def _relit(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another brightness, contrast, colour cast and gamma, the same in all frames."""
    if rng.random() < 0.2:
        return np.ascontiguousarray(frames)
    value = np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(rng.uniform(0.75, 1.3))
    gain = rng.uniform(0.8, 1.2) * rng.uniform(0.9, 1.1, 3)
    curves = (value[:, None] - 0.5) * gain + 0.5 + rng.uniform(-0.08, 0.08)
    curves = (curves.clip(0, 1) * 255).astype(np.uint8)  # [256, 3]
    return np.stack([curves[frames[..., channel], channel] for channel in range(3)], axis=-1)


def _work(
    config: FeedConfig,
    build: Callable[[], Maker],
    worker: int,
    out: "multiprocessing.Queue[Packed]",
) -> None:
    """Makes samples for ever: worker w of n makes those with seeds first + w, + w + n..."""
    os.nice(5)  # learning goes first
    maker = build()
    seed = config.first_seed + worker
    while True:
        out.put(_pack(maker.make(seed, config.num_frames), worker, maker.skipped))
        seed += config.workers


@dataclass(frozen=True, slots=True)
class Packed:
    """A sample on its way between processes: masks as bits, an eighth of their size."""

    sample: Sample
    bits: NDArray[np.uint8]
    shape: tuple[int, ...]
    worker: int
    skipped: tuple[tuple[Skipped, int], ...]
    """By the worker, since it began."""


def _pack(sample: Sample, worker: int, skipped: tuple[tuple[Skipped, int], ...]) -> Packed:
    empty = np.zeros((0, *sample.masklets.shape[1:]), np.bool_)
    bits = np.packbits(sample.masklets)
    return Packed(replace(sample, masklets=empty), bits, sample.masklets.shape, worker, skipped)


def _unpack(packed: Packed) -> Sample:
    size = int(np.prod(packed.shape))
    masklets = np.unpackbits(packed.bits, count=size).reshape(packed.shape).astype(np.bool_)
    return replace(packed.sample, masklets=masklets)
