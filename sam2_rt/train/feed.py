"""Feed: worker processes that make samples, and a bounded pool that batches are drawn from.

A sample is used several times, each time turned and lit anew and with other prompts: making one
costs about as much as learning from it on a CPU.
"""

import itertools
import multiprocessing
import os
import queue
import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from threading import Thread
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from sam2_rt.data.labelled_video import Skipped
from sam2_rt.data.sample import NothingUsable, Sample
from sam2_rt.train.maker import Maker, make_usable

MAX_WAITING = 8
"""Samples that each worker may be ahead of the pool."""
PATIENCE_S = 300.0
"""Without a sample for so long, the workers are taken for stuck."""
POOL_BYTES = 2**30
"""Of all kept samples: a clip of large frames is as big as a hundred of nano's."""
MIN_FIRST = 1e-3
"""Share of the first frame that an object covers at least, as where samples are made."""
MIN_CUT_FRAMES = 4


class FeedError(RuntimeError):
    """The workers died or make nothing."""


@dataclass(frozen=True, slots=True)
class FeedConfig:
    """How samples are made and how often each is used."""

    num_frames: int
    first_seed: int
    workers: int = 1
    pool: int = 512
    """Samples that are kept, fewer where those exceed POOL_BYTES; a batch always has room."""
    reuse: int = 4
    """Times that each is drawn, on average, before it leaves."""
    cuts: float = 0.0
    """Share of the clips of MIN_CUT_FRAMES or more in which another sample is shown for a while, as
    where a film is cut. No object is there: the other must not be of the same video."""


class Feed:
    """Draws batches from a pool that workers keep renewing."""

    def __init__(self, config: FeedConfig, build: Callable[[], Maker]) -> None:
        """`build` is called once in each worker, so it must be picklable."""
        self.config = config
        self.made = 0
        self.waited_s = 0.0
        """In which learning had to wait for samples."""
        self._skipped: dict[int, Counter[Skipped]] = {}  # of each worker, which bounds them
        self._drawn = 0
        self._pool: list[Packed] = []  # oldest first
        self._bytes = 0
        self._random = random.Random(config.first_seed)  # noqa: S311 no secret
        context = multiprocessing.get_context("spawn")
        # A pipe each, of which only the worker holds the writing end: when it dies, even in the
        # middle of a sample, the pipe ends. A queue that is shared would wait for the rest.
        pipes = [context.Pipe(duplex=False) for _ in range(config.workers)]
        self._readers = [reader for reader, _ in pipes]
        self._writers = [writer for _, writer in pipes]
        self._workers = [
            context.Process(target=_work, args=(config, build, i, writer), daemon=True)
            for i, writer in enumerate(self._writers)
        ]

    def __enter__(self) -> Self:
        for worker, writer in zip(self._workers, self._writers, strict=True):
            worker.start()
            writer.close()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for worker in self._workers:
            worker.terminate()
        for worker, reader in zip(self._workers, self._readers, strict=True):
            worker.join()
            reader.close()

    def draw(self, count: int) -> list[Sample]:
        """So many different samples, each turned and lit anew; waits only when it must."""
        self._take(self._ready(0), count)
        # New samples are waited for when there are too few, or when the old ones are worn out.
        while len(self._pool) < count or self._drawn + count > self.config.reuse * self.made:
            began = time.monotonic()
            ready = self._ready(PATIENCE_S)
            self.waited_s += time.monotonic() - began
            if not ready:
                raise FeedError(f"no sample in {PATIENCE_S:.0f} s from live workers")
            self._take(ready, count)
        self._drawn += count
        rng = np.random.default_rng(self._random.getrandbits(32))
        return [self._vary(packed, rng) for packed in self._random.sample(self._pool, count)]

    def _vary(self, packed: "Packed", rng: np.random.Generator) -> Sample:
        """The sample in another way, now and then cut away from to another one."""
        sample = vary(_unpack(packed), rng)
        other = self._random.choice(self._pool)
        is_long = len(sample.frames) >= MIN_CUT_FRAMES
        if not is_long or other is packed or rng.random() >= self.config.cuts:
            return sample
        return cut_away(sample, other.sample.frames, rng)

    @property
    def skipped(self) -> Counter[Skipped]:
        """What the workers could not use, and how often."""
        return sum(self._skipped.values(), Counter[Skipped]())

    def _ready(self, timeout_s: float) -> list[Connection]:
        """Readers of workers that have a sample, or have died."""
        ready = wait(self._readers, timeout_s)
        return [reader for reader in self._readers if reader in ready]

    def _take(self, ready: list[Connection], count: int) -> None:
        """All that is there, so that samples are as fresh as the workers are fast."""
        for reader in ready:
            for _ in range(MAX_WAITING):
                self._receive(reader, count)
                if not reader.poll():
                    break

    def _receive(self, reader: Connection, count: int) -> None:
        try:
            found: Packed | Barren = reader.recv()
        except (EOFError, OSError) as end:  # between two samples, or within one
            number = self._readers.index(reader)
            self._workers[number].join()
            code = self._workers[number].exitcode
            raise FeedError(f"worker {number} died with exit code {code}") from end
        self._skipped[found.worker] = Counter(dict(found.skipped))
        if isinstance(found, Barren):
            raise FeedError(f"worker {found.worker} finds nothing to learn from: {found.reason}")
        self._add(found, count)

    def _add(self, packed: "Packed", count: int) -> None:
        """The oldest leave where there is no room for more; a batch has room in any case."""
        self.made += 1
        self._pool.append(packed)
        self._bytes += packed.num_bytes
        while len(self._pool) > count and (
            len(self._pool) > self.config.pool or self._bytes > POOL_BYTES
        ):
            self._bytes -= self._pool.pop(0).num_bytes


