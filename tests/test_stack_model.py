from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from edgebench.model_file import read_contents
from edgebench.stack_model import stack_model, write_stack_model

SCRIPT = Path(__file__).resolve().parent / "fixtures" / "make_stack_model.py"


def test_it_is_what_its_script_makes() -> None:
    pytest.importorskip("flatbuffers")
    spec = importlib.util.spec_from_file_location("make_stack_model", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.stack_model() == stack_model()


def test_it_is_a_stack_of_convolutions(tmp_path: Path) -> None:
    path = write_stack_model(tmp_path / "stack.tflite")
    assert read_contents(path, path.read_bytes()).operators == {"CONV_2D": 20}
