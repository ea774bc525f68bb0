"""How gates are written."""

from __future__ import annotations

import pytest
from edgebench.changes import Metric
from edgebench.errors import UsageError
from edgebench.gates import GateKind, parse_gate, parse_gates, with_patterns


@pytest.mark.parametrize(
    ("text", "metric", "label", "kind", "limit"),
    [
        ("p50 <= 1.05x", Metric.P50, None, GateKind.RATIO, 1.05),
        ("p50<=+5%", Metric.P50, None, GateKind.RATIO, 1.05),
        ("P50 <= -20 %", Metric.P50, None, GateKind.RATIO, 0.8),
        ("p90 <= 25ms", Metric.P90, None, GateKind.ABSOLUTE, 25e6),
        ("p99 <= 0.5 s", Metric.P99, None, GateKind.ABSOLUTE, 5e8),
        ("load <= 800us", Metric.LOAD, None, GateKind.ABSOLUTE, 8e5),
        ("first <= 2x", Metric.FIRST, None, GateKind.RATIO, 2.0),
        ("peak_rss <= +10%", Metric.PEAK_RSS, None, GateKind.RATIO, 1.1),
        ("peak_rss <= 60MB", Metric.PEAK_RSS, None, GateKind.ABSOLUTE, 60e6),
        ("model_adds <= 2MiB", Metric.MODEL_ADDS, None, GateKind.ABSOLUTE, 2.0**21),
        ("size <= 3MB", Metric.SIZE, None, GateKind.ABSOLUTE, 3e6),
        ("size <= 1.0x", Metric.SIZE, None, GateKind.RATIO, 1.0),
        ("recall[mel] >= -2pt", Metric.RECALL, "mel", GateKind.POINTS, -0.02),
        ("recall[mel] >= 0.70", Metric.RECALL, "mel", GateKind.ABSOLUTE, 0.7),
        ("recall[ mel ]>=70%", Metric.RECALL, "mel", GateKind.ABSOLUTE, 0.7),
        ("recall[*] >= -3pt", Metric.RECALL, "*", GateKind.POINTS, -0.03),
        ("recall[a b] >= 0pt", Metric.RECALL, "a b", GateKind.POINTS, 0.0),
        ('recall["a b]"] >= +1.5pt', Metric.RECALL, "a b]", GateKind.POINTS, 0.015),
        (r'precision["say \"yes\": now"] >= 0.5', Metric.PRECISION, 'say "yes": now', GateKind.ABSOLUTE, 0.5),
        ("f1[a: b] >= 1", Metric.F1, "a: b", GateKind.ABSOLUTE, 1.0),
        ("balanced >= -1pt", Metric.BALANCED, None, GateKind.POINTS, -0.01),
        ("top1 >= 0.8", Metric.TOP1, None, GateKind.ABSOLUTE, 0.8),
    ],
)
def test_a_gate_is_read(text: str, metric: Metric, label: str | None, kind: GateKind, limit: float) -> None:
    gate = parse_gate(text)
    assert (gate.metric, gate.label, gate.kind) == (metric, label, kind)
    assert gate.limit == pytest.approx(limit)
    assert (gate.model, gate.variant, gate.device) == ("*", "*", "*")


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("int8: p50 <= 1x", ("*", "int8", "*")),
        ("int8*@pi*: p50 <= 1.05x", ("*", "int8*", "pi*")),
        ("@pi*: p50 <= 1.05x", ("*", "*", "pi*")),
        ("net/int8: p50 <= 1x", ("net", "int8", "*")),
        ("net/*@ssh://pi@host:22: p50 <= 1x", ("net", "*", "ssh://pi@host:22")),
        ('int8: recall["x: p50 <= y"] >= 0.5', ("*", "int8", "*")),
    ],
)
def test_patterns_stand_before_a_colon(text: str, patterns: tuple[str, str, str]) -> None:
    gate = parse_gate(text)
    assert (gate.model, gate.variant, gate.device) == patterns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p50", "write for instance p50 <= 1.05x"),
        ("", "write for instance"),
        ("p500 <= 1x", "there is no figure p500; did you mean p50?"),
        ("p5O <= 1x", "did you mean p50?"),
        ("latency <= 1x", "there is no figure latency"),
        ("peak_ram <= 1x", "did you mean peak_rss?"),
        ("p50 >= 1x", "less of it is better, so the limit of p50 is written with <="),
        ("p50 < 1x", "is written with <="),
        ("recall[mel] <= 0.7", "more of it is better, so the limit of recall is written with >="),
        ("recall >= 0.7", "write recall[LABEL], or recall[*]"),
        ("recall[] >= 0.7", "write recall[LABEL]"),
        ("top1[mel] >= 0.7", "leave [mel] out"),
        ("p50 <= 25", "25 is no limit of p50; write 1.05x or +5% (of the base's), or 25ms"),
        ("p50 <= 5%", "5% is no limit of p50"),
        ("p50 <= -2pt", "no limit of p50"),
        ("p50 <= 3MB", "no limit of p50"),
        ("p50 <= -100%", "no limit of p50"),
        ("p50 <= 0x", "no limit of p50"),
        ("p50 <= soon", "soon is no limit of p50"),
        ("size <= 5ms", "no limit of size; write 1.05x or +5% (of the base's), or 60MB"),
        ("recall[mel] >= 1.0x", "no limit of recall; write -2pt"),
        ("top1 >= 80", "no limit of top1"),
        ("top1 >= -0.1", "no limit of top1"),
        ("@: p50 <= 1x", "write which cases it is about"),
        ("/int8: p50 <= 1x", "write which cases it is about"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gate(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_patterns_of_a_table_hold_where_a_gate_names_none() -> None:
    gates = [with_patterns(parse_gate(text), variant="f*", device="pi*") for text in ("p50 <= 1x", "int8: p50 <= 1x")]
    assert [(gate.variant, gate.device) for gate in gates] == [("f*", "pi*"), ("int8", "pi*")]


def test_a_gate_is_taken_once() -> None:
    assert len(parse_gates(["p50 <= 1x", "p50 <= 1x", "p50 <= 2x"])) == 2


def test_a_gate_covers_what_its_patterns_match() -> None:
    gate = parse_gate("int8*@pi*: p50 <= 1x")
    assert gate.covers_names("net", "int8_full", "pi4")
    assert not gate.covers_names("net", "INT8", "pi4")
    assert not gate.covers_names("net", "int8", "phone")
