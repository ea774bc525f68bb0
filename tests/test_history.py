from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from edgebench.history import Change, History, Series, make_history
from edgebench.index import load_index
from edgebench.metrics import Measure, Metric
from stored_runs import FLOAT32, INT8, write_run, write_runs

P50 = Metric(Measure.P50)
NEW_FILE = "ab" * 32


def history_of(out: Path, metric: Metric = P50) -> History:
    return make_history(load_index(out).rows, metric)


def int8(out: Path, metric: Metric = P50) -> Series:
    return next(series for series in history_of(out, metric).series if series.case_id == INT8)


def noisy(count: int, level: float = 1.0, seed: int = 0) -> list[float]:
    return [level * math.exp(value) for value in np.random.default_rng(seed).normal(0, 0.02, count)]


def test_each_case_has_its_runs_in_order_of_time(tmp_path: Path) -> None:
    write_runs(tmp_path, [3.0, 1.0, 2.0])
    history = history_of(tmp_path)
    assert [series.case_id for series in history.series] == [FLOAT32, INT8]
    values = [point.estimate.value for point in history.series[0].points if point.estimate]
    assert values == [3e6, 1e6, 2e6]
    assert history.one_case is False


def test_runs_of_unlike_hosts_are_never_joined(tmp_path: Path) -> None:
    for number, p50_ms in enumerate(noisy(24)):
        # One host is twice as fast: in one series this would shift back and forth.
        host = "desk" if number % 2 else "board"
        write_run(tmp_path, number, p50_ms * (2 if host == "board" else 1), host=host)
    history = history_of(tmp_path)
    found = [series for series in history.series if series.case_id == INT8]
    assert [(series.host.hostname, len(series.points)) for series in found] == [("board", 12), ("desk", 12)]
    assert all(series.change_points == () for series in found)
    assert len(history.hosts) == 2


def test_a_shift_says_between_which_runs_by_how_much_and_what_changed(tmp_path: Path) -> None:
    write_runs(tmp_path, noisy(12))
    for number, p50_ms in enumerate(noisy(12, 1.15, seed=1), start=12):
        write_run(tmp_path, number, p50_ms, sha256=NEW_FILE, runtime="2.4.0", kernel="Linux 6.8")
    (found,) = int8(tmp_path).change_points
    assert (found.before.run_id, found.after.run_id) == ("20260112-000000-sample", "20260113-000000-sample")
    assert found.by == pytest.approx(0.15, abs=0.03)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.15 < found.high
    assert found.p is not None
    assert found.changes == (
        Change("file", "59c562f1", "abababab"),
        Change("runtime", "ai-edge-litert 2.3.0", "ai-edge-litert 2.4.0"),
        Change("kernel", "Linux 6.1", "Linux 6.8"),
    )


def test_a_shift_where_nothing_changed_says_what_did_next_to_it(tmp_path: Path) -> None:
    write_runs(tmp_path, noisy(12))
    for number, p50_ms in enumerate(noisy(12, 1.2, seed=1), start=12):
        write_run(tmp_path, number, p50_ms, kernel="Linux 6.8" if number > 12 else "Linux 6.1")
    (found,) = int8(tmp_path).change_points
    assert found.after.run_id == "20260113-000000-sample"
    assert found.changes == ()
    assert [change.what for change in found.nearby] == ["kernel"]


def test_invalid_runs_are_shown_and_part_of_no_level(tmp_path: Path) -> None:
    write_runs(tmp_path, noisy(12))
    for number in range(12, 24):
        write_run(tmp_path, number, 3.0, verdict="invalid")
    series = int8(tmp_path)
    assert len(series.points) == 24
    assert len(series.used) == 12
    assert series.change_points == ()
    assert series.trend is None


def test_suspect_runs_count(tmp_path: Path) -> None:
    write_runs(tmp_path, noisy(10), verdict="suspect")
    assert len(int8(tmp_path).used) == 10


