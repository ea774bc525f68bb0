from __future__ import annotations

from dataclasses import replace

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


def test_time_passes_only_while_a_model_loads_and_runs() -> None:
    device, session = started(FakeModel(latency_ns=lambda run: 100 + run, load_ns=7000, copy_ns=10))
    session.hello()
    assert session.load(REQUEST).load_ns == 7000
    assert session.first(0) == 100
    samples = session.burst(1, 10, 250)
    assert samples.latency_ns.tolist() == [101, 102, 103]
    assert samples.start_ns.tolist() == [7111, 7212, 7314]
    assert device.now_ns == 7417


def test_starting_takes_time_where_it_is_said_to() -> None:
    device = FakeDevice({"one": FakeModel(latency_ns=100, copy_ns=5)}, spawn_ns=1000, import_ns=300)
    session = Session(device.start_worker("python3"), 1.0)
    assert device.now_ns == 1000
    assert session.hello().import_ns == 300
    assert device.now_ns == 1300
    session.load(REQUEST)
    assert session.first_answer(0) == 105


def test_photos_are_answered_step_by_step() -> None:
    device, session = started(FakeModel(latency_ns=50, photo_ns=(4, 3, 2, 1, 7)))
    session.load(REQUEST)
    before_ns = device.now_ns
    assert session.photos(1, 9, 100).tolist() == [[4, 3, 2, 1, 50, 7]] * 2
    assert device.now_ns == before_ns + 2 * 67


def test_a_weight_cache_is_written_once_and_found_again() -> None:
    device, session = started(FakeModel(load_ns=90, warm_load_ns=40, cache_bytes=77))
    folder = session.make_scratch()
    cached = replace(REQUEST, weight_cache=f"{folder}/cache")
    assert session.file_state(f"{folder}/cache") is None
    assert session.load(cached).load_ns == 90
    written = session.file_state(f"{folder}/cache")
    assert written is not None
    assert written.size_bytes == 77
    assert session.load(cached).load_ns == 40
    assert session.file_state(f"{folder}/cache") == written
    session.drop_scratch(folder)
    assert (device.folders, device.files) == (set(), {})


def test_a_worker_that_is_lost_answers_no_more() -> None:
    device = FakeDevice({"one": FakeModel()}, lost=["memory"])
    session = Session(device.start_worker("python3"), 1.0)
    with pytest.raises(WorkerDied, match="during 'memory'"):
        session.memory()
    with pytest.raises(WorkerDied, match="during 'hello'"):
        session.hello()
    assert Session(device.start_worker("python3"), 1.0).memory()


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


def test_classifying_takes_time_where_it_is_told_to() -> None:
    device, session = started(FakeModel(predict_ns=100, load_ns=0))
    session.load(REQUEST)
    assert len(session.predict(0, 9, 250)) == 3  # the third begins in time
    assert len(session.predict(3, 9, 0)) == 1
    assert len(session.predict(4, 9, 10_000)) == 5
    assert device.now_ns == 900


def test_what_cannot_be_known_of_a_fake_has_its_reason() -> None:
    found = FakeDevice({}).environment()
    assert found.cpu_model is None
    assert set(found.unavailable) == {"cpu_model"}


def test_runs_after_a_pause_have_their_own_latency() -> None:
    device, session = started(FakeModel(latency_ns=100, idle_ns=150, load_ns=0))
    session.load(REQUEST)
    samples = session.paced(1_000, 3)
    assert samples.start_ns.tolist() == [1_000, 2_000, 3_000]
    assert samples.latency_ns.tolist() == [150] * 3
    assert session.burst(1, 1, 0).latency_ns.tolist() == [100]
    assert device.now_ns == 3_250


def test_what_was_sent_to_several_runs_at_the_same_time() -> None:
    device = FakeDevice({"one": FakeModel(latency_ns=100, load_ns=0)})
    sessions = [Session(device.start_worker("python3"), 1.0) for _ in range(2)]
    for session in sessions:
        session.load(REQUEST)
    for session in sessions:
        session.start_window(1_000, 1_250, 99)
    answers = [session.end_window() for session in sessions]
    assert [answer.start_ns.tolist() for answer in answers] == [[1_000, 1_100, 1_200]] * 2
    assert device.now_ns == 1_300


def test_a_batch_costs_as_much_as_its_items_or_what_the_model_says() -> None:
    _, session = started(FakeModel(latency_ns=100))
    loaded = session.load(replace(REQUEST, batch=3))
    assert (loaded.inputs[0].shape, loaded.outputs[0].shape) == ((3, 8, 8, 3), (3, 7))
    assert session.first(0) == 300
    _, session = started(FakeModel(latency_ns=100, batch_ns=lambda batch: 70 + batch))
    session.check_batch(replace(REQUEST, batch=3), 0)
    session.load(replace(REQUEST, batch=3))
    assert session.first(0) == 73


def test_it_tells_the_state_that_it_was_given_and_its_workers_do_too() -> None:
    device = FakeDevice(
        {"a": FakeModel(), "own": FakeModel(state=lambda _: {"load_average": {"1min": 9.0}})},
        {"board_model": "A Board"},
        state=lambda now_ns: {"load_average": {"1min": now_ns / 1e9}},
        firmware=lambda now_ns: {"measured_clock_hz": now_ns},
        address="pi@box",
    )
    device.now_ns = 2_000_000_000
    assert device.machine() == {"board_model": "A Board", "unavailable": {}}
    assert device.state() == {"taken_ns": 2_000_000_000, "load_average": {"1min": 2.0}, "unavailable": {}}
    assert device.firmware() == {"measured_clock_hz": 2_000_000_000, "unavailable": {}}
    assert (device.address(), device.transfers()) == ("pi@box", None)
    with Session(device.start_worker("python3"), 9.0) as session:
        assert session.machine()["board_model"] == "A Board"
        assert session.state()["load_average"] == {"1min": 2.0}
        session.load(LoadRequest("own.tflite", Engine.INTERPRETER, Delegate(DelegateKind.DEFAULT), 1, None))
        assert session.state()["load_average"]["1min"] == 9.0


def test_a_fake_that_was_given_nothing_tells_nothing() -> None:
    device = FakeDevice({})
    assert device.machine() == device.firmware() == {"unavailable": {}}
    assert device.state() == {"taken_ns": 0, "unavailable": {}}
