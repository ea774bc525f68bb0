from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.errors import UsageError
from edgebench.index import load_index
from edgebench.metrics import Measure, Metric, Unit, parse_metric
from stored_runs import write_run


@pytest.mark.parametrize("text", ["p50", "peak_rss", "size", "top1", "balanced", "recall[mel]"])
def test_a_metric_is_read_and_has_a_value(tmp_path: Path, text: str) -> None:
    write_run(tmp_path, 0)
    metric = parse_metric(text, ["mel", "nv"])
    assert metric.name == text
    found = metric.of(load_index(tmp_path).rows[0])
    assert found is not None
    assert found.value > (1_000 if metric.unit is not Unit.SHARE else 0)


def test_a_class_may_be_written_as_for_recommend() -> None:
    assert parse_metric("recall:mel", ["mel"]) == Metric(Measure.RECALL, "mel")


def test_only_times_and_memory_vary_between_runs_of_one_file() -> None:
    assert [measure for measure in Measure if not Metric(measure).exact] == [Measure.P50, Measure.PEAK_RSS]


@pytest.mark.parametrize(
    ("text", "labels", "message"),
    [
        ("speed", ["mel"], "--metric speed: unknown; known are p50, peak_rss, size, top1, balanced and recall[CLASS]"),
        ("recall", ["mel"], "unknown; known are p50"),
        ("recall[cat]", ["nv", "mel"], "no stored run here has a class 'cat'; known: mel, nv"),
        ("recall[mel]", [], "none has classes: measure with --data"),
    ],
)
def test_an_unknown_metric_names_the_known(text: str, labels: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_metric(text, labels)
    assert message in str(caught.value)
