from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.fake import FakeModel
from edgebench.errors import DataError, WaitUnavailable, WorkerDied
from edgebench.outcome import Outcome
from edgebench.records import Throughput, Wait, Waits
from edgebench.waits.context import MeasureWait, WaitContext
from edgebench.waits.meter import WAYS, WaitMeter

from .waiting import MS, THREE_BLOCKS, context, fake, timed, wanted

ROW = Throughput(1, 1, 10.0)


def meter(folder: Path, kinds: tuple[Wait, ...], ways: Mapping[Wait, MeasureWait]) -> tuple[WaitMeter, Outcome]:
    device, case = fake(folder, FakeModel(latency_ns=2 * MS))
    launcher = context(device, wanted()).launcher
    return WaitMeter(device, launcher, THREE_BLOCKS, wanted(*kinds), ways=ways), timed(case, 2 * MS)


def rows(_: WaitContext, __: Outcome) -> dict[str, Any]:
    return {"batches": (ROW,)}


@pytest.mark.parametrize("error", [WaitUnavailable("too slow"), WorkerDied("gone")])
def test_a_wait_that_cannot_be_measured_is_a_reason_and_the_others_go_on(tmp_path: Path, error: Exception) -> None:
    def failing(_: WaitContext, __: Outcome) -> dict[str, Any]:
        raise error

    it, outcome = meter(tmp_path, (Wait.IDLE_GAP, Wait.BATCHES), {Wait.IDLE_GAP: failing, Wait.BATCHES: rows})
    it.measure(outcome)
    assert outcome.result.waits == Waits(batches=(ROW,), unavailable={"idle-gap": str(error)})
    assert outcome.alive


def test_only_what_was_asked_for_is_measured(tmp_path: Path) -> None:
    def never(_: WaitContext, __: Outcome) -> dict[str, Any]:
        raise AssertionError("nobody asked")

    it, outcome = meter(tmp_path, (Wait.BATCHES,), {Wait.IDLE_GAP: never, Wait.BATCHES: rows})
    it.measure(outcome)
    assert outcome.result.waits == Waits(batches=(ROW,))


def test_an_error_that_is_not_the_cases_own_is_not_swallowed(tmp_path: Path) -> None:
    def broken(_: WaitContext, __: Outcome) -> dict[str, Any]:
        raise DataError("no images")

    it, outcome = meter(tmp_path, (Wait.BATCHES,), {Wait.BATCHES: broken})
    with pytest.raises(DataError):
        it.measure(outcome)


def test_the_real_ways_on_a_device(tmp_path: Path) -> None:
    device, case = fake(tmp_path, FakeModel(latency_ns=2 * MS, idle_ns=3 * MS))
    kinds = (Wait.IDLE_GAP, Wait.BATCHES, Wait.WORKERS)
    assert set(kinds) <= set(WAYS)
    outcome = timed(case, 2 * MS)
    launcher = context(device, wanted()).launcher
    WaitMeter(device, launcher, THREE_BLOCKS, wanted(*kinds), available_bytes=lambda: 10**10).measure(outcome)
    found = outcome.result.waits
    assert found is not None
    assert found.idle_gap is not None
    assert found.idle_gap.ratio == pytest.approx(1.5)
    assert [row.batch for row in found.batches] == [1, 2]
    assert [row.workers for row in found.workers] == [1, 2]
    assert not found.unavailable
    assert device.open_workers == 0
