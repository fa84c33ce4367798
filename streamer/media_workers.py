"""Media workers: processes that serve on one port, beside one for the engine.

They are peers of each other, as pods are: any of them takes a viewer, and passes on what is said of
another's. One that dies takes its own sessions along and is started anew. The process that starts
them serves nobody.
"""

import logging
import multiprocessing
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final, NamedTuple

from prometheus_client.multiprocess import mark_process_dead
from pydantic import SecretStr
from rich.console import Console

from sam2_rt import host as machine
from sam2_rt.engine import EngineLost
from sam2_rt.remote.engine_process import EngineProcess, end_with_parent
from sam2_rt.remote.remote_engine import EngineAddress
from sam2_rt.steps import Steps
from streamer.config import Settings, url_of
from streamer.patience import Patience
from streamer.server import CLOSE, Server
from streamer.telemetry import logs
from streamer.telemetry.announcer import Loaded, Loading
from streamer.telemetry.metrics import MULTIPROCESS

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.2
"""Between two looks at the processes."""
_MAX_DEATHS: Final = 3
"""Of one place, in _DEATHS_S; one more, and all is given up."""
_DEATHS_S: Final = 60.0
_LOOPBACK: Final = "127.0.0.1"


@dataclass(slots=True, eq=False)
class _Place:
    """Of one media worker: what stays when it is started anew."""

    settings: Settings
    door: socket.socket
    """On loopback, for its peers."""
    process: BaseProcess | None = None
    patience: Patience = field(default_factory=lambda: Patience(_MAX_DEATHS, _DEATHS_S))

    @property
    def is_alive(self) -> bool:
        """Its process runs."""
        return self.process is not None and self.process.is_alive()


class Sockets(NamedTuple):
    """Of a media worker."""

    public: socket.socket
    """Holds the port of all; each worker has a socket of its own for it."""
    door: socket.socket


class MediaWorkers:
    """All processes of one service."""

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Steps],
        on_listening: Callable[[str], None],
        on_settled: Callable[[Loading], None],
    ) -> None:
        """`load` is called in the engine's process, so it must be picklable.

        on_listening is told the address that viewers use; on_settled what was loaded, or why not.
        """
        self._settings = settings
        self._engine = EngineProcess(load, settings.max_frame_pixels, settings.max_batch)
        self._on_listening = on_listening
        self._on_settled = on_settled
        self._begun_s = time.monotonic()
        self._context = multiprocessing.get_context("spawn")
        self._heard, self._heard_by = self._context.Pipe(duplex=False)
        """Where workers say that they let viewers in."""
        self._signal: signal.Signals | None = None
        """That was caught, and is still to be passed on."""
        self._closed = self._context.Event()
        """CLOSE came: workers let nobody in, those that are started later too."""
        self._is_ending = threading.Event()
        self._fault: BaseException | None = None
        """Why there is no engine."""

    def run_to_end(self) -> int:
        """Serves; the exit code: 0 after a signal, 1 when the engine or a worker is given up."""
        with ExitStack() as until_end:
            folder = until_end.enter_context(TemporaryDirectory(prefix="metrics-"))
            os.environ[MULTIPROCESS] = folder  # before a worker makes its series
            until_end.enter_context(self._engine)
            public = until_end.enter_context(_bound(self._settings.host, self._settings.port))
            doors = [until_end.enter_context(_bound(_LOOPBACK, 0)) for _ in self._numbers]
            places = [_Place(*each) for each in zip(self._shared(doors), doors, strict=True)]
            for caught in (signal.SIGTERM, signal.SIGINT):
                signal.signal(caught, self._catch)
            signal.signal(CLOSE, lambda *_: self._closed.set())
            keeper = threading.Thread(target=self._keep_engine, daemon=True)
            keeper.start()
            is_good = self._watch(places, public)
            self._is_ending.set()
        return int(self._fault is not None or not is_good)

    @property
    def _numbers(self) -> range:
        return range(self._settings.media_workers)

    def _shared(self, doors: Sequence[socket.socket]) -> list[Settings]:
        """The settings of each worker: its share of places and ports, and who its peers are."""
        urls = [url_of(_LOOPBACK, door.getsockname()[1]) for door in doors]
        secret = SecretStr(secrets.token_hex(32))
        return [share_of(self._settings, number, urls, secret) for number in self._numbers]

    def _watch(self, places: Sequence[_Place], public: socket.socket) -> bool:
        """Until all workers have ended; False when one died too often."""
        is_good, is_told = True, False
        while True:
            if not is_told and self._heard.poll():
                self._on_listening(url_of(self._settings.host, public.getsockname()[1]))
                is_told = True
            if self._fault is not None:
                self._signal = self._signal or signal.SIGINT
            if self._signal is not None:
                self._pass_on(places)
            for place in places:
                if not place.is_alive and not self._is_ending.is_set():
                    is_good = self._start(place, public) and is_good
            if self._is_ending.is_set() and not any(place.is_alive for place in places):
                return is_good and not any(_exit_code(place) for place in places)
            time.sleep(_LOOK_S)

    def _start(self, place: _Place, public: socket.socket) -> bool:
        """A worker, or another in the place of one that died; False when that is given up."""
        if place.process is not None:
            log.error("a media worker ended with %s, and its sessions", place.process.exitcode)
            mark_process_dead(place.process.pid)  # type: ignore[no-untyped-call]
            if place.patience.is_over_with():
                self._signal = signal.SIGINT
                return False
        sockets = Sockets(public, place.door)
        ways = (self._heard_by, self._closed)
        arguments = (place.settings, self._engine.address, sockets, *ways)
        make = self._context.Process
        place.process = make(target=_serve, args=arguments, name="media", daemon=True)
        place.process.start()
        return True

    def _pass_on(self, places: Sequence[_Place]) -> None:
        caught, self._signal = self._signal, None
        assert caught is not None
        self._is_ending.set()
        for place in places:
            if place.process is not None and place.process.pid is not None and place.is_alive:
                os.kill(place.process.pid, caught)

    def _keep_engine(self) -> None:
        """A thread: starts the engine, and starts it anew when it died."""
        patience = Patience(_MAX_DEATHS, _DEATHS_S)
        is_told = False
        while not self._is_ending.is_set():
            try:
                self._engine.ensure()
                if not is_told:
                    self._tell()
                    is_told = True
            except EngineLost as lost:
                if patience.is_over_with():
                    self._give_up(lost)
                    return
            except Exception as error:  # noqa: BLE001 (whatever loading raises is told and ends all)
                self._give_up(error)
                return
            time.sleep(_LOOK_S)

    def _tell(self) -> None:
        engine = self._engine.address.connect()
        self._on_settled(Loaded(engine.info, warm_up_s=time.monotonic() - self._begun_s))
        engine.hang_up()

    def _give_up(self, error: BaseException) -> None:
        if not self._is_ending.is_set():
            self._fault = error
            self._on_settled(Loaded(fault=error))

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)


