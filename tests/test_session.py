"""Session against scripted answers: a worker of another version, or a broken one, must never be believed."""

from __future__ import annotations

import copy
import math
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from edgebench.devices.base import WorkerLink
from edgebench.errors import MemoryExceeded, ProtocolError, RuntimeRefused, WaitUnavailable, WorkerDied
from edgebench.records import Adapter, Coverage, Delegate, DelegateKind, Delegation, Engine, TensorInfo
from edgebench.session import FileState, LoadRequest, Ready, Session, first_to_answer
from edgebench.worker import PROTOCOL_VERSION
from edgebench.worker.protocol import decode_array, encode_array

Answer = dict[str, Any]

TENSOR: Answer = {
    "name": "image",
    "shape": [1, 8, 6, 3],
    "dtype": "int8",
    "scale": 0.5,
    "zero_point": -3,
    "dynamic": True,
}
HELLO: Answer = {
    "ok": True,
    "protocol": PROTOCOL_VERSION,
    "python": "3.11.7",
    "numpy": "2.0.0",
    "machine": "aarch64",
    "pid": 1,
    "runtime": {"name": "litert", "package": "ai-edge-litert", "version": "2.3.0", "import_ns": 5},
}
LOADED: Answer = {
    "ok": True,
    "load_ns": 7,
    "import_ns": 3,
    "inputs": [TENSOR],
    "outputs": [{**TENSOR, "name": "scores", "shape": [1, 7]}],
    "delegation": {"total_nodes": 6, "delegated_nodes": 5, "partitions": 1, "cpu_operators": {"SOFTMAX": 1}},
}
FIRST: Answer = {"ok": True, "start_ns": 1, "latency_ns": 9}
BURST: Answer = {
    "ok": True,
    "start_ns": encode_array(np.array([1, 5], np.int64)),
    "latency_ns": encode_array(np.array([3, 4], np.int64)),
}
NEEDS: Answer = {"ok": True, "height": 8, "width": 6, "channels": 3, "input": TENSOR, "scores": 7}
READY: Answer = {"ok": True, "numpy_ns": 4, "own_ns": 6}
ANSWERED: Answer = {"ok": True, "answer_ns": 11}
PHOTOS: Answer = {"ok": True, "parts_ns": encode_array(np.arange(12, dtype=np.int64).reshape(2, 6))}
SCRATCH: Answer = {"ok": True, "path": "/tmp/somewhere"}
FILE: Answer = {"ok": True, "found": {"size_bytes": 5, "modified_ns": 6, "inode": 7}}
SCORES: Answer = {"ok": True, "scores": encode_array(np.ones((4, 7), np.float32))}

OUTPUTS: Answer = {
    "ok": True,
    "outputs": [{"name": "scores", "step": 0.5, "values": encode_array(np.array([0.25, 0.75]))}],
}
ADAPTER: Answer = {"name": "Mali-G78", "kind": "integrated", "software": False}

REQUEST = LoadRequest(
    "/models/m.tflite", Engine.COMPILED, Delegate(DelegateKind.EXTERNAL, "lib.so", {"k": "v"}), 2, "serving"
)


class ScriptedLink(WorkerLink):
    """Gives one answer, or raises one error, whatever is asked."""

    def __init__(self, answer: Answer | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[str, float, Answer]] = []
        self.closed = 0

    def request(self, command: str, timeout_s: float, **fields: Any) -> Answer:
        self.asked.append((command, timeout_s, fields))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def send(self, command: str, **fields: Any) -> None:
        self.asked.append((command, 0.0, fields))

    def receive(self, command: str, timeout_s: float) -> Answer:
        return self.request(command, timeout_s)

    def close(self) -> None:
        self.closed += 1


def session(answer: Answer | Exception) -> Session:
    return Session(ScriptedLink(answer), 12.5)


