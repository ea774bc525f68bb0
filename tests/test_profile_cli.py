"""``edgebench profile`` end to end: real workers, every format, and everything that can go wrong."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edgebench.cli import main
from edgebench.devices.base import WorkerLink
from edgebench.devices.fake import FakeDevice
from edgebench.errors import ModelError, ProtocolError, RuntimeRefused, UsageError, WorkerDied, WorkerError
from edgebench.graph import read_graph
from edgebench.operators import Match
from edgebench.plan import find_variants
from edgebench.profile import ProfileSpec, profile_models, profile_variant
from edgebench.profile_data import FailedProfile, Profile
from edgebench.records import DelegateKind
from edgebench.worker import PROTOCOL_VERSION
from edgebench.worker.protocol import encode_array

MODELS = Path(__file__).resolve().parent / "fixtures" / "models"
FLOAT32, BRANCHES, STRING = (str(MODELS / f"{name}.tflite") for name in ("float32", "branches", "string_input"))


def _json(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert main(["profile", *arguments, "--format", "json", "--runs", "20"]) == 0
    record: dict[str, Any] = json.loads(capsys.readouterr().out)
    return record


def test_the_table_on_the_real_thing(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", BRANCHES, "--runs", "20"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("Profile of branches/float32: shares of time, not latencies\n")
    assert "~3 CONV_2D" in out
    assert "2 REVERSE_V2" in out
    assert "The quicker half of 20 runs counts." in out
    assert err == ""  # the library's own chatter stays with the worker


def test_without_a_delegate_every_node_is_known_and_operators_fill_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    (profile,) = _json(capsys, FLOAT32, "--delegate", "none")["profiles"]
    assert [item["match"] for item in profile["operators"]] == ["index"] * 6
    assert [item["node"] for item in profile["operators"]] == [0, 1, 2, 3, 4, 5]
    assert sum(item["share"] for item in profile["operators"]) == pytest.approx(1)
    assert 0 < profile["operators_us"] <= profile["invoke_us"]
    assert profile["resolution"]["cut_us"] == 0


def test_a_branch_is_matched_by_the_order_in_which_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (profile,) = _json(capsys, BRANCHES)["profiles"]
    found = [(item["key"]["tag"].split(" (")[0], item["match"], item["node"]) for item in profile["operators"]]
    assert found == [
        ("Convolution", "order", 0),
        ("Fully Connected", "order", 1),
        ("REVERSE_V2", "index", 2),
        ("Convolution", "order", 3),
        ("Add", "order", 4),
    ]
    assert any("matched to nodes by their order" in note for note in profile["notes"])


def test_a_loop_is_said_to_contain_its_body(capsys: pytest.CaptureFixture[str]) -> None:
    (profile,) = _json(capsys, str(MODELS / "loop.tflite"), "--delegate", "none")["profiles"]
    (loop,) = [item for item in profile["operators"] if item["share"] is None]
    assert loop["key"]["tag"] == "WHILE"
    assert any(note.startswith("WHILE: runs other subgraphs") for note in profile["notes"])


def test_csv_of_several_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", f"net/a={FLOAT32}", f"net/b={BRANCHES}", "--format", "csv", "--runs", "5"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert {row["variant"] for row in rows} == {"a", "b"}
    assert {row["model"] for row in rows} == {"net"}


def test_the_overlays_keys_are_output_tensors_of_the_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = [
        "profile",
        f"net/a={FLOAT32}",
        BRANCHES,
        "--delegate",
        "none",
        "--runs",
        "5",
        "--out",
        str(tmp_path / "o"),
    ]
    assert main([*arguments, "--format", "model-explorer"]) == 0
    files = [Path(line) for line in capsys.readouterr().out.splitlines()]
    assert [file.name for file in files] == ["net-a.model-explorer.json", "branches-float32.model-explorer.json"]
    (graph,) = read_graph(Path(FLOAT32)) or ()
    overlay = json.loads(files[0].read_text())
    assert set(overlay) == {graph.name}
    assert set(overlay[graph.name]["results"]) == {node.output_names[0] for node in graph.nodes}
    assert sum(item["value"] for item in overlay[graph.name]["results"].values()) == pytest.approx(100, abs=0.1)


def test_an_overlay_made_of_rounding_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    tiny = str(MODELS / "int64_input.tflite")
    assert main(["profile", tiny, "--format", "model-explorer", "--runs", "5"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "Too quick to tell shares" in err


def test_a_model_that_cannot_be_profiled_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", STRING, FLOAT32, str(MODELS / "missing.tflite"), "--runs", "5"]) == 3
    out, err = capsys.readouterr()
    assert "Profile of float32/float32" in out
    assert "string_input/string: input 'words' is of type string" in err
    assert "missing.tflite: no such file" in err


def test_a_model_that_never_ends_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", str(MODELS / "endless.tflite"), "--timeout", "2s"]) == 3
    assert "no answer to 'open_profile' within 2 s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((FLOAT32, "--engine", "interpreter"), "only engine compiled has a profiler"),
        ((FLOAT32, "--delegate", "external:x.so"), "only default, xnnpack and none can be profiled"),
        (
            (FLOAT32, "--delegate", "gpu"),
            "--delegate gpu: a profile is of the CPU's operators; choose default, xnnpack or",
        ),
        ((FLOAT32, "--delegate", "gpu"), "--delegate gpu"),
        ((FLOAT32, "--threads", "0"), "--threads 0: must be between 1 and 256"),
        ((FLOAT32, "--runs", "1"), "--runs 1: must be between 2"),
        ((FLOAT32, "--top", "0"), "--top 0: must be at least 1"),
        ((FLOAT32, "--timeout", "0s"), "--timeout 0s: must be above 0"),
        ((FLOAT32, "--python", "/no/python"), "--python /no/python: no such program"),
        (("/no/model.tflite",), "/no/model.tflite: no such file"),
        ((FLOAT32, BRANCHES, "--format", "model-explorer"), "write several with --out DIR"),
        ((FLOAT32, "--out", f"{FLOAT32}/x", "--runs", "5"), "cannot be made a folder"),
    ],
)
def test_usage_errors(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert err.count("\n") == 1


def test_an_old_runtime_is_told_in_one_line(tflite_python: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["profile", FLOAT32, "--python", tflite_python]) == 3
    err = capsys.readouterr().err
    assert "per-operator times need ai-edge-litert 2.2 or newer; tflite-runtime" in err
    assert err.count("\n") == 1


KEYS = [("A", 100), ("B", 300)]


class ScriptedLink(WorkerLink):
    """Answers the profile's commands; ``answers`` replaces one of them or makes it fail."""

    def __init__(self, version: str, answers: Mapping[str, Any]) -> None:
        self._version = version
        self._answers = answers
        self.asked: list[dict[str, Any]] = []

    def request(self, command: str, timeout_s: float, **fields: Any) -> dict[str, Any]:
        self.asked.append({"cmd": command, **fields})
        scripted = self._answers.get(command)
        if isinstance(scripted, WorkerError):
            raise scripted
        usual = {"hello": self._hello, "open_profile": _opened, "profile": _profiled}[command](fields)
        return {**usual, **(scripted or {})}

    def close(self) -> None:
        pass

    def _hello(self, _: dict[str, Any]) -> dict[str, Any]:
        runtime = {"name": "litert", "package": "ai-edge-litert", "version": self._version, "import_ns": 1}
        about = {"python": "3", "numpy": "1", "machine": "fake", "runtime": runtime}
        return {"protocol": PROTOCOL_VERSION, **about}


