"""Announcer: tells whoever started the service where it is and what it has become."""

import logging
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console

from sam2_rt.steps import EngineInfo
from streamer.config import Settings
from streamer.telemetry import logs

log = logging.getLogger(__name__)


class Loading(Protocol):
    """What became of it: a Worker, or what stands for those of other processes."""

    @property
    def info(self) -> EngineInfo | None:
        """Of the engine; None: it could not be loaded."""

    @property
    def fault(self) -> BaseException | None:
        """Why not."""

    @property
    def warm_up_s(self) -> float | None:
        """What it took."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A Loading that has come to its end."""

    info: EngineInfo | None = None
    fault: BaseException | None = None
    warm_up_s: float | None = None


class Announcer:
    """In words on the console, or as lines of the log where that is read by programs."""

    def __init__(self, settings: Settings, console: Console) -> None:
        self._model = settings.model
        self._console = console
        self._is_for_people = settings.log_format == "text"

    def tell_address(self, url: str) -> None:
        """The service listens."""
        if self._is_for_people:
            self._console.print(f"[bold]Open {url}[/]   [dim](loading {self._model} ...)[/]")
        else:
            log.info("listening", extra=logs.facts(url=url, model=self._model))

    def tell_model(self, worker: Loading) -> None:
        """The engine is loaded, or will never be."""
        if self._is_for_people:
            self._print_model(worker)
            return
        info = worker.info
        if info is None:
            log.error("the model could not be loaded: %s", worker.fault)
            return
        told = logs.facts(
            model=info.model,
            image_size=info.image_size,
            device=info.device,
            is_trained=info.is_trained,
            warm_up_s=worker.warm_up_s,
        )
        log.info("ready", extra=told)

    def _print_model(self, worker: Loading) -> None:
        info, console = worker.info, self._console
        if info is None:
            console.print(f"[red]The model could not be loaded:[/] {worker.fault}")
            return
        console.print(f"Ready: {info.model} at {info.image_size} px on {info.device}")
        if not info.is_trained:
            console.print(
                f"[yellow]{info.model} is untrained: its masks are those of random weights; "
                "choose another with --model or --checkpoint."
            )
