from __future__ import annotations

from pathlib import Path

import pytest
from edgebench.devices.fake import FakeModel
from edgebench.devices.local import LocalDevice
from edgebench.errors import WaitUnavailable, WorkerDied, WorkerError
from edgebench.records import IdleGap
from edgebench.waits.idle_gap import measure_idle_gap

from .waiting import MS, S, context, fake, real_case, timed, wanted


def measured(folder: Path, what: FakeModel, *, gap_ns: int = 100 * MS, blocks: int = 3) -> IdleGap:
    device, case = fake(folder, what)
    typical = what.latency_ns if isinstance(what.latency_ns, int) else what.latency_ns(0)
    found = measure_idle_gap(context(device, wanted(gap_ns=gap_ns), blocks=blocks), timed(case, typical))
    assert device.open_workers == 0
    assert set(found) == {"idle_gap"}
    gap: IdleGap = found["idle_gap"]
    return gap


def test_runs_after_a_pause_against_runs_back_to_back(tmp_path: Path) -> None:
    found = measured(tmp_path, FakeModel(latency_ns=2 * MS, idle_ns=3 * MS), blocks=6)
    assert found.gap_ns == 100 * MS
    for value in (found.ratio, found.low, found.high):
        assert value == pytest.approx(1.5)
    assert found.latency.count == 72
    assert found.latency.p90_ns == 3 * MS
    assert "p95_ns" in found.latency.unavailable
    assert found.latency.blocks == 6


def test_a_model_that_does_not_mind_a_pause(tmp_path: Path) -> None:
    found = measured(tmp_path, FakeModel(latency_ns=2 * MS))
    assert found.ratio == pytest.approx(1.0)


def test_medians_are_compared_so_that_a_pause_that_hits_most_runs_is_seen(tmp_path: Path) -> None:
    # One of three runs after a pause is as fast as ever: a lower quartile would see no difference.
    device, case = fake(tmp_path, FakeModel(latency_ns=2 * MS))
    paused = iter([2, 4, 4] * 100)

    def invoke_idle(link: object) -> int:
        device.now_ns += (latency := next(paused) * MS)
        return latency

    from edgebench.devices import fake as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module._FakeLink, "_idle_run", invoke_idle)
        found = measure_idle_gap(context(device, wanted()), timed(case, 2 * MS))["idle_gap"]
    assert found.ratio == pytest.approx(2.0)


def test_every_block_has_a_fresh_worker_that_alternates(tmp_path: Path) -> None:
    device, case = fake(tmp_path, FakeModel(latency_ns=2 * MS))
    measure_idle_gap(context(device, wanted()), timed(case, 2 * MS))
    assert {number for number, _ in device.log} == {1, 2, 3}
    commands = [command for number, command in device.log if number == 2]
    assert commands[:3] == ["hello", "load", "first"]
    assert commands[-9:] == ["paced", "burst", "burst"] * 3


def test_the_time_is_bounded_a_longer_gap_gets_fewer_runs(tmp_path: Path) -> None:
    device, case = fake(tmp_path, FakeModel(latency_ns=2 * MS))
    found = measure_idle_gap(context(device, wanted(gap_ns=S), blocks=6), timed(case, 2 * MS))["idle_gap"]
    assert found.latency.count == 12
    assert device.now_ns < 15 * S
    found = measure_idle_gap(context(device, wanted(gap_ns=10 * S), blocks=6), timed(case, 2 * MS))["idle_gap"]
    assert found.latency.count == 3
    assert found.latency.unavailable["p50_ns"] == "n too small: 3 samples, 11 needed"
    assert found.ratio is not None


def test_an_inference_longer_than_the_gap(tmp_path: Path) -> None:
    with pytest.raises(WaitUnavailable) as caught:
        measured(tmp_path, FakeModel(latency_ns=120 * MS))
    assert str(caught.value) == ("an inference takes 120 ms, longer than the gap of 100 ms; ask for a longer --gap")


def test_too_few_blocks_for_a_ratio_say_so(tmp_path: Path) -> None:
    found = measured(tmp_path, FakeModel(latency_ns=2 * MS), blocks=1)
    assert (found.ratio, found.low, found.high) == (None, None, None)
    assert found.unavailable == {"ratio": "1 block, 3 needed for an interval"}
    assert found.latency.p50_ns == 2 * MS


def test_a_worker_that_dies_is_told(tmp_path: Path) -> None:
    gone: dict[str, WorkerError] = {"paced": WorkerDied("the worker was ended by SIGSEGV during 'paced'")}
    with pytest.raises(WorkerDied, match="SIGSEGV"):
        measured(tmp_path, FakeModel(latency_ns=2 * MS, fails=gone))


def test_a_real_worker_sleeps_between_its_runs() -> None:
    device = LocalDevice()
    case = real_case("float32")
    found = measure_idle_gap(context(device, wanted(gap_ns=MS), blocks=1, timeout_s=60.0), timed(case, 1))["idle_gap"]
    assert found.latency.count == 12
    assert found.latency.min_ns > 0
