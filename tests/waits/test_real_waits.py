"""Real workers on a fixture model: every wait gives figures, or the reason why not, and the case goes on."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import edgebench
import pytest
from colours import write_folder
from edgebench.records import Engine, Status, Wait
from edgebench.waits import cold_start, end_to_end, weight_cache
from harness import SHORT, model


def test_waits_of_a_real_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "PROCESSES", 2)
    monkeypatch.setattr(weight_cache, "ROUNDS", 1)
    monkeypatch.setattr(end_to_end, "BLOCKS", 1)
    monkeypatch.setattr(end_to_end, "BLOCK_NS", 1)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    images = write_folder(tmp_path / "images", per_class=2)
    run = edgebench.run(
        model("float32"),
        data=f"folder:{images}",
        normalize="-1..1",
        engine=("interpreter", "compiled"),
        waits=("end-to-end", "cold-start", "weight-cache"),
        settings=replace(SHORT, warmup_time_ns=1_000_000),
    )
    assert [case.status for case in run.record.cases] == [Status.OK] * 2
    for case in run.record.cases:
        waits = case.waits
        assert waits is not None
        assert waits.end_to_end is not None
        assert waits.end_to_end.total.count >= end_to_end.MIN_RUNS
        assert [part.name for part in waits.end_to_end.parts][-2:] == ["invoke", "read out"]
        assert waits.cold_start is not None
        assert waits.cold_start.total.count == 2
        assert waits.cold_start.total.min_ns > 1_000_000
        if case.engine is Engine.COMPILED:
            assert not waits.unavailable
            assert waits.weight_cache is not None
            assert waits.weight_cache.cache_bytes > 1000
            assert waits.weight_cache.warm.count == 1
            assert waits.weight_cache.plain_peak_rss_bytes
        else:
            assert set(waits.unavailable) == {Wait.WEIGHT_CACHE.value}
    assert not [path for path in tmp_path.iterdir() if path.name.startswith("edgebench-")]
