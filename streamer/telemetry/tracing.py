"""Traces of frames for OpenTelemetry, where they are wanted; otherwise none of it is imported."""

from importlib.util import find_spec
from typing import Protocol

from streamer.telemetry.frame_trace import Tracer


class ClosingTracer(Tracer, Protocol):
    """A Tracer that holds something back until it is closed."""

    def close(self) -> None:
        """Sends what is left; seconds at most."""


class NoTelemetry(Exception):
    """Traces are wanted, and what makes them is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "STREAMER_TRACE_SAMPLE needs OpenTelemetry: pip install 'sam2-rt[otel]', or set it to 0"
        )


def open_tracer(sample: float) -> ClosingTracer | None:
    """Follows this part of all frames, 0..1; None for 0. Raises NoTelemetry.

    Where they go is said by OpenTelemetry's own variables, as OTEL_EXPORTER_OTLP_ENDPOINT.
    """
    if sample == 0:
        return None
    if find_spec("opentelemetry") is None or find_spec("opentelemetry.sdk") is None:
        raise NoTelemetry
    from streamer.telemetry.tracing_otel import OtelTracer, exporting  # noqa: PLC0415 (an extra, and slow)

    return OtelTracer(sample, exporting())
