"""EngineProcess: where an engine lives; when it died, the next caller starts another."""

import contextlib
import logging
import multiprocessing
import os
import secrets
import signal
import tempfile
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, Listener
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sam2_rt import host as machine
from sam2_rt.fault import EngineLost
from sam2_rt.remote.host import MAX_BATCH, Host, sendable
from sam2_rt.remote.remote_engine import EngineAddress, RemoteEngine
from sam2_rt.remote.wire import KEY_BYTES
from sam2_rt.steps import Steps

log = logging.getLogger(__name__)

STOP_S: Final = 5.0
"""After which a process that is asked to end is killed."""


class EngineProcess:
    """Callers connect, from any thread or process that knows the address and the key."""

    def __init__(
        self, load: Callable[[], Steps], max_pixels: int, max_batch: int = MAX_BATCH
    ) -> None:
        """`load` is called in the process, so it must be picklable. max_pixels: of a frame;
        max_batch: frames of a tick, of all callers.

        Raises OSError where memory cannot be shared: it takes Linux's nameless files.
        """
        if not hasattr(os, "memfd_create"):
            raise OSError("an engine in a process of its own needs Linux (memfd_create)")
        self._load = load
        self._max_batch = max_batch
        self._folder = tempfile.TemporaryDirectory(prefix="engine-")  # for its user alone
        path = str(Path(self._folder.name) / "socket")
        self.address = EngineAddress(path, secrets.token_bytes(KEY_BYTES), max_pixels)
        self._process: multiprocessing.process.BaseProcess | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process, if one was started."""
        return None if self._process is None else self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.terminate()  # whoever waits for it to load waits no longer
        with self._lock:
            self._end()
            self._folder.cleanup()

    def ensure(self) -> None:
        """Starts the process, and waits until the engine is loaded, unless it lives.

        Raises what loading it raised; EngineLost when it died at once.
        """
        with self._lock:
            if self._process is None or not self._process.is_alive():
                self._end()
                self._start()

    def connect(self) -> RemoteEngine:
        """The engine, which is loaded first if it is not there. Raises as ensure()."""
        self.ensure()
        try:
            return self.address.connect()
        except EngineLost:  # one that was just killed looks alive for a moment
            with self._lock:
                self._end()
        self.ensure()
        return self.address.connect()

    def _start(self) -> None:
        """Returns when the engine is loaded."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe(duplex=False)
        arguments = (self._load, self.address, self._max_batch, theirs)
        self._process = context.Process(target=_live, args=arguments, name="engine", daemon=True)
        self._process.start()
        theirs.close()
        try:
            fault: Exception | None = ours.recv()
        except EOFError as error:
            raise EngineLost("the engine's process died while it loaded") from error
        finally:
            ours.close()
        if fault is not None:
            raise fault

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            process.join(STOP_S)
            process.kill()
            process.join()
        with contextlib.suppress(FileNotFoundError):
            Path(self.address.path).unlink()


def _live(
    load: Callable[[], Steps], address: EngineAddress, max_batch: int, told: Connection
) -> None:
    """All that happens in the process. It ends with the one that started it."""
    machine.prepare()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too: its callers leave first
    end_with_parent()
    try:
        engine = load()
        listener = Listener(address.path, backlog=8, authkey=address.key)
    except Exception as error:  # noqa: BLE001 (goes to whoever started it)
        told.send(sendable(error))
        return
    told.send(None)
    told.close()
    Host(engine, listener, max_batch).serve()


def end_with_parent() -> None:
    """Makes this process, which another one spawned, end when that one does, however it does."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None, "for processes of multiprocessing"
    parent.join()
    os._exit(0)  # nobody is left to say anything to