CALLS: dict[str, tuple[Answer, Callable[[Session], object]]] = {
    "hello": (HELLO, lambda it: it.hello()),
    "load": (LOADED, lambda it: it.load(REQUEST)),
    "first": (FIRST, lambda it: it.first(0)),
    "burst": (BURST, lambda it: it.burst(1, 2, 3)),
    "paced": (BURST, lambda it: it.paced(100, 3)),
    "window": (BURST, lambda it: it.end_window()),
    "image_needs": (NEEDS, lambda it: it.image_needs()),
    "predict": (SCORES, lambda it: it.predict(0, 4, 5)),
    "later_predict": (SCORES, lambda it: it.end_predict(4)),
    "ready": (READY, lambda it: it.ready()),
    "first_answer": (ANSWERED, lambda it: it.first_answer(0)),
    "photos": (PHOTOS, lambda it: it.photos(1, 2, 3)),
    "make_scratch": (SCRATCH, lambda it: it.make_scratch()),
    "file_state": (FILE, lambda it: it.file_state("there")),
    "outputs": (OUTPUTS, lambda it: it.outputs()),
    "adapter": ({"ok": True, "adapter": ADAPTER}, lambda it: it.adapter()),
    "adapters": ({"ok": True, "adapters": [ADAPTER]}, lambda it: it.adapters()),
}

