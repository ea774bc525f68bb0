from __future__ import annotations

import importlib
import sys
from types import ModuleType

import pytest
from edgebench.worker.refusal import Refusal
from edgebench.worker.runtimes import RUNTIMES, load_runtime


def pretend(monkeypatch: pytest.MonkeyPatch, found: dict[str, ModuleType | Exception]) -> list[str]:
    """Let imports of runtimes end as ``found`` says, anything else as not installed; return the modules asked for."""
    asked: list[str] = []

    def import_module(name: str) -> ModuleType:
        asked.append(name)
        result = found.get(name, ModuleNotFoundError(f"No module named {name!r}", name=name.split(".")[0]))
        if isinstance(result, Exception):
            raise result
        return result

    monkeypatch.setattr(importlib, "import_module", import_module)
    return asked


LITERT, TFLITE, TF = (module for _, module in RUNTIMES.values())


def test_the_real_runtime_tells_its_version() -> None:
    found = load_runtime()
    assert (found.name, found.package) == ("litert", "ai-edge-litert")
    assert found.version == importlib.metadata.version("ai-edge-litert")
    assert found.import_ns > 0
    assert hasattr(found.module, "Interpreter")
    assert set(found.describe()) == {"name", "package", "version", "import_ns"}


def test_the_first_that_is_there_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("tflite_runtime.interpreter")
    asked = pretend(monkeypatch, {TFLITE: module, TF: ModuleType("tf")})
    found = load_runtime()
    assert (found.name, found.module) == ("tflite", module)
    assert asked == [LITERT, TFLITE]


def test_a_wanted_runtime_is_the_only_one_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = pretend(monkeypatch, {LITERT: ModuleType("litert"), TF: ModuleType("tf")})
    assert load_runtime("tf").name == "tf"
    assert asked == [TF]


def test_a_wanted_runtime_that_is_absent_is_not_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {LITERT: ModuleType("litert")})
    with pytest.raises(Refusal, match="tflite-runtime is not installed") as caught:
        load_runtime("tflite")
    assert caught.value.code == "no-runtime"


def test_none_at_all_names_what_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {})
    with pytest.raises(Refusal, match="none of ai-edge-litert, tflite-runtime, tensorflow is installed"):
        load_runtime()


def test_a_runtime_that_lacks_its_own_needs_is_not_called_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {LITERT: ModuleNotFoundError("No module named 'flatbuffers'", name="flatbuffers")})
    with pytest.raises(Refusal, match="ai-edge-litert needs flatbuffers, which is missing"):
        load_runtime()


def test_a_broken_wheel_is_told_in_its_own_words_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "libLiteRt.so: undefined symbol: X\nNumPy 1.x cannot be run in NumPy 2 " + "y" * 500
    pretend(monkeypatch, {TFLITE: ImportError(words), LITERT: OSError("wrong ELF class")})
    with pytest.raises(Refusal, match=r"tflite-runtime does not import: libLiteRt\.so: undefined symbol") as caught:
        load_runtime()
    assert "ai-edge-litert does not import: wrong ELF class; tflite" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_broken_wheel_does_not_hide_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, {LITERT: ImportError("broken"), TFLITE: ModuleType("tflite")})
    assert load_runtime().name == "tflite"


def test_a_module_without_metadata_gives_its_own_version_or_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("somewhere.interpreter")
    pretend(monkeypatch, {TF: module})
    monkeypatch.setattr(sys, "path", [])
    assert load_runtime("tf").version == "unknown"
    module.__version__ = "2.99"  # type: ignore[attr-defined]
    assert load_runtime("tf").version == "2.99"
