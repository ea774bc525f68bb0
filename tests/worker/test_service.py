from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colours import write_folder
from edgebench.devices.process import ProcessLink
from edgebench.devices.zipapp import worker_file
from edgebench.worker import PROTOCOL_VERSION
from edgebench.worker.classic import ClassicEngine
from edgebench.worker.inputs import seeded_input
from edgebench.worker.protocol import decode_array, encode_array
from edgebench.worker.refusal import Refusal
from edgebench.worker.service import Service, answer_to

from .support import COLOUR_TABLE, ask, engine, load_fields, loaded_service, model, ready_service, softmax_of_mean

PLENTY_NS = 10**13


@pytest.fixture
def pixels(tmp_path: Path) -> np.ndarray[Any, Any]:
    array = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    np.save(tmp_path / "pixels.npy", array)
    return array


def open_images(service: Service, folder: Path) -> dict[str, Any]:
    table = encode_array(COLOUR_TABLE)
    return ask(service, "open_images", pixels_path=str(folder / "pixels.npy"), table=table)


def test_hello_says_who_answers() -> None:
    answer = ask(Service(), "hello")
    assert answer["ok"] is True
    assert answer["protocol"] == PROTOCOL_VERSION
    assert (answer["pid"], answer["python"]) == (os.getpid(), platform.python_version())
    assert (answer["numpy"], answer["machine"]) == (np.__version__, platform.machine())
    assert answer["runtime"]["name"] == "litert"


def test_hello_with_a_runtime_that_is_not_here_is_refused() -> None:
    answer = ask(Service(), "hello", runtime="tflite")
    assert (answer["ok"], answer["code"]) == (False, "no-runtime")


def test_memory_needs_nothing_loaded() -> None:
    assert ask(Service(), "memory")["rss_bytes"] > 1_000_000


def test_state_and_machine_need_nothing_loaded_and_tell_of_this_process() -> None:
    first, second = ask(Service(), "state"), ask(Service(), "state")
    assert first["pid"] == os.getpid()
    assert first["taken_ns"] < second["taken_ns"]
    assert "unavailable" in first
    assert ask(Service(), "machine")["uname_machine"] == platform.machine()


def test_load_describes_the_model() -> None:
    answer = ask(ready_service(), "load", **load_fields(model("int8")))
    assert answer["load_ns"] > 0
    (given,), (returned,) = answer["inputs"], answer["outputs"]
    assert (given["shape"], given["dtype"], given["dynamic"]) == ([1, 32, 32, 3], "int8", True)
    assert (returned["shape"], returned["dtype"]) == ([1, 7], "int8")
    assert returned["scale"] == pytest.approx(1 / 256)
    assert returned["zero_point"] == -128
    assert answer["delegation"]["total_nodes"] == 6


def test_first_then_bursts() -> None:
    service = loaded_service("float32")
    first = ask(service, "first", seed=0)
    assert first["ok"]
    assert first["latency_ns"] > 0
    answer = ask(service, "burst", min_runs=3, max_runs=3, max_ns=0)
    starts, latencies = decode_array(answer["start_ns"]), decode_array(answer["latency_ns"])
    assert starts.shape == latencies.shape == (3,)
    assert first["start_ns"] + first["latency_ns"] <= starts[0]
    assert (latencies > 0).all()


@pytest.mark.parametrize("name", ["two_inputs", "bool_input", "uint8", "batch4", "nan"])
@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
def test_every_kind_of_input_can_be_generated_and_run(name: str, engine_name: str) -> None:
    assert ask(loaded_service(name, engine=engine_name), "first", seed=0)["ok"]


@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
def test_images_in_pieces(tmp_path: Path, pixels: np.ndarray[Any, Any], engine_name: str) -> None:
    service = loaded_service("channels_first", engine=engine_name)
    needs = open_images(service, tmp_path)
    assert (needs["height"], needs["width"], needs["channels"], needs["scores"]) == (8, 8, 3, 7)
    by_hand = softmax_of_mean(COLOUR_TABLE[0][pixels])
    whole = decode_array(ask(service, "predict", start=0, stop=40, max_ns=PLENTY_NS)["scores"])
    np.testing.assert_allclose(whole, by_hand, atol=1e-6)
    # Out of time: what was done is returned, never nothing, and the rest can be asked for.
    part = decode_array(ask(service, "predict", start=5, stop=40, max_ns=0)["scores"])
    assert 0 < len(part) < 35
    assert np.array_equal(part, whole[5 : 5 + len(part)])