#: Fields that no reader needs.
UNREAD = {("ok",), ("pid",), ("start_ns",)}


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the way to each field of a nested answer."""
    items: list[tuple[str | int, object]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        items = list(enumerate(value))
    found: list[tuple[str | int, ...]] = []
    for key, inner in items:
        if isinstance(key, str):
            found.append((*here, key))
        found.extend(paths(inner, (*here, key)))
    return found


def needed(name: str) -> list[tuple[str | int, ...]]:
    unread = UNREAD - ({("start_ns",)} if name in {"burst", "paced", "window"} else set())
    optional = {("delegation", "total_nodes"), ("delegation", "cpu_operators", "SOFTMAX")}
    return [path for path in paths(CALLS[name][0]) if path not in unread | optional]


def changed(answer: Answer, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Answer:
    result = copy.deepcopy(answer)
    place: Any = result
    for key in path[:-1]:
        place = place[key]
    change(place, path[-1])
    return result


EVERY_FIELD = [(name, path) for name in CALLS for path in needed(name)]
IDS = [f"{name}:{'.'.join(map(str, path))}" for name, path in EVERY_FIELD]


def test_the_list_of_fields_is_not_empty() -> None:
    assert len(EVERY_FIELD) > 40


@pytest.mark.parametrize("name", list(CALLS))
def test_good_answers_are_believed(name: str) -> None:
    answer, call = CALLS[name]
    call(session(answer))


@pytest.mark.parametrize(("name", "path"), EVERY_FIELD, ids=IDS)
def test_a_lacking_field_is_a_protocol_error(name: str, path: tuple[str | int, ...]) -> None:
    answer, call = CALLS[name]
    with pytest.raises(ProtocolError):
        call(session(changed(answer, path, lambda place, key: place.pop(key))))


TEXT = {"path", "name", "package", "version", "python", "numpy", "machine", "dynamic", "kind"}
NUMBERS_AND_NESTS = [
    (name, path)
    for name, path in EVERY_FIELD
    if path[-1] not in TEXT and not (path[-1] == "dtype" and name in {"load", "image_needs"})
]


def is_harmless(path: tuple[str | int, ...], junk: object) -> bool:
    """Return True where the junk reads as something a worker may say."""
    if path[-1] in {"scale", "zero_point"} and junk is None and path[0] in {"inputs", "outputs"}:
        return True  # an engine that does not tell
    if path == ("found",) and junk is None:
        return True  # no such file
    if path[-1] in {"scale", "step"}:
        return isinstance(junk, float) or (path[-1] == "step" and junk is None)
    if path[0] == "outputs" and path[-1] == "dtype" and junk is None:
        return True  # to numpy that is float64
    if path[-1] == "partitions" and junk is None:
        return True  # a GPU's are not counted
    if path[0] == "delegation" and path[-1] in {"delegation", "cpu_operators"}:
        return isinstance(junk, dict)  # names unknown to us
    return (
        path[-1] == "shape" and junk is None and path[0] in {"start_ns", "latency_ns", "outputs"}
    )  # as many as there are


@pytest.mark.parametrize("junk", [None, "junk", [[]], {"a": 1}, math.inf, math.nan], ids=repr)
@pytest.mark.parametrize(
    ("name", "path"), NUMBERS_AND_NESTS, ids=[f"{name}:{'.'.join(map(str, path))}" for name, path in NUMBERS_AND_NESTS]
)
def test_a_garbled_field_is_a_protocol_error(name: str, path: tuple[str | int, ...], junk: object) -> None:
    if is_harmless(path, junk):
        return
    answer, call = CALLS[name]
    with pytest.raises(ProtocolError):
        call(session(changed(answer, path, lambda place, key: place.__setitem__(key, junk))))


def test_hello() -> None:
    hello = session(HELLO).hello("tflite")
    assert (hello.runtime.name, hello.runtime.version, hello.runtime.python) == ("litert", "2.3.0", "3.11.7")
    assert (hello.runtime.numpy, hello.runtime.machine, hello.import_ns) == ("2.0.0", "aarch64", 5)


@pytest.mark.parametrize("version", [PROTOCOL_VERSION + 1, 0, None, "1"])
def test_another_protocol_version_is_told(version: object) -> None:
    with pytest.raises(ProtocolError, match=f"speaks protocol {version}, not {PROTOCOL_VERSION}"):
        session({**HELLO, "protocol": version}).hello()


def test_loaded() -> None:
    loaded = session(LOADED).load(REQUEST)
    assert loaded.load_ns == 7
    assert loaded.inputs == (TensorInfo("image", (1, 8, 6, 3), "int8", 0.5, -3, True),)
    assert loaded.outputs[0].shape == (1, 7)
    assert loaded.delegation.cpu_operators == {"SOFTMAX": 1}


@pytest.mark.parametrize(
    ("taken", "coverage"), [(6, Coverage.FULL), (5, Coverage.PARTIAL), (1, Coverage.PARTIAL), (0, Coverage.NOTHING)]
)
def test_how_much_the_delegate_took(taken: int, coverage: Coverage) -> None:
    answer = changed(LOADED, ("delegation", "delegated_nodes"), lambda place, key: place.update({key: taken}))
    found = session(answer).load(REQUEST).delegation
    assert (found.coverage, found.total_nodes, found.delegated_nodes, found.partitions) == (coverage, 6, taken, 1)
    assert found.unavailable == {}


@pytest.mark.parametrize(
    ("said", "coverage", "reason"),
    [
        ({"unavailable": "no list"}, Coverage.UNKNOWN, "no list"),
        ({"unavailable": "no list", "fully_accelerated": True}, Coverage.FULL, "no list"),
        ({"unavailable": "no list", "fully_accelerated": False}, Coverage.UNKNOWN, "no list"),
        ({}, Coverage.UNKNOWN, "the runtime does not tell"),
    ],
)
def test_a_delegation_that_is_not_known_in_numbers_has_reasons(said: Answer, coverage: Coverage, reason: str) -> None:
    found = session({**LOADED, "delegation": said}).load(REQUEST).delegation
    assert found.coverage is coverage
    assert (found.total_nodes, found.delegated_nodes, found.partitions) == (None, None, None)
    assert found.unavailable == dict.fromkeys(("total_nodes", "delegated_nodes", "partitions", "cpu_operators"), reason)


def test_samples() -> None:
    samples = session(BURST).burst(1, 2, 3)
    assert samples.start_ns.tolist() == [1, 5]
    assert samples.latency_ns.tolist() == [3, 4]


@pytest.mark.parametrize(
    ("starts", "latencies"),
    [
        (np.array([1], np.int64), np.array([3, 4], np.int64)),
        (np.empty(0, np.int64), np.empty(0, np.int64)),
        (np.ones((2, 2), np.int64), np.ones((2, 2), np.int64)),
        (np.array([1.0]), np.array([3.0])),
        (np.array([1], np.int64), np.array([np.nan])),
        (np.array(["a"]), np.array(["b"])),
    ],
    ids=["lengths", "none", "table", "floats", "nan", "text"],
)
def test_samples_that_are_none(starts: np.ndarray[Any, Any], latencies: np.ndarray[Any, Any]) -> None:
    answer = {"ok": True, "start_ns": encode_array(starts), "latency_ns": encode_array(latencies)}
    with pytest.raises(ProtocolError, match="samples of"):
        session(answer).burst(1, 2, 3)


def test_image_needs() -> None:
    needs = session(NEEDS).image_needs()
    assert (needs.height, needs.width, needs.channels, needs.scores) == (8, 6, 3, 7)
    assert needs.input.zero_point == -3


@pytest.mark.parametrize("shape", [(0, 7), (5, 7), (4,), (4, 7, 1), ()])
def test_scores_of_a_wrong_number_of_images(shape: tuple[int, ...]) -> None:
    answer = {"ok": True, "scores": encode_array(np.ones(shape, np.float32).reshape(shape))}
    if shape == ():
        answer["scores"] = {**answer["scores"], "shape": []}  # type: ignore[dict-item]
    with pytest.raises(ProtocolError, match="to 4 images"):
        session(answer).predict(10, 14, 5)


@pytest.mark.parametrize("rows", [1, 4])
def test_scores_of_all_images_or_of_as_many_as_time_allowed(rows: int) -> None:
    answer = {"ok": True, "scores": encode_array(np.ones((rows, 7), np.float32))}
    assert session(answer).predict(10, 14, 5).shape == (rows, 7)


def test_what_is_asked_and_waited_for_later() -> None:
    link = ScriptedLink({**HELLO, **LOADED, **SCORES})
    asking = Session(link, 3.0)
    asking.start_hello("tflite")
    asking.start_load(REQUEST)
    asking.start_predict(2, 6, 700)
    (hello, load, predict) = link.asked
    assert (hello[0], hello[2]) == ("hello", {"runtime": "tflite"})
    assert (load[0], load[2]["model_path"]) == ("load", "/models/m.tflite")
    assert (predict[0], predict[2]) == ("predict", {"start": 2, "stop": 6, "max_ns": 700})
    assert asking.end_hello() == session(HELLO).hello()
    assert asking.end_load() == session(LOADED).load(REQUEST)
    assert asking.end_predict(4).shape == (4, 7)
    with pytest.raises(ProtocolError, match="to 3 images"):
        asking.end_predict(3)


class Piped(ScriptedLink):
    """Has a real pipe to look at, and memory that is watched."""

    def __init__(self, *, ready: bool, memory: Exception | None = None) -> None:
        super().__init__({})
        self.pipe, self._end = os.pipe()
        self._memory = memory
        if ready:
            os.write(self._end, b"{")

    def answer_pipe(self) -> int:
        return self.pipe

    def watch_memory(self, command: str) -> float | None:
        assert command == "predict"
        if self._memory is not None:
            raise self._memory
        return 0.001

    def close(self) -> None:
        os.close(self.pipe)
        os.close(self._end)


@pytest.mark.parametrize(
    ("ready", "place"), [((False, True, False), 1), ((True, False, True), 0), ((False, False, True), 2)]
)
def test_the_first_of_several_that_answers(ready: tuple[bool, ...], place: int) -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(Session(Piped(ready=one), 60.0)) for one in ready]
        assert first_to_answer(sessions, "predict") == place


def test_where_nobody_answers_in_time_or_none_can_be_seen_the_first_decides() -> None:
    with ExitStack() as stack:
        sessions = [stack.enter_context(Session(Piped(ready=False), 0.003)) for _ in range(2)]
        assert first_to_answer(sessions, "predict") == 0
        blind = Session(ScriptedLink({}), 60.0)
        assert first_to_answer([blind, stack.enter_context(Session(Piped(ready=True), 60.0))], "predict") == 0


def test_memory_is_watched_while_waiting() -> None:
    greedy = Piped(ready=False, memory=MemoryExceeded(2, 1, "predict"))
    with Session(Piped(ready=False), 60.0) as other, Session(greedy, 60.0) as session, pytest.raises(MemoryExceeded):
        first_to_answer([other, session], "predict")


def test_memory_passes_on_what_the_worker_knows() -> None:
    answer = {"ok": True, "rss_bytes": 5, "unavailable": {"peak_rss_bytes": "no"}}
    assert session(answer).memory() == {"rss_bytes": 5, "unavailable": {"peak_rss_bytes": "no"}}


def test_what_is_asked() -> None:
    link = ScriptedLink(LOADED)
    Session(link, 12.5).load(REQUEST)
    command, timeout_s, fields = link.asked[0]
    assert (command, timeout_s) == ("load", 12.5)
    assert (
        fields.items()
        >= {
            "model_path": "/models/m.tflite",
            "engine": "compiled",
            "delegate": "external",
            "delegate_library": "lib.so",
            "delegate_options": {"k": "v"},
            "threads": 2,
            "signature": "serving",
        }.items()
    )


def test_what_else_is_asked() -> None:
    link = ScriptedLink({**HELLO, **FIRST, **BURST, **NEEDS, **SCORES})
    asking = Session(link, 3.0)
    asking.hello("tflite")
    asking.burst(1, 20, 300)
    asking.predict(2, 6, 700)
    table = np.arange(256, dtype=np.float32)[None]
    asking.open_images("/pixels.npy", table)
    assert [(command, fields) for command, _, fields in link.asked[:3]] == [
        ("hello", {"runtime": "tflite"}),
        ("burst", {"min_runs": 1, "max_runs": 20, "max_ns": 300}),
        ("predict", {"start": 2, "stop": 6, "max_ns": 700}),
    ]
    assert link.asked[3][2]["pixels_path"] == "/pixels.npy"
    assert np.array_equal(decode_array(link.asked[3][2]["table"]), table)


@pytest.mark.parametrize("error", [RuntimeRefused("no", "not-a-classifier"), WorkerDied("gone")])
@pytest.mark.parametrize("name", list(CALLS))
def test_the_links_errors_pass_through(name: str, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        CALLS[name][1](session(error))
    assert caught.value is error


def test_a_session_closes_its_link_also_after_an_error() -> None:
    link = ScriptedLink(HELLO)
    with pytest.raises(ZeroDivisionError), Session(link, 1.0):
        raise ZeroDivisionError
    assert link.closed == 1


def test_state_and_machine_are_told_without_the_protocols_own_field() -> None:
    state = {"taken_ns": 5, "pid": 1, "unavailable": {"power": "none"}}
    assert session({"ok": True, **state}).state() == state
    assert session({"ok": True, "aslr": 2}).machine() == {"aslr": 2}


@pytest.mark.parametrize("answer", [{"ok": True}, {"ok": True, "taken_ns": None}, {"ok": True, "taken_ns": "x"}])
def test_a_state_without_a_time_is_no_state(answer: Answer) -> None:
    with pytest.raises(ProtocolError):
        session(answer).state()


def test_pauses_are_given_to_the_worker_beyond_its_time_limit() -> None:
    link = ScriptedLink(BURST)
    Session(link, 12.5).paced(2_000_000_000, 3)
    assert link.asked == [("paced", 12.5 + 12, {"gap_ns": 2_000_000_000, "runs": 3})]


def test_a_window_is_sent_and_its_answer_received_later() -> None:
    link = ScriptedLink(BURST)
    it = Session(link, 12.5)
    it.start_window(5, 9, 7)
    assert link.asked == [("window", 0.0, {"start_ns": 5, "stop_ns": 9, "max_runs": 7})]
    assert it.end_window().start_ns.size == it.burst(1, 2, 3).start_ns.size


def test_a_batch_to_check_is_sent_with_all_that_a_load_needs() -> None:
    link = ScriptedLink({"ok": True})
    it = Session(link, 12.5)
    it.check_batch(replace(REQUEST, batch=4), 3)
    command, _, fields = link.asked[0]
    assert (command, fields["batch"], fields["seed"], fields["engine"]) == ("check_batch", 4, 3, "compiled")
    with pytest.raises(WaitUnavailable, match="cannot run at the same time"):
        Session(OneAtATime(), 1.0).start_window(0, 1, 1)
    with pytest.raises(WaitUnavailable, match="cannot run at the same time"):
        Session(OneAtATime(), 1.0).end_window()


class OneAtATime(WorkerLink):
    """A link of somebody who wrote only what there must be."""

    def request(self, command: str, timeout_s: float, **fields: Any) -> Answer:
        raise AssertionError((command, timeout_s, fields))

    def close(self) -> None:
        pass


def test_what_a_start_and_a_first_answer_took() -> None:
    assert session(READY).ready() == Ready(numpy_ns=4, own_ns=6)
    assert session(ANSWERED).first_answer(0) == 11
    assert session(LOADED).load(REQUEST).import_ns == 3


def test_photos_are_a_table_of_steps() -> None:
    link = ScriptedLink(PHOTOS)
    found = Session(link, 1.0).photos(1, 2, 3)
    assert found.tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    assert link.asked == [("photos", 1.0, {"min_runs": 1, "max_runs": 2, "max_ns": 3})]


@pytest.mark.parametrize(
    "parts", [np.zeros((0, 6), np.int64), np.zeros((2, 5), np.int64), np.zeros((2, 6)), np.zeros(6, np.int64)]
)
def test_other_tables_of_steps_are_not_believed(parts: np.ndarray[Any, Any]) -> None:
    with pytest.raises(ProtocolError):
        session({"ok": True, "parts_ns": encode_array(parts)}).photos(1, 2, 3)


def test_a_file_that_is_not_there_is_none() -> None:
    assert session({"ok": True, "found": None}).file_state("gone") is None
    assert session(FILE).file_state("there") == FileState(5, 6, 7)


def test_a_weight_cache_is_asked_for_by_its_path() -> None:
    link = ScriptedLink(LOADED)
    Session(link, 1.0).load(replace(REQUEST, weight_cache="/there/cache"))
    assert link.asked[0][2]["weight_cache"] == "/there/cache"


def test_a_gpu_that_left_operators_without_saying_how_many() -> None:
    delegation = {
        "total_nodes": 9,
        "delegated_nodes": 5,
        "partitions": None,
        "cpu_operators": {"CAST": None, "WHILE": None},
        "unavailable": "nobody counts partitions",
        "notes": ["the GPU left to the CPU: CAST: no"],
    }
    loaded = session({**LOADED, "delegation": delegation}).load(REQUEST)
    assert loaded.delegation == Delegation(
        Coverage.PARTIAL, 9, 5, None, {"CAST": None, "WHILE": None}, {"partitions": "nobody counts partitions"}
    )
    assert loaded.notes == ("the GPU left to the CPU: CAST: no",)


def test_an_adapter_with_all_that_vulkan_knows() -> None:
    told = {**ADAPTER, "driver": "Mali 38", "api_version": "1.3.0"}
    assert session({"ok": True, "adapter": told}).adapter() == Adapter(
        "Mali-G78", "integrated", False, "Mali 38", "1.3.0"
    )


@pytest.mark.parametrize("values", [np.ones((1, 2)), np.ones(2, np.float32)], ids=["two dimensions", "float32"])
def test_outputs_are_flat_float64(values: np.ndarray[Any, Any]) -> None:
    answer = {"ok": True, "outputs": [{"name": "scores", "step": 0.0, "values": encode_array(values)}]}
    with pytest.raises(ProtocolError, match="output scores of dtype"):
        session(answer).outputs()


def test_outputs_keep_their_step() -> None:
    (output,) = session(OUTPUTS).outputs()
    assert (output.name, output.step, output.values.tolist()) == ("scores", 0.5, [0.25, 0.75])
