"""OtelTracer: a trace a frame: the span `frame`, and below it one for each stage."""

import os
import time

from opentelemetry import trace as otel
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from streamer.telemetry.frame_trace import FrameTrace


def exporting() -> TracerProvider:
    """Sends spans by OTLP over HTTP, in batches from a thread of its own."""
    os.environ.setdefault("OTEL_SERVICE_NAME", "streamer")
    provider = TracerProvider(resource=Resource.create())
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


class OtelTracer:
    """Spans are made when a frame is through, with the times that were taken on its way."""

    def __init__(self, sample: float, provider: TracerProvider) -> None:
        self.sample = sample
        self._provider = provider
        self._tracer = provider.get_tracer("streamer")

    def emit(self, trace: FrameTrace) -> None:
        """Makes the spans of a frame."""
        if not trace.spans:
            return
        # Wall time of monotonic 0: taken anew, for wall clocks are set.
        origin_ns = time.time_ns() - time.monotonic_ns()
        root = self._tracer.start_span(
            "frame",
            context=Context(),  # a trace of its own, whatever task this is
            start_time=_ns(min(span.begun_s for span in trace.spans), origin_ns),
            attributes={
                "session.id": trace.session_id,
                "rtp.timestamp": trace.in_rtp,
                "frame.width": trace.width,
                "frame.height": trace.height,
                "tracks": trace.num_tracks,
            },
        )
        below = otel.set_span_in_context(root, Context())
        for span in trace.spans:
            begun_ns = _ns(span.begun_s, origin_ns)
            stage = self._tracer.start_span(span.stage.value, context=below, start_time=begun_ns)
            stage.end(_ns(max(span.begun_s, span.ended_s), origin_ns))
        root.end(_ns(max(span.ended_s for span in trace.spans), origin_ns))

    def close(self) -> None:
        """Sends what is left."""
        self._provider.shutdown()


def _ns(monotonic_s: float, origin_ns: int) -> int:
    """Wall time in ns."""
    return origin_ns + round(monotonic_s * 1e9)
