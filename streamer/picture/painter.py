"""The painters: threads for what would keep the event loop from other viewers."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

Parts = TypeVarTuple("Parts")
R = TypeVar("R")


async def paint(painter: Executor, work: Callable[[*Parts], R], *parts: *Parts) -> R:
    """What work(*parts) returns or raises, done by a painter."""
    return await asyncio.get_running_loop().run_in_executor(painter, work, *parts)