def test_one_row_gives_all_outputs_as_they_are(tmp_path: Path, pixels: np.ndarray[Any, Any]) -> None:
    service = loaded_service("channels_first")
    open_images(service, tmp_path)
    scores = decode_array(ask(service, "predict", start=7, stop=8, max_ns=PLENTY_NS)["scores"])
    assert ask(service, "run_row", row=3) == {"ok": True}
    assert ask(service, "run_row", row=7) == {"ok": True}
    (output,) = ask(service, "outputs")["outputs"]
    assert np.array_equal(decode_array(output["values"]).astype(np.float32), scores[0])
    (output,) = ask(service, "outputs", at_most=3)["outputs"]
    assert np.array_equal(decode_array(output["values"]).astype(np.float32), scores[0][[0, 2, 4]])
    assert ask(service, "run_row", row=40)["code"] == "input-refused"


def test_open_images_without_a_file_only_tells(pixels: np.ndarray[Any, Any]) -> None:
    service = loaded_service("channels_first")
    assert ask(service, "open_images")["ok"]
    answer = ask(service, "predict", start=0, stop=1, max_ns=PLENTY_NS)
    assert (answer["code"], answer["message"]) == ("protocol", "predict before open_images")
    answer = ask(service, "run_row", row=0)
    assert (answer["code"], answer["message"]) == ("protocol", "run_row before open_images")


@pytest.mark.parametrize(
    ("command", "fields", "message"),
    [
        ("load", load_fields("any.tflite"), "load before hello"),
        ("first", {"seed": 0}, "no model is loaded"),
        ("burst", {"min_runs": 1, "max_runs": 1, "max_ns": 0}, "no model is loaded"),
        ("open_images", {}, "no model is loaded"),
        ("predict", {"start": 0, "stop": 1, "max_ns": 0}, "predict before open_images"),
        ("open_photos", {"paths": [], "resize": "stretch", "table": encode_array(COLOUR_TABLE)}, "no model is loaded"),
        ("photos", {"min_runs": 1, "max_runs": 1, "max_ns": 0}, "photos before open_photos"),
        ("dance", {}, "unknown command 'dance'"),
    ],
)
def test_commands_out_of_order(command: str, fields: dict[str, Any], message: str) -> None:
    assert ask(Service(), command, **fields) == {"ok": False, "code": "protocol", "message": message}


@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
def test_a_missing_file_is_named(tmp_path: Path, engine_name: str) -> None:
    answer = ask(ready_service(), "load", **load_fields(str(tmp_path / "gone.tflite"), engine=engine_name))
    assert answer["ok"] is False
    assert str(tmp_path / "gone.tflite") in answer["message"]


@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
def test_an_unknown_signature_is_refused_with_those_there_are(shared_data: Path, engine_name: str) -> None:
    fields = load_fields(str(shared_data / "odd/multi_signature_model.tflite"), engine=engine_name, signature="pow")
    answer = ask(ready_service(), "load", **fields)
    assert answer["code"] == "no-signature"
    assert answer["message"] == "the model has no signature 'pow' (it has: add, mul, sub)"


# The runtime's own Delegate.__del__ fails after such a refusal.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_external_delegate_that_is_not_there_is_named(tmp_path: Path) -> None:
    missing = str(tmp_path / "libnone.so")
    fields = load_fields(model("float32"), delegate="external", delegate_library=missing, delegate_options={})
    answer = ask(ready_service(), "load", **fields)
    assert answer["code"] == "delegate-refused"
    assert missing in answer["message"]


@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
@pytest.mark.parametrize(
    ("signature", "function"), [("mul", np.multiply), ("sub", np.subtract), ("add", np.add), (None, np.add)]
)
def test_the_chosen_signature_is_what_runs(
    shared_data: Path, engine_name: str, signature: str | None, function: np.ufunc
) -> None:
    path = str(shared_data / "odd/multi_signature_model.tflite")
    loaded = engine(path, engine=engine_name, signature=signature)
    rng = np.random.default_rng(0)
    values = {tensor.name[-3]: rng.normal(size=(10, 10)).astype(np.float32) for tensor in loaded.inputs}
    assert sorted(values) == ["a", "b"]
    loaded.set_inputs([values[tensor.name[-3]] for tensor in loaded.inputs])
    loaded.invoke()
    assert np.array_equal(loaded.read_output(0), function(values["a"], values["b"]))


