"""What a session needs around it: a worker with a fake engine, painters and metrics."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fake_viewer import FakeViewer

from fake_engine import FakeEngine
from streamer.config import Settings
from streamer.session.session import Session
from streamer.session.viewer import Outcome
from streamer.telemetry.metrics import Metrics
from streamer.worker import Worker


@dataclass
class Stage:
    """Everything around the sessions of a test."""

    worker: Worker
    painter: ThreadPoolExecutor
    metrics: Metrics
    engine: FakeEngine

    def enter(self, viewer: FakeViewer, **settings: float) -> "asyncio.Task[Outcome]":
        session = Session(
            f"session-{id(viewer)}",
            viewer,
            self.worker,
            self.painter,
            self.metrics,
            Settings(**settings),
        )
        self.session = session
        return asyncio.create_task(session.run())

    def count(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels)


@asynccontextmanager
async def stage(engine: FakeEngine | None = None) -> AsyncIterator[Stage]:
    engine = engine or FakeEngine()
    worker = Worker(lambda: engine, max_batch=4, max_waiting=32)
    worker.start()
    await worker.settled.wait()
    with ThreadPoolExecutor(2) as painter:
        yield Stage(worker, painter, Metrics(), engine)
        await worker.stop(timeout_s=5)
