"""Spans as OpenTelemetry's own SDK sees them, and as its exporter sends them."""

import http.server
import threading

import pytest
from fake_viewer import eventually
from loopback import connected
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from served import serving

from streamer.session.journey import Span, Stage
from streamer.telemetry.frame_trace import FrameTrace
from streamer.telemetry.tracing import open_tracer
from streamer.telemetry.tracing_otel import OtelTracer

MILLISECOND_NS = 10**6


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


def tracer_to(exporter: InMemorySpanExporter) -> OtelTracer:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTracer(1.0, provider)


def frame_trace() -> FrameTrace:
    spans = [Span(Stage.QUEUE, 10.0, 10.25), Span(Stage.TRACK, 10.25, 11.0)]
    return FrameTrace("abc", 590, 640, 360, num_tracks=2, spans=spans)


def test_a_frame_is_a_span_and_its_stages_lie_within(exporter: InMemorySpanExporter):
    tracer_to(exporter).emit(frame_trace())
    queue, track, root = exporter.get_finished_spans()
    assert [span.name for span in (queue, track, root)] == ["queue", "track", "frame"]
    assert root.parent is None
    assert {span.parent.span_id for span in (queue, track)} == {root.context.span_id}
    assert root.attributes["session.id"] == "abc"
    assert root.attributes["rtp.timestamp"] == 590
    assert queue.start_time == root.start_time
    assert (root.end_time - root.start_time) == pytest.approx(1000 * MILLISECOND_NS, abs=10)
    assert (track.end_time - track.start_time) == pytest.approx(750 * MILLISECOND_NS, abs=10)


def test_a_frame_that_went_nowhere_has_no_trace(exporter: InMemorySpanExporter):
    tracer_to(exporter).emit(FrameTrace("abc", 590, 640, 360, num_tracks=0))
    assert exporter.get_finished_spans() == ()


async def test_frames_of_a_connection_are_traced_through_all_stages(
    exporter: InMemorySpanExporter,
):
    def traced(stage: Stage) -> list[ReadableSpan]:
        return [span for span in exporter.get_finished_spans() if span.name == stage.value]

    async with serving() as served:
        served.service.tracer = tracer_to(exporter)
        async with connected(served.url) as viewer:
            await eventually(lambda: all(traced(stage) for stage in Stage))
            said = [m for m in viewer.said if m["type"] == "hello"]
    roots = {s.context.trace_id: s for s in exporter.get_finished_spans() if s.parent is None}
    for stage in Stage:
        for span in traced(stage):
            root = roots[span.context.trace_id]
            assert root.start_time <= span.start_time <= span.end_time <= root.end_time
    assert {root.attributes["session.id"] for root in roots.values()} == {said[0]["session"]}
    assert len({root.attributes["rtp.timestamp"] for root in roots.values()}) == len(roots)


class Collector(http.server.BaseHTTPRequestHandler):
    """Takes what the exporter posts."""

    spans: list[str]

    def do_POST(self) -> None:
        request = ExportTraceServiceRequest()
        request.ParseFromString(self.rfile.read(int(self.headers["content-length"])))
        for resource in request.resource_spans:
            (name,) = [a for a in resource.resource.attributes if a.key == "service.name"]
            for scope in resource.scope_spans:
                self.spans += [f"{name.value.string_value}: {span.name}" for span in scope.spans]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_parts: object) -> None: ...


def test_spans_reach_a_collector_before_the_service_ends(monkeypatch: pytest.MonkeyPatch):
    Collector.spans = []
    with http.server.HTTPServer(("127.0.0.1", 0), Collector) as server:
        serving_them = threading.Thread(target=server.serve_forever)
        serving_them.start()
        url = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "none")
        monkeypatch.setenv("OTEL_SERVICE_NAME", "streamer-test")
        tracer = open_tracer(1.0)
        tracer.emit(frame_trace())
        tracer.close()
        server.shutdown()
        serving_them.join()
    assert Collector.spans == [f"streamer-test: {name}" for name in ("queue", "track", "frame")]