def _opened(_: dict[str, Any]) -> dict[str, Any]:
    return {"checked": False, "fully_accelerated": True, "non_cpu_fully_accelerated": None}


def _profiled(fields: dict[str, Any]) -> dict[str, Any]:
    runs = min(int(fields["max_runs"]), 30)
    key = {"subgraph": 0, "delegated": False, "partition": -1, "container": False}
    times = np.tile(np.array([[time for _, time in KEYS]], np.int64), (runs, 1))
    return {
        "operators": [{**key, "number": number, "tag": tag} for number, (tag, _) in enumerate(KEYS)],
        "elapsed_us": encode_array(times),
        "calls": encode_array(np.ones_like(times)),
        "invoke_us": encode_array(times.sum(axis=1)),
        "plain_ns": encode_array(times.sum(axis=1) * 1000),
    }


class ScriptedDevice(FakeDevice):
    """A device whose only worker is a scripted one."""

    def __init__(self, version: str = "2.3.0", **answers: Any) -> None:
        super().__init__({})
        self.link = ScriptedLink(version, answers)

    def start_worker(self, python: str) -> WorkerLink:
        return self.link


def _scripted(device: ScriptedDevice, **changes: Any) -> Profile:
    (variant,) = find_variants((FLOAT32,))[0]
    return profile_variant(ProfileSpec(models=(FLOAT32,), **changes), variant, device)