def vary(sample: Sample, rng: np.random.Generator) -> Sample:
    """Mirrored half the time, played backwards where all is seen at the end, lit anew."""
    frames, masklets, ignored = sample.frames, sample.masklets, sample.ignored
    if rng.random() < 0.5:
        frames, masklets = frames[:, :, ::-1], masklets[..., ::-1]
        ignored = None if ignored is None else ignored[..., ::-1]
    if rng.random() < 0.5 and (masklets[:, -1].mean(axis=(1, 2)) >= MIN_FIRST).all():
        frames, masklets = frames[::-1], masklets[:, ::-1]
        ignored = None if ignored is None else ignored[::-1]
    order = rng.permutation(len(masklets))  # whoever takes only the first few takes others
    return Sample(
        _relit(frames, rng),
        np.ascontiguousarray(masklets[order]),
        None if ignored is None else np.ascontiguousarray(ignored),
    )


def cut_away(sample: Sample, shown: NDArray[np.uint8], rng: np.random.Generator) -> Sample:
    """Frames of another clip [T, H, W, 3] in place of one or more from the third on.

    In half of them to the end. Returns the sample as it is if the frames are of another size.
    """
    length = len(sample.frames)
    if shown.shape != sample.frames.shape:
        return sample
    first = int(rng.integers(2, length))
    end = length if rng.random() < 0.5 else int(rng.integers(first + 1, length + 1))
    frames, masklets = sample.frames.copy(), sample.masklets.copy()
    frames[first:end] = shown[first:end]
    masklets[:, first:end] = False
    if sample.ignored is None:
        return Sample(frames, masklets)
    ignored = sample.ignored.copy()
    ignored[first:end] = False
    return Sample(frames, masklets, ignored)


def _relit(frames: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Another brightness, contrast, colour cast and gamma, the same in all frames."""
    if rng.random() < 0.2:
        return np.ascontiguousarray(frames)
    value = np.linspace(0, 1, 256, dtype=np.float32) ** np.float32(rng.uniform(0.75, 1.3))
    gain = rng.uniform(0.8, 1.2) * rng.uniform(0.9, 1.1, 3)
    curves = (value[:, None] - 0.5) * gain + 0.5 + rng.uniform(-0.08, 0.08)
    curves = (curves.clip(0, 1) * 255).astype(np.uint8)  # [256, 3]
    return np.stack([curves[frames[..., channel], channel] for channel in range(3)], axis=-1)


def _work(config: FeedConfig, build: Callable[[], Maker], worker: int, out: Connection) -> None:
    """Makes samples for ever: worker w of n makes those with seeds first + w, + w + n...

    Seeds that give none are passed over; of too many in a row the parent is told, and that is all.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal tells all; the parent ends us
    os.nice(5)  # learning goes first
    waiting: queue.Queue[Packed | Barren] = queue.Queue(MAX_WAITING)
    sender = Thread(target=_send, args=(waiting, out), daemon=True)
    sender.start()
    maker = build()
    seeds = itertools.count(config.first_seed + worker, config.workers)
    try:
        for sample in make_usable(maker, seeds, config.num_frames):
            waiting.put(_pack(sample, worker, maker.skipped))
    except NothingUsable as error:
        waiting.put(Barren(str(error), worker, maker.skipped))
    sender.join()  # until the parent ends us


def _send(waiting: "queue.Queue[Packed | Barren]", out: Connection) -> None:
    """Sends on what was made, until nobody reads it."""
    while True:
        try:
            out.send(waiting.get())
        except BrokenPipeError:  # the parent is gone, whatever ended it: nobody else would end us
            os._exit(0)


@dataclass(frozen=True, slots=True)
class Packed:
    """A sample on its way between processes: masks as bits, an eighth of their size."""

    sample: Sample
    bits: NDArray[np.uint8]
    shape: tuple[int, ...]
    worker: int
    skipped: tuple[tuple[Skipped, int], ...]
    """By the worker, since it began."""

    @property
    def num_bytes(self) -> int:
        """Of frames and masks."""
        ignored = self.sample.ignored
        num_ignored = 0 if ignored is None else ignored.nbytes
        return self.sample.frames.nbytes + self.bits.nbytes + num_ignored


@dataclass(frozen=True, slots=True)
class Barren:
    """A worker's last word: it tried many seeds and none gave a sample."""

    reason: str
    worker: int
    skipped: tuple[tuple[Skipped, int], ...]


def _pack(sample: Sample, worker: int, skipped: tuple[tuple[Skipped, int], ...]) -> Packed:
    empty = np.zeros((0, *sample.masklets.shape[1:]), np.bool_)
    bits = np.packbits(sample.masklets)
    return Packed(replace(sample, masklets=empty), bits, sample.masklets.shape, worker, skipped)


def _unpack(packed: Packed) -> Sample:
    size = int(np.prod(packed.shape))
    masklets = np.unpackbits(packed.bits, count=size).reshape(packed.shape).astype(np.bool_)
    return replace(packed.sample, masklets=masklets)