def test_int64_and_strings_run_in_the_classic_engine(shared_data: Path) -> None:
    for name in ("int64", "string"):
        loaded = engine(str(shared_data / f"odd/{name}.tflite"))
        given = seeded_input(loaded.inputs[0], 0)
        loaded.set_inputs([given])
        loaded.invoke()
        result = loaded.read_output(0)
        # Both models only move values around.
        assert sorted(result.ravel().tolist()) == sorted(given.ravel().tolist())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("custom_sinh", "custom-operator"),
        ("mobilenet_v1_0.25_128_quant_edgetpu", "custom-operator"),
        ("double_flex", "flex-operator"),
        ("invalid_model", "not-a-model"),
        ("transpose", "schema-version"),
        ("0_subgraphs", "no-subgraph"),
    ],
)
@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
def test_both_engines_tell_the_same_cause(shared_data: Path, name: str, code: str, engine_name: str) -> None:
    answer = ask(ready_service(), "load", **load_fields(str(shared_data / f"odd/{name}.tflite"), engine=engine_name))
    assert (answer["ok"], answer["code"]) == (False, code)


def test_an_output_that_cannot_be_read_fails_the_first_run(shared_data: Path) -> None:
    service = ready_service()
    path = str(shared_data / "odd/while_op_with_forwarding_input.tflite")
    assert ask(service, "load", **load_fields(path))["ok"]
    assert ask(service, "first", seed=0)["code"] == "output-unreadable"


def test_the_compiled_engine_says_which_dtypes_it_cannot_move(shared_data: Path) -> None:
    fields = load_fields(str(shared_data / "odd/int64.tflite"), engine="compiled")
    answer = ask(ready_service(), "load", **fields)
    assert answer["code"] == "dtype"
    assert "use --engine interpreter" in answer["message"]


@pytest.mark.parametrize(
    "name",
    ["float32", "float16", "dynamic", "int8", "uint8", "int8_float_io", "channels_first", "batch4", "two_inputs"],
)
def test_both_engines_answer_the_same(name: str) -> None:
    outputs = []
    for engine_name in ("interpreter", "compiled"):
        loaded = engine(model(name), engine=engine_name)
        loaded.set_inputs([seeded_input(tensor, 5) for tensor in loaded.inputs])
        loaded.invoke()
        outputs.append(loaded.read_output(0))
    classic, compiled = outputs
    assert (classic.dtype, classic.shape) == (compiled.dtype, compiled.shape)
    np.testing.assert_allclose(classic.astype(np.float64), compiled.astype(np.float64), atol=1e-5)
    assert len(np.unique(classic)) > 1


@pytest.mark.parametrize("name", ["int8", "uint8"])
def test_both_engines_know_the_quantization(name: str) -> None:
    classic, compiled = (engine(model(name), engine=engine_name) for engine_name in ("interpreter", "compiled"))
    for side in ("input_tensor", "output_tensor"):
        one, other = getattr(classic, side)(0), getattr(compiled, side)(0)
        assert one.scale > 0
        assert (one.scale, one.zero_point, one.dtype) == (other.scale, other.zero_point, other.dtype)


def test_an_output_is_a_copy_that_the_next_run_leaves_alone() -> None:
    for engine_name in ("interpreter", "compiled"):
        loaded = engine(model("float32"), engine=engine_name)
        loaded.set_inputs([np.zeros((1, 32, 32, 3), np.float32)])
        loaded.invoke()
        output = loaded.read_output(0)
        kept = output.copy()
        loaded.set_inputs([np.ones((1, 32, 32, 3), np.float32)])
        loaded.invoke()
        assert np.array_equal(output, kept)
        assert not np.array_equal(loaded.read_output(0), kept)


