"""Server: uvicorn on uvloop. SIGTERM drains, then the sessions end, then the server.

SIGUSR1 announces that: nobody new is let in, so that offers go to peers while load balancers forget
this pod, and its viewers stay until SIGTERM. It is what a preStop hook sends.
"""

import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn

from streamer.config import Settings
from streamer.http.app import create_app
from streamer.protocol import MAX_MESSAGE_BYTES
from streamer.service import Service
from streamer.worker import Steps, Worker, WorkerState

CLOSE: Final = signal.SIGUSR1
"""Lets nobody in any more."""
_HTTP_GRACE_S: Final = 3
_WS_MAX_BYTES: Final = MAX_MESSAGE_BYTES
"""Of what is said on a control socket."""

# Python's own 5 ms lets the engine's thread keep the event loop waiting that long at every turn.
_SWITCH_INTERVAL_S: Final = 0.0005


class Server(uvicorn.Server):
    """Serves streamer.http.app until a signal, or until its worker dies."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Steps],
        on_listening: Callable[[str], None],
        on_settled: Callable[[Worker], None],
    ) -> None:
        self._app = create_app(settings, load)
        config = uvicorn.Config(
            self._app,
            host=settings.host,
            port=settings.port,
            loop="uvloop",
            ws="websockets-sansio",
            ws_max_size=_WS_MAX_BYTES,
            lifespan="on",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=_HTTP_GRACE_S,
        )
        super().__init__(config)
        self._settings = settings
        self._on_listening = on_listening
        """Told the address, once, when it accepts connections."""
        self._on_settled = on_settled
        """Told of the worker, once, when the engine is loaded or will never be."""
        self._is_told = False
        self.is_closed: Callable[[], bool] = lambda: False
        """Whether whoever runs it got CLOSE."""
        self._got_close = False
        self._drain_by_s: float | None = None
        """time.monotonic() at which the viewers have had time to leave; None while serving."""
        self._stop_by_s: float | None = None
        """The same for the sessions, which are ended; None until then."""

    def run_to_end(self, sockets: list[socket.socket] | None = None) -> int:
        """Serves, on sockets that are bound if any are given, else on the settings' address.

        Returns the exit code: 0 after a signal, 1 when the worker died. uvicorn itself exits with 3
        when it cannot start, as when the port is taken.
        """
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        self.run(sockets)
        return int(self._service.worker.fault is not None)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Binds the port, then tells the address."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            self._on_listening(
                f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            )

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: True to exit."""
        service = self._service
        if service.worker.settled.is_set() and not self._is_told:
            self._is_told = True
            self._on_settled(service.worker)
        if service.worker.state is WorkerState.DEAD:
            self._begin_stop()  # of no use without its engine; whoever runs it starts it again
        if self._got_close or self.is_closed():
            service.is_draining = True
        if self._drain_by_s is not None and self._stop_by_s is None:
            left_s = self._drain_by_s - time.monotonic()
            service.begin_drain(max(0.0, left_s))
            if service.num_open == 0 or left_s <= 0:
                self._begin_stop()
        if self._stop_by_s is not None:
            service.begin_stop()
            if service.num_open == 0 or time.monotonic() > self._stop_by_s:
                self.should_exit = True
        return await super().on_tick(counter)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, and CLOSE."""
        with super().capture_signals():
            if threading.current_thread() is not threading.main_thread():  # as uvicorn's
                yield
                return
            before = signal.signal(CLOSE, self._close)
            try:
                yield
            finally:
                signal.signal(CLOSE, before)

    def handle_exit(self, sig: int, _frame: FrameType | None) -> None:
        """SIGTERM drains. SIGINT, from somebody at the keyboard, stops; a second does not wait."""
        if self._stop_by_s is not None and sig == signal.SIGINT:
            self.should_exit = self.force_exit = True
        if sig == signal.SIGINT:
            self._begin_stop()
        elif self._drain_by_s is None:
            self._drain_by_s = time.monotonic() + self._settings.drain_timeout_s

    def _close(self, _sig: int, _frame: FrameType | None) -> None:
        self._got_close = True

    def _begin_stop(self) -> None:
        if self._stop_by_s is None:
            self._stop_by_s = time.monotonic() + self._settings.stop_timeout_s

    @property
    def _service(self) -> Service:
        service: Service = self._app.state.service
        return service
