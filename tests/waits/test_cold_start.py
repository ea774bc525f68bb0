from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import WorkerDied
from edgebench.records import Whole
from edgebench.waits.cold_start import PROCESSES, measure_cold_start

from .support import SECOND, waiting


def cold_start(folder: Path, model: FakeModel) -> tuple[Whole, FakeDevice]:
    device = FakeDevice(
        {"one": model}, spawn_ns=60_000_000, numpy_ns=15_000_000, own_ns=5_000_000, import_ns=200_000_000
    )
    context, outcome, device = waiting(folder, model, device)
    whole = measure_cold_start(context, outcome)["cold_start"]
    assert device.open_workers == 0
    return whole, device


def test_each_start_is_a_fresh_process_with_all_its_steps(tmp_path: Path) -> None:
    model = FakeModel(latency_ns=8_000_000, load_ns=30_000_000, copy_ns=2_000_000)
    whole, device = cold_start(tmp_path, model)
    assert [(part.name, part.p50_ns) for part in whole.parts] == [
        ("process start", 40e6),
        ("numpy import", 15e6),
        ("runtime import", 200e6),
        ("load", 30e6),
        ("first answer", 10e6),
    ]
    assert whole.total.p50_ns == 295e6  # what is the worker's own is in no part
    assert whole.total.count == PROCESSES
    assert {number for number, _ in device.log} == set(range(1, PROCESSES + 1))
    assert [command for number, command in device.log if number == 1] == ["ready", "hello", "load", "first"]


def test_a_model_that_loads_for_half_a_minute_gets_as_many_as_fit(tmp_path: Path) -> None:
    whole, _ = cold_start(tmp_path, FakeModel(load_ns=25 * SECOND))
    assert (whole.total.count, whole.total.p50_ns, whole.parts) == (2, None, ())
    reason = "n too small: 2 samples, 11 needed; more processes would take over 60 s"
    assert whole.total.unavailable["p50_ns"] == reason


def test_a_start_that_fails_is_no_figure(tmp_path: Path) -> None:
    with pytest.raises(WorkerDied, match="gone"):
        cold_start(tmp_path, FakeModel(fails={"first": WorkerDied("gone")}))
