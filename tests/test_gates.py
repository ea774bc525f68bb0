"""How gates are written."""

from __future__ import annotations

import pytest
from edgebench.changes import Metric
from edgebench.errors import UsageError
from edgebench.gates import Gate, GateKind, parse_gate, parse_gates


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
        ("recall[*] >= −3pt", Metric.RECALL, "*", GateKind.POINTS, -0.03),
        ("recall[a b] >= 0pt", Metric.RECALL, "a b", GateKind.POINTS, 0.0),
        ('recall["a b]"] >= +1.5pt', Metric.RECALL, "a b]", GateKind.POINTS, 0.015),
        (r'precision["say \"yes\": now"] >= .5', Metric.PRECISION, 'say "yes": now', GateKind.ABSOLUTE, 0.5),
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
    assert parse_gate(gate.whole_text) == gate


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
    assert parse_gate(gate.whole_text) == gate


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p50", "not a gate; write p50 <= 1.05x"),
        ("", "not a gate"),
        ("p5o <= 1x", "no metric is called p5o; did you mean p50?"),
        ("latency <= 1x", "no metric is called latency"),
        ("peak_ram <= 1x", "did you mean peak_rss?"),
        ("p50 >= 1x", "p50 is a cost, of which less is better: write <= instead of >="),
        ("p50 < 1x", "write <= instead of <"),
        ("recall[mel] <= 0.7", "recall is a share, of which more is better: write >= instead of <="),
        ("top1 <> 0.7", "<> is no comparison; write >="),
        ("recall >= 0.7", "recall belongs to a class; write recall[LABEL], or recall[*]"),
        ("recall[] >= 0.7", "name a class"),
        ("top1[mel] >= 0.7", "top1 belongs to no class"),
        (r'recall["a\q"] >= 0.7', "within quotes"),
        ("p50 <= 25", "25 is no limit for p50; write 1.05x or +5% (of the base), or 25ms"),
        ("p50 <= 5%", "5% is no limit for p50"),
        ("p50 <= -2pt", "no limit for p50"),
        ("p50 <= 3MB", "no limit for p50"),
        ("p50 <= -100%", "no limit for p50"),
        ("p50 <= 0x", "no limit for p50"),
        ("p50 <= soon", "soon is no limit; write"),
        ("size <= 5ms", "no limit for size; write 1.05x or +5% (of the base), or 60MB"),
        ("recall[mel] >= 1.0x", "no limit for recall; write -2pt"),
        ("recall[mel] >= 2pt", "no limit for recall"),
        ("top1 >= 80", "no limit for top1"),
        ("top1 >= -0.1", "no limit for top1"),
        ("int8@: p50 <= 1x", "write MODEL/VARIANT@DEVICE before the colon"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_gate(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_patterns_of_a_table_hold_where_a_gate_names_none() -> None:
    gates = parse_gates(["p50 <= 1x", "size <= 1x", "p50 <= 1x", "int8: p50 <= 1x"], variant="f*", device="pi*")
    assert [(gate.variant, gate.device) for gate in gates] == [("f*", "pi*"), ("f*", "pi*"), ("int8", "pi*")]


def test_a_gate_is_for_what_its_patterns_match() -> None:
    gate = Gate(Metric.P50, GateKind.RATIO, 1.0, "p50 <= 1x", variant="int8*", device="pi*")
    assert gate.is_for("net", "int8_full", "pi4")
    assert not gate.is_for("net", "INT8", "pi4")
    assert not gate.is_for("net", "int8", "phone")
