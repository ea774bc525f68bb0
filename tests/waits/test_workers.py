from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.devices.local import LocalDevice
from edgebench.errors import RuntimeRefused, WaitUnavailable, WorkerDied, WorkerError
from edgebench.outcome import Outcome
from edgebench.records import Throughput
from edgebench.waits.workers import measure_workers

from .waiting import MS, S, context, fake, real_case, timed, wanted


def measured(
    folder: Path, what: FakeModel, workers: tuple[int, ...] = (1, 2), *, free: int | None = None, batch: int = 1,
    latency_ns: int = 2 * MS, blocks: int = 3,
) -> tuple[tuple[Throughput, ...], FakeDevice, Outcome]:  # fmt: skip
    device, case = fake(folder, what)
    outcome = timed(case, latency_ns, batch=batch)
    wait = context(device, wanted(workers=workers), available_bytes=lambda: free, blocks=blocks)
    rows = measure_workers(wait, outcome)["workers"]
    assert device.open_workers == 0
    return rows, device, outcome


def test_processes_that_do_not_hinder_each_other(tmp_path: Path) -> None:
    rows, device, outcome = measured(tmp_path, FakeModel(latency_ns=2 * MS), (1, 2, 4))
    assert [(row.batch, row.workers) for row in rows] == [(1, 1), (1, 2), (1, 4)]
    assert [row.items_per_s for row in rows] == [pytest.approx(value) for value in (500, 1000, 2000)]
    assert [row.speedup for row in rows] == [pytest.approx(value) for value in (1, 2, 4)]
    assert rows[2].low == pytest.approx(2000)
    assert device._started == 3 * 4
    assert outcome.result.notes == ()


def test_items_are_the_models_own_batch_times_its_runs(tmp_path: Path) -> None:
    rows, _, _ = measured(tmp_path, FakeModel(latency_ns=2 * MS), batch=4)
    assert rows[0].batch == 4
    assert rows[0].items_per_s == pytest.approx(2000)


def test_all_are_warm_before_any_begins_and_all_are_told_before_any_is_waited_for(tmp_path: Path) -> None:
    asked: list[str] = []

    class Listening(FakeDevice):
        def start_worker(self, python: str) -> WorkerLink:
            return _Listener(super().start_worker(python), asked)

    case = fake(tmp_path, FakeModel())[1]
    device = Listening({"one": FakeModel(latency_ns=2 * MS)})
    measure_workers(context(device, wanted(workers=(2,)), blocks=1), timed(case, 2 * MS))
    last_burst = len(asked) - 1 - asked[::-1].index("burst")
    assert asked[last_burst + 1 :] == ["send", "send", "receive", "receive"] * 5
    assert asked[:last_burst].count("load") == 2


class _Listener(WorkerLink):
    def __init__(self, link: WorkerLink, asked: list[str]) -> None:
        self._link, self._asked = link, asked

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        self._asked.append(command)
        return self._link.request(command, timeout_s, **fields)

    def send(self, command: str, **fields: Any) -> None:
        self._asked.append("send")
        self._link.send(command, **fields)

    def receive(self, command: str, timeout_s: float) -> dict[str, Any]:
        self._asked.append("receive")
        return self._link.receive(command, timeout_s)

    def close(self) -> None:
        self._link.close()


def test_more_threads_than_cores_are_noted(tmp_path: Path) -> None:
    _, _, outcome = measured(tmp_path, FakeModel(latency_ns=2 * MS), (1, 8))
    assert outcome.result.notes == ("throughput: 8 processes at once have 8 threads on 4 cores",)


def test_more_processes_than_memory_holds_are_not_started(tmp_path: Path) -> None:
    rows, device, _ = measured(tmp_path, FakeModel(latency_ns=2 * MS), (1, 2), free=150_000_000)
    assert rows[1].unavailable == {"items_per_s": "2 times 50 MB is more than the 90 MB of free memory that it may use"}
    assert rows[0].items_per_s == pytest.approx(500)
    assert device._started == 3


def test_a_slow_model_does_not_take_minutes(tmp_path: Path) -> None:
    rows, device, _ = measured(tmp_path, FakeModel(latency_ns=5 * S), (1, 2, 16), latency_ns=5 * S)
    assert rows[0].items_per_s == pytest.approx(0.2)
    assert rows[1].items_per_s == pytest.approx(0.4)
    assert rows[2].unavailable == {"items_per_s": "one run would take about 20 s: too long to repeat"}
    assert device.now_ns < 120 * S


def test_a_number_that_cannot_be_loaded_keeps_the_reason_and_the_others_go_on(tmp_path: Path) -> None:
    loads = 0

    def latency(run: int) -> int:
        nonlocal loads
        loads += run == 0
        if run == 0 and loads == 3:
            raise WorkerDied("the worker was ended by SIGKILL (out of memory?) during 'first'")
        return 2 * MS

    rows, _, _ = measured(tmp_path, FakeModel(latency_ns=latency), (1, 3))
    assert rows[0].items_per_s == pytest.approx(500)
    assert "out of memory?" in rows[1].unavailable["items_per_s"]


def test_a_worker_that_dies_in_a_window_ends_the_block_and_the_others_go_on(tmp_path: Path) -> None:
    device, case = fake(tmp_path, FakeModel(latency_ns=2 * MS))
    died: list[int] = []

    class Dying(FakeDevice):
        def start_worker(self, python: str) -> WorkerLink:
            link = super().start_worker(python)
            receive, number = link.receive, self._started

            def fail(command: str, timeout_s: float) -> dict[str, Any]:
                if number == 2 and command == "window":
                    died.append(number)
                    raise WorkerDied("gone")
                return receive(command, timeout_s)

            link.receive = fail  # type: ignore[method-assign]
            return link

    device = Dying(device.models)
    one, two = measure_workers(context(device, wanted(workers=(1, 2))), timed(case, 2 * MS))["workers"]
    assert died
    assert two.unavailable == {"items_per_s": "gone"}
    assert one.items_per_s == pytest.approx(500)
    assert device.open_workers == 0


def test_workers_that_never_run_together_say_so(tmp_path: Path) -> None:
    class Late(FakeDevice):
        """Each worker hears of its window only when the one before has ended."""

        def start_worker(self, python: str) -> WorkerLink:
            link = super().start_worker(python)
            send = link.send

            def hear(command: str, **fields: Any) -> None:
                self.now_ns += S
                send(command, **fields)

            link.send = hear  # type: ignore[method-assign]
            return link

    case = fake(tmp_path, FakeModel())[1]
    device = Late({"one": FakeModel(latency_ns=2 * MS)})
    (row,) = measure_workers(context(device, wanted(workers=(2,))), timed(case, 2 * MS))["workers"]
    assert row.unavailable == {"items_per_s": "its processes never ran at the same time: the machine is too busy"}


def test_what_fails_every_number_is_the_waits_reason(tmp_path: Path) -> None:
    fails: dict[str, WorkerError] = {"window": RuntimeRefused("cannot run")}
    with pytest.raises(WaitUnavailable, match="cannot run"):
        measured(tmp_path, FakeModel(latency_ns=2 * MS, fails=fails))


def test_real_workers_run_at_the_same_time() -> None:
    case = real_case("float32")
    wait = context(LocalDevice(), wanted(workers=(1, 2)), blocks=1, timeout_s=60.0)
    one, two = measure_workers(wait, timed(case, MS))["workers"]
    assert one.items_per_s is not None
    assert two.items_per_s is not None
    assert two.speedup is not None
