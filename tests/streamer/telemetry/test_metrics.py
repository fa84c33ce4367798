import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from streamer.telemetry.metrics import Metrics


def test_the_exposition_is_valid_and_every_series_has_a_unit_or_a_count():
    families = list(text_string_to_metric_families(Metrics().exposition().decode()))
    ours = {f.name: f for f in families if f.name.startswith("streamer_")}
    assert {"streamer_sessions", "streamer_step_seconds", "streamer_frames_dropped"} <= set(ours)
    assert all(f.documentation.endswith(".") for f in ours.values())
    units = ("_seconds", "_bytes", "_frames")
    assert all(f.name.endswith(units) for f in ours.values() if f.type == "histogram")


def test_no_series_has_a_label_for_a_session():
    metrics = Metrics()
    samples = [sample for family in metrics.registry.collect() for sample in family.samples]
    labels = {label for s in samples if s.name.startswith("streamer_") for label in s.labels}
    about_what = {"outcome", "reason", "code", "state", "how", "kind"}
    assert labels == about_what | {"stage", "output", "direction", "codec", "le"}


def test_the_process_tells_its_memory():
    assert Metrics().registry.get_sample_value("process_resident_memory_bytes", {}) > 0


def test_two_services_in_one_process_count_apart():
    first, second = Metrics(), Metrics()
    first.frames_received.inc()
    assert second.registry.get_sample_value("streamer_frames_received_total", {}) == 0


ROOT = Path(__file__).parents[3]


def written(pattern: str, folder: str) -> set[tuple[str, ...]]:
    """The groups of a pattern wherever the code has it."""
    texts = (file.read_text() for file in sorted((ROOT / folder).rglob("*.py")))
    return {match.groups() for text in texts for match in re.finditer(pattern, text)}


def known(name: str) -> set[str]:
    """Values of the labels of one of the metrics, but for those of values that are not known."""
    series = getattr(Metrics(), name)._children
    return {value for values in series for value in values if value != "other"}


def test_every_label_that_the_code_names_is_known():
    labels = written(r'\.(\w+)\.labels\(\s*"(\w+)"', "streamer")
    labels |= {
        ("prompts", v) for (v,) in written(r'prompts\.labels\(\w+\.kind, "(\w+)"', "streamer")
    }
    assert len(labels) > 5
    for name, value in labels:
        assert value in known(name), f"{name} {value}"
    refusals = {reason for (reason,) in written(r'return "(\w+)", (?:None|Problem)', "streamer")}
    assert len(refusals) >= 5
    assert refusals <= known("offers_refused") | {"other"}
    codes = {code for (code,) in written(r'Refused\([\w.]+, "(\w+)"', "sam2_rt/tracking")}
    assert len(codes) == 4
    assert codes <= known("prompts") & known("messages_refused")
