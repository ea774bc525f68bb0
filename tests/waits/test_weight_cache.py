from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import WaitUnavailable, WorkerDied, WorkerError
from edgebench.records import Delegate, DelegateKind, Engine, WeightCache
from edgebench.waits.weight_cache import ROUNDS, measure_weight_cache

from .support import SECOND, waiting

CACHING = FakeModel(
    latency_ns=1_000_000, load_ns=9_000_000, copy_ns=0, warm_load_ns=4_000_000, cache_bytes=123, peak_rss_bytes=77
)


def measured(folder: Path, model: FakeModel = CACHING, **options: Any) -> tuple[WeightCache, FakeDevice]:
    device = FakeDevice({"one": model}, **options)
    context, outcome, device = waiting(folder, model, device, engines=(Engine.COMPILED,))
    try:
        return measure_weight_cache(context, outcome)["weight_cache"], device
    finally:
        assert device.open_workers == 0
        assert (device.folders, device.files) == (set(), {})


def test_three_kinds_of_processes_take_turns(tmp_path: Path) -> None:
    found, device = measured(tmp_path)
    assert (found.plain.p50_ns, found.cold.p50_ns, found.warm.p50_ns) == (10e6, 10e6, 5e6)
    assert [part.count for part in (found.plain, found.cold, found.warm)] == [ROUNDS] * 3
    assert (found.cache_bytes, found.plain_peak_rss_bytes, found.warm_peak_rss_bytes) == (123, 77, 77)
    loads = [number for number, command in device.log if command == "load"]
    assert len(set(loads)) == len(loads) == 3 * ROUNDS + 1


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"engines": (Engine.INTERPRETER,)}, "the Interpreter cannot set .* from Python; use --engine compiled"),
        (
            {"engines": (Engine.COMPILED,), "delegates": (Delegate(DelegateKind.NONE),)},
            "the cache is XNNPACK's.*not none",
        ),
    ],
)
def test_cases_without_such_a_cache_say_so_before_anything_is_started(
    tmp_path: Path, spec: dict[str, Any], reason: str
) -> None:
    context, outcome, device = waiting(tmp_path, CACHING, **spec)
    with pytest.raises(WaitUnavailable, match=reason):
        measure_weight_cache(context, outcome)
    assert device.log == []


def test_a_cache_that_is_not_written_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(WaitUnavailable, match="wrote no weight cache for this model"):
        measured(tmp_path, FakeModel())


def test_a_cache_that_is_written_anew_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(WaitUnavailable, match="anew instead of reading it"):
        measured(tmp_path, FakeModel(cache_bytes=5, rewrites_cache=True))


def test_a_slow_model_gets_as_many_rounds_as_fit(tmp_path: Path) -> None:
    found, _ = measured(tmp_path, FakeModel(load_ns=10 * SECOND, warm_load_ns=5 * SECOND, cache_bytes=5))
    assert found.warm.count == 2
    reason = "n too small: 2 samples, 11 needed; more processes would take over 60 s"
    assert found.warm.unavailable["p50_ns"] == reason


@pytest.mark.parametrize("lost", ["load", "first", "memory", "make_scratch", "file_state", "drop_scratch"])
def test_the_folder_goes_whichever_worker_is_lost(tmp_path: Path, lost: str) -> None:
    with pytest.raises(WorkerError, match="SIGKILL"):
        measured(tmp_path, lost=[lost])


def test_a_model_that_does_not_run_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(WorkerDied, match="gone"):
        measured(tmp_path, FakeModel(cache_bytes=5, fails={"first": WorkerDied("gone")}))