def share_of(settings: Settings, number: int, urls: Sequence[str], secret: SecretStr) -> Settings:
    """The settings of worker `number`; urls: where each of them is reached by the others.

    The secret is theirs where the settings have none.
    """
    count = len(urls)
    own = urls[number]
    return settings.model_copy(
        update={
            "media_workers": 0,
            "port": int(own.rpartition(":")[2]),
            "peer_address": _LOOPBACK,
            "peers": tuple(url for url in urls if url != own),
            "max_sessions": _part(settings.max_sessions, number, count),
            "media_ports": _port_part(settings.media_ports, number, count),
            "peer_secret": secret,
            "resume_secret": settings.resume_secret or secret,
        }
    )


def _part(total: int, number: int, count: int) -> int:
    """Of places: the first workers have one more where they cannot be shared out evenly."""
    return total // count + (number < total % count)


def _port_part(ports: tuple[int, int] | None, number: int, count: int) -> tuple[int, int] | None:
    if ports is None:
        return None
    first, last = ports
    parts = [_part(last - first + 1, n, count) for n in range(count)]
    begin = first + sum(parts[:number])
    return begin, begin + parts[number] - 1


def _bound(host: str, port: int) -> socket.socket:
    """Reserves a port, on which nobody is let in before a worker listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((host, port))
    return bound


def _exit_code(place: _Place) -> int:
    return 0 if place.process is None else place.process.exitcode or 0


def _serve(
    settings: Settings,
    engine: EngineAddress,
    sockets: Sockets,
    heard_by: Connection,
    closed: Event,
) -> None:
    """All that happens in a media worker."""
    machine.prepare()
    end_with_parent()
    logs.start(settings.log_level, settings.log_format, Console(stderr=True))
    host, port = sockets.public.getsockname()[:2]
    with _bound(host, port) as mine:  # the kernel shares viewers out between those that listen
        tell = (lambda _url: heard_by.send(None), lambda _worker: None)
        server = Server(settings, engine.connect_when_loaded, *tell)
        server.is_closed = closed.is_set
        code = server.run_to_end([mine, sockets.door])
    os._exit(code)  # whatever its engine thread waits for
