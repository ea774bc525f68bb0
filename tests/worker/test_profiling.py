"""Collating events into operators, and profiling real models in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from edgebench.worker import capi
from edgebench.worker.engines import LoadRequest
from edgebench.worker.events import DEFAULT, DELEGATED_OPERATOR, OPERATOR, Event, EventReader
from edgebench.worker.profiling import OperatorKey, Profile, RunTimes, collate, open_profile, tabulate_runs
from edgebench.worker.protocol import decode_array
from edgebench.worker.refusal import Refusal
from edgebench.worker.runtimes import Runtime, load_runtime
from edgebench.worker.service import Service, answer_to

MODELS = Path(__file__).resolve().parent.parent / "fixtures" / "models"


def _request(name: str, delegate: str = "default", signature: str | None = None) -> LoadRequest:
    return LoadRequest(str(MODELS / f"{name}.tflite"), "compiled", delegate, 1, signature)


def _invoke(subgraph: int = 0, start_us: int = 100, elapsed_us: int = 50) -> Event:
    return Event("Invoke", DEFAULT, start_us, elapsed_us, 0, subgraph)


def _node(tag: str, number: int, start_us: int, elapsed_us: int, subgraph: int = 0) -> Event:
    return Event(tag, OPERATOR, start_us, elapsed_us, number, subgraph)


def _inner(tag: str, number: int, elapsed_us: int, subgraph: int = 0) -> Event:
    return Event(tag, DELEGATED_OPERATOR, 0, elapsed_us, number, subgraph)


def _places(times: RunTimes) -> list[tuple[bool, int, int, str]]:
    return [(key.delegated, key.partition, key.number, key.tag) for key in times.elapsed_us]


def test_a_new_partition_begins_where_xnnpacks_numbers_start_again() -> None:
    events = [
        _invoke(),
        _inner("a", 0, 3),
        _inner("b", 1, 4),
        _node("N", 2, 110, 5),
        _inner("c", 0, 6),
        _inner("d", 0, 7),
    ]
    times = collate(events)
    assert _places(times) == [
        (True, 0, 0, "a"),
        (True, 0, 1, "b"),
        (False, -1, 2, "N"),
        (True, 1, 0, "c"),
        (True, 2, 0, "d"),
    ]
    assert list(times.elapsed_us.values()) == [3, 4, 5, 6, 7]
    assert times.invoke_us == 50


def test_a_loops_body_is_summed_and_its_loop_is_a_container() -> None:
    body = [
        _invoke(1, 105, 5),
        _node("LESS", 0, 106, 1, 1),
        _invoke(2, 112, 5),
        _inner("x", 0, 2, 2),
        _inner("y", 1, 3, 2),
    ]
    times = collate([_invoke(), _node("WHILE", 0, 101, 40), *body, *body, _node("END", 1, 142, 1)])
    by_tag = {key.tag: key for key in times.elapsed_us}
    assert [tag for tag, key in by_tag.items() if key.container] == ["WHILE"]
    assert times.elapsed_us[by_tag["x"]] == 4
    assert times.calls[by_tag["y"]] == 2
    assert by_tag["y"].partition == 0
    assert by_tag["END"].subgraph == 0


def test_an_operator_before_a_later_graphs_run_is_no_container() -> None:
    times = collate([_invoke(), _node("ADD", 0, 101, 3), _node("WHILE", 1, 105, 20), _invoke(1, 106, 5)])
    assert [key.tag for key in times.elapsed_us if key.container] == ["WHILE"]


def test_events_of_other_kinds_count_for_nothing() -> None:
    events = [Event("LiteRT::Run", DEFAULT, 90, 5, 0, 0), _invoke(), Event("Invoke", 32, 0, 1 << 32, 1, 0)]
    assert collate(events).elapsed_us == {}


def test_events_without_the_run_of_the_graph_are_refused() -> None:
    with pytest.raises(Refusal, match="recorded no run of the model's graph"):
        collate([_node("ADD", 0, 101, 3)])


def test_runs_become_a_table_in_which_a_missing_operator_took_nothing() -> None:
    first, second = OperatorKey(0, False, -1, 0, "A", False), OperatorKey(0, False, -1, 1, "B", False)
    runs = [RunTimes({first: 3}, {first: 1}, 9, 7000), RunTimes({first: 4, second: 5}, {first: 1, second: 2}, 11, 8000)]
    keys, arrays = tabulate_runs(runs)
    assert keys == [first, second]
    assert arrays["elapsed_us"].tolist() == [[3, 0], [4, 5]]
    assert arrays["calls"].tolist() == [[1, 0], [1, 2]]
    assert arrays["invoke_us"].tolist() == [9, 11]
    assert arrays["plain_ns"].tolist() == [7000, 8000]


@pytest.fixture(scope="module")
def runtime() -> Runtime:
    return load_runtime("litert")


@pytest.fixture
def opened(runtime: Runtime) -> Iterator[Any]:
    profiles: list[Profile] = []

    def opener(name: str, delegate: str = "default", signature: str | None = None) -> Profile:
        profiles.append(open_profile(runtime, _request(name, delegate, signature), seed=0))
        return profiles[-1]

    yield opener
    for profile in profiles:
        profile.close()


def _tags(runs: Sequence[RunTimes], *, delegated: bool) -> list[str]:
    return [key.tag for key in runs[0].elapsed_us if key.delegated == delegated]


def test_without_a_delegate_events_and_nodes_are_one_to_one(opened: Any) -> None:
    runs = opened("int8", "none").record(5, 10**9)
    keys = list(runs[0].elapsed_us)
    assert [key.number for key in keys] == [0, 1, 2, 3, 4, 5]
    assert _tags(runs, delegated=False) == [
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "CONV_2D",
        "MEAN",
        "FULLY_CONNECTED",
        "SOFTMAX",
    ]
    assert len(runs) == 5


def test_the_delegates_operators_and_those_left_to_the_cpu(opened: Any) -> None:
    runs = opened("branches").record(3, 10**9)
    assert _tags(runs, delegated=False) == ["REVERSE_V2"]
    (left,) = [key for key in runs[0].elapsed_us if not key.delegated]
    assert left.number == 2
    assert [key.partition for key in runs[0].elapsed_us if key.delegated] == [0, 0, 1, 1]


def test_operators_fit_into_the_run_of_the_graph(opened: Any) -> None:
    for run in opened("float32", "none").record(20, 10**9):
        assert 0 < sum(run.elapsed_us.values()) <= run.invoke_us
        assert run.plain_ns > 0


def test_a_loop_tells_its_bodys_operators(opened: Any) -> None:
    (run,) = opened("loop", "none").record(1, 10**9)
    calls = {key.tag: count for key, count in run.calls.items() if key.subgraph}
    assert calls["LESS"] == 4
    assert calls["ADD"] == 3
    assert [key.tag for key in run.elapsed_us if key.container] == ["WHILE"]


def test_a_signature_can_be_named(opened: Any) -> None:
    assert opened("float32", signature="serving_default").record(1, 10**9)


def test_a_model_of_which_no_operator_is_told(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    profile = opened("int8")
    monkeypatch.setattr(EventReader, "record", lambda *_: [_invoke()])
    with pytest.raises(Refusal, match="told of no operator"):
        profile.record(1, 10**9)


def test_recording_stops_with_the_clock(opened: Any) -> None:
    ticks = iter(range(0, 10**6, 10))
    runs = opened("int8").record(1000, 60, clock=lambda: next(ticks))
    assert len(runs) == 2  # three looks at the clock a run, and one before
    assert runs[0].plain_ns == 10


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("string_input", "is of type string"),
        ("no-such-file", "no-such-file"),
        ("broken", "not a valid TFLite flatbuffer"),
    ],
)
def test_why_not_in_the_runtimes_own_words(name: str, words: str, runtime: Runtime, tmp_path: Path) -> None:
    request = _request(name)
    if name == "broken":
        (tmp_path / "broken.tflite").write_bytes(b"\x18\0\0\0TFL3" + b"\xff" * 100)
        request = request._replace(model_path=str(tmp_path / "broken.tflite"))
    with pytest.raises(Refusal, match=words) as refused:
        open_profile(runtime, request, seed=0)
    assert "\n" not in str(refused.value)


def test_an_unchecked_release_is_told_and_still_tested(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capi, "CHECKED_VERSIONS", ())
    profile = opened("int8")
    assert profile.describe()["checked"] is False
    assert profile.record(1, 10**9)


def _asked(name: str, command: str = "open_profile") -> dict[str, Any]:
    return {"cmd": command, "seed": 0, **_request(name)._asdict()}


def test_one_worker_profiles_one_model_after_another() -> None:
    service = Service()
    assert answer_to(service, {"cmd": "hello", "runtime": "litert"})["ok"]
    for name in ("int8", "branches", "int8"):
        opened = answer_to(service, _asked(name))
        assert opened["ok"], opened
        assert opened["non_cpu_fully_accelerated"] in (False, None)
        answer = answer_to(service, {"cmd": "profile", "max_runs": 4, "max_ns": 10**9})
        elapsed = decode_array(answer["elapsed_us"])
        assert elapsed.shape == (4, len(answer["operators"]))
        assert {"subgraph", "delegated", "partition", "number", "tag", "container"} == set(answer["operators"][0])


def test_a_refused_model_leaves_none_open() -> None:
    service = Service()
    answer_to(service, {"cmd": "hello", "runtime": "litert"})
    assert answer_to(service, _asked("int8"))["ok"]
    assert answer_to(service, _asked("string_input"))["code"] == "dtype"
    refused = answer_to(service, {"cmd": "profile", "max_runs": 1, "max_ns": 1})
    assert (refused["ok"], refused["code"]) == (False, "protocol")


def test_profiling_before_hello_is_refused() -> None:
    assert answer_to(Service(), _asked("int8"))["message"] == "open_profile before hello"
