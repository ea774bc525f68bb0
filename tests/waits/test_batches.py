from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.devices.local import LocalDevice
from edgebench.errors import RuntimeRefused, WaitUnavailable, WorkerDied
from edgebench.records import Engine, Throughput
from edgebench.waits.batches import measure_batches

from .waiting import MS, S, context, fake, real_case, timed, wanted


def measured(
    folder: Path, what: FakeModel, batches: tuple[int, ...] = (1, 2, 8), *, free: int | None = None, blocks: int = 3,
    latency_ns: int = 2 * MS,
) -> tuple[tuple[Throughput, ...], FakeDevice]:  # fmt: skip
    device, case = fake(folder, what)
    wait = context(device, wanted(batches=batches), available_bytes=lambda: free, blocks=blocks)
    rows = measure_batches(wait, timed(case, latency_ns))["batches"]
    assert device.open_workers == 0
    return rows, device


def sublinear(batch: int) -> int:
    """A model that has a fixed cost a run."""
    return (1 + batch) * MS


def test_items_per_second_and_speedup(tmp_path: Path) -> None:
    rows, _ = measured(tmp_path, FakeModel(latency_ns=2 * MS, batch_ns=sublinear))
    assert [(row.batch, row.workers) for row in rows] == [(1, 1), (2, 1), (8, 1)]
    assert [row.items_per_s for row in rows] == [pytest.approx(value) for value in (500, 2000 / 3, 8000 / 9)]
    assert [row.speedup for row in rows] == [pytest.approx(value) for value in (1.0, 4 / 3, 16 / 9)]
    assert rows[2].low == pytest.approx(8000 / 9)
    assert not any(row.unavailable for row in rows)


def test_each_size_is_proved_once_and_has_a_fresh_worker_in_each_block_in_turns(tmp_path: Path) -> None:
    _, device = measured(tmp_path, FakeModel(latency_ns=2 * MS), (1, 2))
    assert [command for _, command in device.log].count("check_batch") == 1  # a batch of 1 is what was measured
    workers = {number for number, command in device.log if command == "load"}
    assert len(workers) == 6
    steady = [number for number, command in device.log if command == "burst"][-20:]
    first, second = steady[:2]
    assert first != second
    assert steady == [first, second, second, first] * 5


def test_a_size_that_is_refused_keeps_the_reason_and_the_others_go_on(tmp_path: Path) -> None:
    def refusing(batch: int) -> int:
        if batch == 8:
            raise RuntimeRefused("a batch of 8 is refused")
        return sublinear(batch)

    rows, _ = measured(tmp_path, FakeModel(latency_ns=2 * MS, batch_ns=refusing))
    assert rows[2] == Throughput(8, 1, unavailable={"items_per_s": "a batch of 8 is refused"})
    assert rows[1].speedup == pytest.approx(4 / 3)


def test_a_size_that_dies_in_a_block_keeps_the_reason(tmp_path: Path) -> None:
    calls: dict[int, int] = {}

    def dying(batch: int) -> int:
        calls[batch] = calls.get(batch, 0) + 1
        if batch == 2 and calls[batch] > 4:
            raise WorkerDied("the worker was ended by SIGKILL (out of memory?) during 'burst'")
        return sublinear(batch)

    rows, _ = measured(tmp_path, FakeModel(latency_ns=2 * MS, batch_ns=dying))
    assert "SIGKILL (out of memory?)" in rows[1].unavailable["items_per_s"]
    assert rows[2].items_per_s == pytest.approx(8000 / 9)


def test_without_the_first_row_there_is_no_speedup(tmp_path: Path) -> None:
    def refusing(batch: int) -> int:
        if batch == 2:
            raise RuntimeRefused("no")
        return sublinear(batch)

    rows, _ = measured(tmp_path, FakeModel(latency_ns=2 * MS, batch_ns=refusing), (2, 8))
    assert rows[1].items_per_s == pytest.approx(8000 / 9)
    assert rows[1].unavailable == {"speedup": "the first row was not measured"}


def test_a_reason_that_all_sizes_share_is_the_waits_reason(tmp_path: Path) -> None:
    def refusing(batch: int) -> int:
        raise RuntimeRefused("the model has no batch")

    with pytest.raises(WaitUnavailable, match="the model has no batch"):
        measured(tmp_path, FakeModel(batch_ns=refusing), (2, 8))


def test_a_batch_that_would_take_too_long_is_not_tried(tmp_path: Path) -> None:
    rows, device = measured(tmp_path, FakeModel(latency_ns=5 * S), (1, 2, 8), latency_ns=5 * S)
    assert rows[2].unavailable == {"items_per_s": "one run would take about 40 s: too long to repeat"}
    assert rows[0].items_per_s == pytest.approx(0.2)
    assert rows[0].unavailable["low"].endswith("needed for an interval")
    assert device.now_ns < 120 * S


def test_sizes_that_do_not_fit_into_memory_together_are_measured_apart(tmp_path: Path) -> None:
    what = FakeModel(latency_ns=2 * MS, peak_rss_bytes=50_000_000)
    _, device = measured(tmp_path, what, (1, 2), free=150_000_000, blocks=1)
    loads = [index for index, (_, command) in enumerate(device.log) if command == "load"]
    between = [command for _, command in device.log[loads[0] : loads[1]]]
    assert "burst" in between


def test_a_batch_that_needs_more_memory_than_it_may_use(tmp_path: Path) -> None:
    what = FakeModel(latency_ns=2 * MS, peak_rss_bytes=70_000_000)
    rows, _ = measured(tmp_path, what, (1, 2), free=100_000_000, blocks=1)
    assert rows[1].unavailable == {"items_per_s": "needs more than the 60 MB that it may use"}


def test_a_lower_memory_limit_is_the_one_that_is_named(tmp_path: Path) -> None:
    device, case = fake(tmp_path, FakeModel(latency_ns=2 * MS, peak_rss_bytes=70_000_000))
    wait = context(
        device, wanted(batches=(1, 2)), available_bytes=lambda: 10**9, blocks=1, memory_limit_bytes=50_000_000
    )
    with pytest.raises(WaitUnavailable, match="used 70 MB, more than --memory-limit 50 MB"):
        measure_batches(wait, timed(case, 2 * MS))


@pytest.mark.parametrize("engine", [engine for engine in Engine if engine is not Engine.BENCHMARK_MODEL])
def test_real_models(engine: Engine) -> None:
    expected: Mapping[str, tuple[bool, ...]] = {"float32": (True, True), "fixed_reshape": (True, False)}
    for name, fine in expected.items():
        case = real_case(name, engine)
        wait = context(LocalDevice(), wanted(batches=(1, 3)), blocks=1, timeout_s=60.0)
        outcome = timed(case, MS)
        rows = measure_batches(wait, outcome)["batches"]
        assert tuple(row.items_per_s is not None for row in rows) == fine
        assert rows[0].unavailable["low"] == "1 block, 3 needed for an interval"
    assert "export it with an open batch" in rows[1].unavailable["items_per_s"]
