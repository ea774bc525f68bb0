from __future__ import annotations

import numpy as np
import pytest
from edgebench.devices.fake import FakeDevice, FakeModel
from edgebench.errors import WorkerDied
from edgebench.records import Coverage, Delegate, DelegateKind, Engine
from edgebench.session import LoadRequest, Session

REQUEST = LoadRequest("anywhere/one.tflite", Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), 1, None)


def started(model: FakeModel) -> tuple[FakeDevice, Session]:
    device = FakeDevice({"one": model})
    return device, Session(device.start_worker("python3"), 1.0)


def test_time_passes_only_while_a_model_runs() -> None:
    device, session = started(FakeModel(latency_ns=lambda run: 100 + run))
    session.hello()
    session.load(REQUEST)
    assert session.first(0) == 100
    samples = session.burst(1, 10, 250)
    assert samples.latency_ns.tolist() == [101, 102, 103]
    assert samples.start_ns.tolist() == [100, 201, 303]
    assert device.now_ns == 406


@pytest.mark.parametrize(("min_runs", "max_runs", "max_ns", "expected"), [(5, 9, 0, 5), (1, 3, 10**9, 3), (1, 9, 0, 1)])
def test_bursts_keep_to_their_bounds(min_runs: int, max_runs: int, max_ns: int, expected: int) -> None:
    _, session = started(FakeModel())
    session.load(REQUEST)
    assert session.burst(min_runs, max_runs, max_ns).latency_ns.size == expected


def test_the_log_and_the_count_of_open_workers() -> None:
    device, session = started(FakeModel())
    other = device.start_worker("python3")
    session.load(REQUEST)
    other.request("hello", 1.0)
    assert device.log == [(1, "load"), (2, "hello")]
    assert device.open_workers == 2
    session.close()
    session.close()
    assert device.open_workers == 1


def test_scripted_failures() -> None:
    _, session = started(FakeModel(fails={"burst": WorkerDied("gone")}))
    session.load(REQUEST)
    session.first(0)
    with pytest.raises(WorkerDied, match="gone"):
        session.burst(1, 1, 1)


@pytest.mark.parametrize(("taken", "coverage"), [(3, Coverage.FULL), (2, Coverage.PARTIAL), (0, Coverage.NOTHING)])
def test_delegation(taken: int, coverage: Coverage) -> None:
    _, session = started(FakeModel(delegated_nodes=taken))
    found = session.load(REQUEST).delegation
    assert found.coverage is coverage
    assert sum(value or 0 for value in found.cpu_operators.values()) == 3 - taken


def test_scores_are_scripted_or_go_round_the_classes() -> None:
    _, session = started(FakeModel(classes=3))
    session.load(REQUEST)
    assert session.predict(2, 6, 0).argmax(axis=1).tolist() == [2, 0, 1, 2]
    _, scripted = started(FakeModel(scores=lambda start, stop: [[row, -row] for row in range(start, stop)]))
    scripted.load(REQUEST)
    assert np.array_equal(scripted.predict(1, 3, 0), [[1, -1], [2, -2]])


def test_what_cannot_be_known_of_a_fake_has_its_reason() -> None:
    found = FakeDevice({}).environment()
    assert found.cpu_model is None
    assert set(found.unavailable) == {"cpu_model"}