def test_an_invalid_run_has_the_size_and_the_answers_it_has_but_for_one_reason(tmp_path: Path) -> None:
    write_run(tmp_path, 0, verdict="invalid", size_bytes=100)
    folder = write_run(tmp_path, 1, verdict="invalid", size_bytes=110)
    assert [point.by for point in int8(tmp_path, Metric(Measure.SIZE)).change_points] == [pytest.approx(0.1)]
    record = json.loads((folder / "run.json").read_text())
    for case in record["cases"]:
        case["findings"] = [{"code": "outputs-differ", "severity": "invalid", "reason": "r", "hint": "h"}]
    (folder / "run.json").write_text(json.dumps(record))
    assert int8(tmp_path, Metric(Measure.TOP1)).points[-1].used is False


def test_every_change_of_an_exact_figure_is_told_and_shares_differ_by_points(tmp_path: Path) -> None:
    for number, top1 in enumerate([0.8, 0.8, 0.75]):
        write_run(tmp_path, number, top1=top1, sha256=NEW_FILE if number == 2 else None)
    series = int8(tmp_path, Metric(Measure.TOP1))
    (found,) = series.change_points
    assert found.by == pytest.approx(-0.05)
    assert (found.low, found.high, found.p) == (None, None, None)
    assert [change.what for change in found.changes] == ["file"]
    assert series.trend is not None
    assert series.trend.by == pytest.approx(-0.05)
    assert series.trend.usual is None


def test_other_images_are_named_where_the_figure_is_about_images(tmp_path: Path) -> None:
    write_run(tmp_path, 0, top1=0.8)
    folder = write_run(tmp_path, 1, top1=0.7)
    record = json.loads((folder / "run.json").read_text())
    for case in record["cases"]:
        case["accuracy"]["images"] = 100
    (folder / "run.json").write_text(json.dumps(record))
    assert int8(tmp_path, Metric(Measure.TOP1)).points[1].changes == (
        Change("images", "28 of phantom", "100 of phantom"),
    )
    assert int8(tmp_path).points[1].changes == ()


def test_the_newest_run_is_held_against_those_before_it(tmp_path: Path) -> None:
    write_runs(tmp_path, [1.0, 1.02, 0.98, 1.3])
    trend = int8(tmp_path).trend
    assert trend is not None
    assert trend.by == pytest.approx(0.3, abs=0.005)
    # Student's prediction interval from three values with a standard deviation of 2 %.
    assert trend.usual == pytest.approx(math.expm1(4.303 * 0.02 * math.sqrt(4 / 3)), rel=0.01)
    assert trend.unusual


def test_a_usual_run_is_not_unusual(tmp_path: Path) -> None:
    write_runs(tmp_path, [1.0, 1.02, 0.98, 0.97])
    trend = int8(tmp_path).trend
    assert trend is not None
    assert not trend.unusual


def test_from_two_runs_before_there_is_a_change_and_nothing_usual(tmp_path: Path) -> None:
    write_runs(tmp_path, [1.0, 1.0, 1.1])
    trend = int8(tmp_path).trend
    assert trend is not None
    assert (round(trend.by, 6), trend.usual, trend.unusual) == (0.1, None, False)


def test_runs_with_another_file_are_not_what_is_usual(tmp_path: Path) -> None:
    write_runs(tmp_path, [5.0, 5.1, 4.9])
    for number, p50_ms in enumerate([1.0, 1.01, 0.99, 1.02], start=3):
        write_run(tmp_path, number, p50_ms, sha256=NEW_FILE)
    trend = int8(tmp_path).trend
    assert trend is not None
    assert trend.by == pytest.approx(0.02, abs=0.002)
    assert trend.usual is not None
    assert trend.usual < 0.06


def test_one_run_has_nothing_before_it(tmp_path: Path) -> None:
    write_run(tmp_path, 0, 1.0)
    series = int8(tmp_path)
    assert (series.trend, series.change_points) == (None, ())
    assert history_of(tmp_path).untested == list(history_of(tmp_path).series)


def test_a_case_without_the_figure_is_named(tmp_path: Path) -> None:
    folder = write_run(tmp_path, 0)
    record = json.loads((folder / "run.json").read_text())
    record["cases"][1]["accuracy"] = None
    (folder / "run.json").write_text(json.dumps(record))
    history = history_of(tmp_path, Metric(Measure.RECALL, "mel"))
    assert [series.case_id for series in history.series] == [FLOAT32]
    assert history.without == (INT8,)
