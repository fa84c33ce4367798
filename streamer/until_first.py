"""Parts of one thing, as the two directions of a connection: the first that ends ends all."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def until_first(*parts: Coroutine[Any, Any, object]) -> list["asyncio.Task[object]"]:
    """Runs all parts until one has ended, and cancels the others.

    Returns their tasks in order, all done: whoever asks for the result of one gets its fault.
    """
    tasks = [asyncio.ensure_future(part) for part in parts]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    return tasks