def test_an_input_that_does_not_fit_is_refused_by_name() -> None:
    loaded = engine(model("float32"))
    for wrong in (np.zeros((1, 8, 8, 3), np.float32), np.zeros((1, 32, 32, 3), np.int8)):
        with pytest.raises(Refusal, match="input 'serving_default") as caught:
            loaded.set_inputs([wrong])
        assert caught.value.code == "input-refused"


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"cmd": None},
        {"cmd": ["load"]},
        {"cmd": "load"},
        {"cmd": "first"},
        {"cmd": "first", "seed": -1},
        {"cmd": "first", "seed": "x"},
        {"cmd": "burst", "min_runs": 1},
        {"cmd": "burst", "min_runs": 1, "max_runs": -1, "max_ns": 0},
        {"cmd": "open_images", "pixels_path": "/nowhere.npy", "table": {}},
        {"cmd": "open_images", "pixels_path": "/nowhere.npy", "table": encode_array(COLOUR_TABLE)},
        {"cmd": "hello", "runtime": "no such"},
        [],
        None,
        "load",
    ],
    ids=repr,
)
def test_no_request_raises(request_: Any) -> None:
    answer = answer_to(loaded_service("float32"), request_)
    assert answer["ok"] is False
    assert answer["code"]
    assert "\n" not in answer["message"]


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError(), "out-of-memory", "the worker ran out of memory"),
        (RuntimeError("two\nlines"), "runtime-refused", "RuntimeError: two lines"),
        (OSError(5, "I/O"), "runtime-refused", "OSError: [Errno 5] I/O"),
        (KeyError("x"), "runtime-refused", "KeyError: 'x'"),
        (Refusal("why", "a\nb"), "why", "a b"),
    ],
)
def test_whatever_a_command_raises_becomes_an_answer(error: Exception, code: str, message: str) -> None:
    def fail(_: dict[str, Any]) -> dict[str, Any]:
        raise error

    service = Service()
    service.commands["memory"] = fail
    assert ask(service, "memory") == {"ok": False, "code": code, "message": message}