def test_it_stops_as_soon_as_the_shares_are_known() -> None:
    device = ScriptedDevice()
    profile = _scripted(device)
    assert profile.resolution.runs == 60  # at least 50, in answers of 30
    assert [item.share for item in profile.operators] == [0.25, 0.75]
    assert [asked["cmd"] for asked in device.link.asked] == ["hello", "open_profile", "profile", "profile"]


def test_it_goes_on_until_the_shares_are_known_or_time_is_up() -> None:
    noise = np.random.default_rng(0).integers(1, 4000, (30, 2))
    shaky = {"elapsed_us": encode_array(noise), "invoke_us": encode_array(noise.sum(axis=1))}
    profile = _scripted(ScriptedDevice(profile=shaky))
    assert 60 < profile.resolution.runs <= 330


def test_exactly_the_runs_asked_for() -> None:
    device = ScriptedDevice()
    assert _scripted(device, runs=70).resolution.runs == 70
    assert [asked["max_runs"] for asked in device.link.asked if asked["cmd"] == "profile"] == [70, 40, 10]


def test_names_that_are_no_nodes_are_not_matched() -> None:
    profile = _scripted(ScriptedDevice())
    assert {item.match for item in profile.operators} == {Match.NONE}
    assert any("cannot be matched to a node" in note for note in profile.notes)


def test_an_unchecked_release_is_told() -> None:
    assert any(
        "the C API was checked on 2.2.0 and 2.3.0 only" in note for note in _scripted(ScriptedDevice("2.9.0")).notes
    )


def test_a_crash_of_an_unchecked_release_says_that_it_is_one() -> None:
    died = WorkerDied("the worker was ended by SIGSEGV during 'open_profile'")
    with pytest.raises(
        RuntimeRefused, match=r"unavailable: .*SIGSEGV.*checked on 2\.2\.0 and 2\.3\.0, this is 2\.9\.0"
    ):
        _scripted(ScriptedDevice("2.9.0", open_profile=died))
    with pytest.raises(WorkerDied, match="SIGSEGV"):
        _scripted(ScriptedDevice("2.3.0", open_profile=died))


def test_an_explicit_delegate_that_took_nothing_is_an_error() -> None:
    with pytest.raises(RuntimeRefused, match="xnnpack took none of the 2 operators") as refused:
        _scripted(ScriptedDevice(), delegate=DelegateKind.XNNPACK)
    assert refused.value.code == "delegate-idle"


@pytest.mark.parametrize(
    "answer",
    [
        {"operators": []},
        {"operators": [{"tag": "A"}]},
        {"invoke_us": encode_array(np.ones(3, np.int64))},
        {"plain_ns": encode_array(np.ones(3, np.int64))},
        {"elapsed_us": {"dtype": "<i8", "shape": [2, 2], "base64": ""}},
    ],
)
def test_a_garbled_answer_is_a_protocol_error(answer: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        _scripted(ScriptedDevice(profile=answer))


def test_a_python_without_the_schema_gives_times_without_nodes(monkeypatch: pytest.MonkeyPatch) -> None:
    import ai_edge_litert

    monkeypatch.delattr(ai_edge_litert, "schema_py_generated", raising=False)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.schema_py_generated", None)
    assert read_graph(Path(FLOAT32)) is None
    profile = _scripted(ScriptedDevice())
    assert any("Nodes are not named" in note for note in profile.notes)


def test_a_damaged_file_has_no_graph(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.tflite"
    damaged.write_bytes(b"\xf0\xff\xff\x7fTFL3" + b"\xff" * 64)
    with pytest.raises(ModelError, match="is a damaged TFLite flatbuffer"):
        read_graph(damaged)
    with pytest.raises(ModelError, match="cannot be read"):
        read_graph(tmp_path / "nothing.tflite")


def test_failures_carry_their_code() -> None:
    spec = ProfileSpec(models=(FLOAT32,))
    (found,) = profile_models(spec, ScriptedDevice(open_profile=RuntimeRefused("no profiler", "no-profile")))
    assert isinstance(found, FailedProfile)
    assert (found.failure.code, found.failure.message) == ("no-profile", "no profiler")


def test_a_spec_is_checked_before_anything_starts() -> None:
    with pytest.raises(UsageError):
        ProfileSpec(models=(FLOAT32,), timeout_s=-1.0)