def test_loading_is_timed_without_our_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing our engine and listing the nodes took longer than loading a small model."""
    now = [0]

    def listing(_self: ClassicEngine) -> None:
        now[0] += 10**12

    monkeypatch.setattr(ClassicEngine, "_nodes", listing)
    monkeypatch.setattr("edgebench.worker.classic.time.perf_counter_ns", lambda: now[0])
    answer = ask(ready_service(), "load", **load_fields(model("float32")))
    assert answer["ok"]
    assert answer["load_ns"] == 0  # on this clock only our own work takes time


def test_the_random_generator_is_loaded_before_any_model() -> None:
    """Its memory would be put down to the model else: numpy 2 imports it at its first use."""
    code = "import sys; import edgebench.worker.service; print('numpy.random' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "True"


def test_paced_runs_and_a_window_answer_with_samples_on_the_workers_clock() -> None:
    service = loaded_service("float32")
    assert ask(service, "first", seed=0)["ok"]
    before = time.perf_counter_ns()
    answer = ask(service, "paced", gap_ns=1_000_000, runs=3)
    starts, latencies = decode_array(answer["start_ns"]), decode_array(answer["latency_ns"])
    assert (starts.size, latencies.size) == (3, 3)
    assert starts[0] >= before + 1_000_000
    start = time.perf_counter_ns() + 2_000_000
    answer = ask(service, "window", start_ns=start, stop_ns=start + 1, max_runs=5)
    starts, latencies = decode_array(answer["start_ns"]), decode_array(answer["latency_ns"])
    assert starts[0] >= start
    assert 1 <= starts.size <= 5
    assert (latencies > 0).all()


@pytest.mark.parametrize("command", ["paced", "window"])
def test_neither_runs_without_a_model(command: str) -> None:
    fields = {"gap_ns": 1, "runs": 1, "start_ns": 0, "stop_ns": 1, "max_runs": 1}
    assert ask(ready_service(), command, **fields)["code"] == "protocol"


def test_a_batch_is_checked_only_after_hello_and_leaves_nothing_loaded() -> None:
    assert ask(Service(), "check_batch", seed=0, **load_fields(model("float32"), batch=2))["code"] == "protocol"
    service = ready_service()
    assert ask(service, "check_batch", seed=0, **load_fields(model("float32"), batch=2)) == {"ok": True}
    assert ask(service, "first", seed=0)["code"] == "protocol"


def test_a_process_tells_what_its_start_was_made_of() -> None:
    with ProcessLink([sys.executable, "-u", str(worker_file())]) as link:
        told = link.request("ready", 60)
    assert told["numpy_ns"] > 0
    assert told["own_ns"] > 0
    assert ask(Service(), "ready") == {"ok": True, "numpy_ns": 0, "own_ns": 0}


def test_the_first_answer_holds_the_first_inference() -> None:
    answer = ask(loaded_service("float32"), "first", seed=0)
    assert answer["answer_ns"] > answer["latency_ns"] > 0


@pytest.mark.parametrize("engine_name", ["interpreter", "compiled"])
def test_what_an_engine_imports_is_not_loading(engine_name: str) -> None:
    answer = ask(ready_service(), "load", **load_fields(model("float32"), engine=engine_name))
    assert (answer["import_ns"] > 0) is (engine_name == "compiled")


def test_photos_are_answered_in_turn(tmp_path: Path) -> None:
    folder = write_folder(tmp_path, per_class=1)
    paths = [str(path) for path in sorted(folder.rglob("*.png"))]
    service = loaded_service("float32")
    assert ask(service, "open_photos", paths=paths, resize="stretch", table=encode_array(COLOUR_TABLE))["ok"]
    parts = decode_array(ask(service, "photos", min_runs=3, max_runs=3, max_ns=0)["parts_ns"])
    assert parts.shape == (3, 6)
    assert (parts >= 0).all()


def test_a_temporary_folder_goes_when_its_maker_ends() -> None:
    service = Service()
    folder = Path(ask(service, "make_scratch")["path"])
    (folder / "cache").write_bytes(b"12345")
    assert ask(service, "file_state", path=str(folder / "cache"))["found"]["size_bytes"] == 5
    service.close()
    assert not folder.exists()
    assert ask(service, "file_state", path=str(folder / "cache")) == {"ok": True, "found": None}


def test_a_temporary_folder_goes_when_the_controller_hangs_up() -> None:
    link = ProcessLink([sys.executable, "-u", str(worker_file())], close_wait_s=30)
    folder = Path(link.request("make_scratch", 60)["path"])
    assert folder.is_dir()
    link.close()
    assert not folder.exists()


def test_another_worker_removes_the_folder_of_one_that_died() -> None:
    folder = Path(ask(Service(), "make_scratch")["path"])
    assert ask(Service(), "drop_scratch", path=str(folder))["ok"]
    assert not folder.exists()


@pytest.mark.parametrize("delegate", ["default", "xnnpack"])
@pytest.mark.parametrize("name", ["float32", "int8"])
def test_a_weight_cache_is_written_and_then_read(tmp_path: Path, name: str, delegate: str) -> None:
    cache = tmp_path / "cache"
    fields = load_fields(model(name), engine="compiled", delegate=delegate, weight_cache=str(cache))
    scores = []
    states = []
    for _ in range(2):
        service = ready_service()
        assert ask(service, "load", **fields)["ok"]
        assert ask(service, "first", seed=0)["ok"]
        scores.append(service._loaded().read_output(0).tolist())
        states.append(ask(service, "file_state", path=str(cache))["found"])
    assert states[0]["size_bytes"] > 0
    assert states[0] == states[1]
    assert scores[0] == scores[1]


def test_without_xnnpack_there_is_no_weight_cache(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    fields = load_fields(model("float32"), engine="compiled", delegate="none", weight_cache=str(cache))
    assert ask(ready_service(), "load", **fields)["ok"]
    assert not cache.exists()


def test_the_interpreter_has_no_weight_cache(tmp_path: Path) -> None:
    answer = ask(ready_service(), "load", **load_fields(model("float32"), weight_cache=str(tmp_path / "cache")))
    assert (answer["code"], answer["ok"]) == ("no-weight-cache", False)
    assert "--engine compiled" in answer["message"]


def test_a_missing_file_is_named_with_a_weight_cache_too(tmp_path: Path) -> None:
    fields = load_fields(str(tmp_path / "gone.tflite"), engine="compiled", weight_cache=str(tmp_path / "cache"))
    assert "gone.tflite" in ask(ready_service(), "load", **fields)["message"]
